"""What is wrong with a value of an input or a context, in one sentence and in the words of who gave it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

SHOWN = 60
"""Characters of a value that a sentence repeats."""
MOST = 10**12
"""No number of an input or a context is larger: no episode has more steps, and no seed more digits."""

_KINDS = {
    "string_type": "a text",
    "int_type": "a whole number",
    "float_type": "a number",
    "bool_type": "true or false",
    "list_type": "a list",
    "dict_type": "a table of names and values",
    "mapping_type": "a table of names and values",
}
"""What a field must be, by the type of pydantic's error."""


def said(error: ValidationError, what: str) -> str:
    """The first fault that pydantic found; `what` is where: "input" or "setting"."""
    first, *others = error.errors(include_url=False)
    name = str(first["loc"][0])
    if first["type"] == "missing":
        return f"The {what} {name} is missing: give one."
    kinds = dict.fromkeys(_kind(fault) for fault in (first, *others) if fault["loc"][0] == name)
    inside = " hold" if _is_within(first) else " be"
    return f"The {what} {name} must{inside} {' or '.join(kinds)}, not {shown_value(first['input'])}."


def unusable(name: str, value: object) -> str | None:
    """What is wrong with a value of the right type: unprintable characters, numbers without end; None if nothing is."""
    if isinstance(value, str) and not value.isprintable():
        return f"{name} has a character that cannot be used there: {shown_value(value)}."
    if isinstance(value, int | float) and not -MOST <= value <= MOST:
        return f"{name} is a number between -{MOST:.0e} and {MOST:.0e}, not {shown_value(value)}."
    parts = [*value, *value.values()] if isinstance(value, Mapping) else value if isinstance(value, list) else []
    return next((wrong for part in parts if (wrong := unusable(name, part)) is not None), None)


def shown_value(value: object) -> str:
    """A value as a sentence shows it: short, on one line."""
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        text = str(value) if isinstance(value, float) or abs(value) <= MOST else "a number of very many digits"
        return {"nan": "no number", "inf": "infinity", "-inf": "minus infinity"}.get(text, text)
    if isinstance(value, str):
        return ascii(value[:SHOWN]) + ("…" if len(value) > SHOWN else "")
    if isinstance(value, list | tuple):
        return "a list" if value else "an empty list"
    return "a table" if isinstance(value, Mapping) else "something else"


def _kind(fault: Any) -> str:
    if fault["type"] == "literal_error":
        return f"one of {fault['ctx']['expected']}"
    return _KINDS.get(fault["type"], "a value of another kind")


def _is_within(fault: Any) -> bool:
    """Whether the fault is in an entry of a list or a table, rather than in the field itself."""
    return any(isinstance(part, int) for part in fault["loc"]) or (
        isinstance(fault["input"], str | int | float) and len(fault["loc"]) > 1 and fault["loc"][-1] not in _BRANCHES
    )


_BRANCHES = ("int", "str", "list[int]", "list[str]", "none")
"""How pydantic names the alternatives of a type in the place of a fault."""

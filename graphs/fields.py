"""A field of a graph's input or context, described once: for readers of the code, for JSON schemas, and for Studio."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import Any, Required, get_args, get_origin, get_type_hints

from pydantic import Field, ValidationError

from worlds import BrokenWorld, world_entry, world_names

REQUIRED: Any = object()
"""Marks a field without a default."""

Choices = Sequence[str] | Callable[[], Sequence[str]]
"""The values that a field may have; a function where they can be added to from outside, such as worlds and recipes."""

MODEL = "vllm:Qwen/Qwen2.5-32B-Instruct"
WHO_PLAYS = (
    "vllm:NAME, sglang:NAME, llamacpp:NAME, openai:NAME, provider:NAME, embedded or scripted "
    "(rules, no language model)."
)
SERVER = "http://127.0.0.1:8000/v1"
SPENDABLE = "calls, tokens, cost (US dollars), minutes"


def described(
    title: str, description: str, *, default: Any = REQUIRED, example: Any = None, choices: Choices | None = None
) -> Any:
    """What a JSON schema says of a field, for use in `Annotated[type, described(…)]`.

    `default`: the value when it is left out; None where another field or the world decides (the description says how).
    In a dataclass the class gives it, unless it is made by a factory. `choices` are those of a text, of each item
    of a list, or of the keys of a dict.
    """

    examples = None if example is None else [example]
    return Field(title=title, description=description, examples=examples, json_schema_extra=_Extra(default, choices))


@dataclass(frozen=True)
class _Extra:
    """What pydantic does not put into the schema of a TypedDict's field by itself."""

    default: Any
    choices: Choices | None

    def __call__(self, schema: dict[str, Any]) -> None:
        if self.default is not REQUIRED:
            schema["default"] = deepcopy(self.default)
        if self.choices is not None:
            _offer(schema, list(self.choices() if callable(self.choices) else self.choices))


def defaults_of(kind: type) -> dict[str, Any]:
    """The defaults of a TypedDict's fields, as `described` gives them: without those that have none, or None."""
    found = {name: _extra(hint).default for name, hint in get_type_hints(kind, include_extras=True).items()}
    return {name: deepcopy(value) for name, value in found.items() if value is not None and value is not REQUIRED}


def _extra(hint: Any) -> _Extra:
    described = get_args(hint)[0] if get_origin(hint) is Required else hint
    extra = described.__metadata__[0].json_schema_extra
    assert isinstance(extra, _Extra), "a field of an input is declared with `described`"
    return extra


def all_tasks() -> list[str]:
    """The tasks of every world that can be loaded, each once."""
    tasks: dict[str, None] = {}
    for name in world_names():
        try:
            tasks |= dict.fromkeys(world_entry(name).tasks)
        except BrokenWorld:
            continue
    return list(tasks)


def _offer(schema: dict[str, Any], values: list[str]) -> None:
    """Put the values of a text, of a list's items or of a dict's keys into its schema."""
    if schema.get("type") == "array":
        schema["items"] = {**schema["items"], "enum": values}
    elif schema.get("type") == "object":
        schema["propertyNames"] = {"enum": values}
    elif "anyOf" in schema:
        for one in schema["anyOf"]:
            if one["type"] != "null":
                _offer(one, values)
    else:
        schema["enum"] = values


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


def first_fault(error: ValidationError, what: str) -> str:
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

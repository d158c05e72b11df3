"""From an argument model to what others need of it: a flat JSON schema, and one sentence for illegal values."""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

from pydantic import BaseModel, ValidationError

from tools.reading import encodable, one_line

_UNENCODABLE = "{field} holds half a character (a lone surrogate), which no file can hold"
_SENTENCES = {
    "missing": "{field} is missing",
    "extra_forbidden": "{field} is not an argument",
    "string_type": "{field} must be text",
    "string_unicode": _UNENCODABLE,
    "string_too_short": "{field} must not be empty",
    "int_type": "{field} must be a whole number",
    "int_parsing": "{field} must be a whole number",
    "int_parsing_size": "{field} is too large a number",
    "int_from_float": "{field} must be a whole number",
    "float_type": "{field} must be a number",
    "float_parsing": "{field} must be a number",
    "greater_than_equal": "{field} must be at least {ge}",
    "less_than_equal": "{field} must be at most {le}",
    "literal_error": "{field} must be {expected}",
}
_SCALARS = ("string", "integer", "number", "boolean")
_SHOWN = 3
"""Faults named in one sentence: a model mends these first, and an object with a thousand wrong keys stays one line."""


@lru_cache(maxsize=256)  # generating costs a fifth of a millisecond, and vocabularies are made for each episode
def parameters(arguments: type[BaseModel]) -> dict[str, Any]:
    """The JSON schema of the arguments, flat and without the titles that pydantic adds. Not to be changed."""
    schema = arguments.model_json_schema()
    properties = {
        name: {key: value for key, value in field.items() if key not in ("title", "default")}
        for name, field in schema.get("properties", {}).items()
    }
    return {
        "type": "object",
        "properties": properties,
        "required": list(schema.get("required", ())),
        "additionalProperties": False,
    }


def flaw(arguments: type[BaseModel]) -> str | None:
    """Why this model cannot hold the arguments of an operation in every dialect, or None when it can."""
    if arguments.model_config.get("extra") != "forbid":
        return 'its argument model must be closed: set extra="forbid"'
    optional = False
    for name, field in arguments.model_fields.items():
        if optional and field.is_required():
            return f"argument {name} is required but follows an optional one"
        optional = not field.is_required()
        if parameters(arguments)["properties"][name].get("type") not in _SCALARS:
            return f"argument {name} must be str, int, float, bool or a Literal of one of these"
    return None


def fault_sentence(error: ValidationError) -> str:
    """What is wrong with the arguments, naming each field: "lines must be at least 1; keyword is missing"."""
    faults = error.errors(include_url=False, include_input=False)
    shown = [_fault(fault) for fault in faults[:_SHOWN]]
    if len(faults) > _SHOWN:
        shown.append(f"and {len(faults) - _SHOWN} more")
    return "; ".join(shown)


def unencodable(arguments: Mapping[str, object]) -> str | None:
    """Names the first argument that cannot be encoded; pydantic lets lone surrogates pass, files and traces do not."""
    for name, value in arguments.items():
        if isinstance(value, str) and not value.isascii() and encodable(value) is not value:
            return _UNENCODABLE.format(field=one_line(name, 60))
    return None


def takes(fields: Sequence[str]) -> str:
    """What an operation takes, for the end of a sentence: "it takes file, keyword"."""
    return f"it takes {', '.join(fields)}" if fields else "it takes no arguments"


def _fault(fault: Any) -> str:
    field = one_line(".".join(str(part) for part in fault["loc"]), 60) or "the arguments"
    sentence = _SENTENCES.get(fault["type"])
    if sentence is None:
        return one_line(f"{field}: {fault['msg']}", 200)
    return sentence.format(field=field, **fault.get("ctx", {}))

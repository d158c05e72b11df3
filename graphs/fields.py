"""A field of a graph's input or context, described once: for readers of the code, for JSON schemas, and for Studio."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import Any, Required, get_args, get_origin, get_type_hints

from pydantic import Field

from worlds import BrokenWorld, world_entry, world_names

REQUIRED: Any = object()
"""Stands for the default of a field that has none."""

Choices = Sequence[str] | Callable[[], Sequence[str]]
"""The values that a field may have; a function where they can be added to from outside, such as worlds and recipes."""

MODEL = "vllm:Qwen/Qwen2.5-32B-Instruct"
WHO_PLAYS = "vllm:NAME, openai:NAME, provider:NAME, embedded or scripted (rules, no language model)."
SERVER = "http://127.0.0.1:8000/v1"
SPENDABLE = "calls, tokens, cost (US dollars), minutes"


def shown(
    title: str, description: str, *, default: Any = REQUIRED, example: Any = None, choices: Choices | None = None
) -> Any:
    """What a JSON schema says of a field, for use in `Annotated[type, shown(…)]`.

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
    """The defaults of a TypedDict's fields, as `shown` gives them: without those that have none, or None."""
    found = {name: _extra(hint).default for name, hint in get_type_hints(kind, include_extras=True).items()}
    return {name: deepcopy(value) for name, value in found.items() if value is not None and value is not REQUIRED}


def _extra(hint: Any) -> _Extra:
    described = get_args(hint)[0] if get_origin(hint) is Required else hint
    extra = described.__metadata__[0].json_schema_extra
    assert isinstance(extra, _Extra), "a field of an input is described by `shown`"
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

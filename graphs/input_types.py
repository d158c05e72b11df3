"""The types of a graph's input, checked: over REST and from Python anything may arrive."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

from pydantic import TypeAdapter, ValidationError

from graphs.inner_agent.context import SettingsError


def check_input(kind: Any, given: Mapping[str, Any]) -> None:
    """SettingsError if a field that the TypedDict `kind` names has another type; fields it does not name are left."""
    known = {name: value for name, value in given.items() if name in kind.__annotations__}
    try:
        _adapter(kind).validate_python(known, strict=True)
    except ValidationError as error:
        fault = error.errors(include_url=False)[0]
        name = ".".join(str(part) for part in fault["loc"])
        raise SettingsError(f"The input {name}: {fault['msg']}, not {fault['input']!r}.") from error


@cache
def _adapter(kind: Any) -> TypeAdapter[Any]:
    return TypeAdapter(kind)

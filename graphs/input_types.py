"""An outer loop's input, checked: over REST and from Python anything may arrive."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from pydantic import TypeAdapter, ValidationError

from graphs.bad_values import said
from graphs.inner_agent.context import SettingsError, check_usable
from worlds import UnknownWorld, WorldEntry


def check_input(kind: Any, given: Mapping[str, Any]) -> None:
    """SettingsError if a field that the TypedDict `kind` names has another type; fields it does not name are left.

    One that is None is left out, as a form leaves it.
    """
    known = {name: value for name, value in given.items() if name in kind.__annotations__ and value is not None}
    try:
        _adapter(kind).validate_python(known, strict=True)
    except ValidationError as error:
        raise SettingsError(said(error, "input")) from error
    check_usable(known)


def asked_for(kind: Any, given: Mapping[str, Any], defaults: Mapping[str, Any]) -> dict[str, Any]:
    """What an outer loop is asked for, by field of the TypedDict `kind`: not where it lies; else the defaults."""
    asked = {name: value for name, value in given.items() if value is not None and name in kind.__annotations__}
    return {name: value for name, value in {**defaults, **asked}.items() if name not in ("out", "resume")}


def check_tasks_of(entry: WorldEntry, tasks: Sequence[str]) -> None:
    """UnknownWorld for a task that the world has not; SettingsError if they name one twice, or none."""
    if unknown := [task for task in tasks if task not in entry.tasks]:
        raise UnknownWorld(f"World {entry.name!r} has no task {unknown[0]!r}; it has {', '.join(entry.tasks)}.")
    if len(set(tasks)) != len(tasks) or not tasks:
        raise SettingsError(f"The tasks name one twice, or none: {', '.join(tasks) or 'none'}.")


def check_least(settings: Mapping[str, Any], **least: int) -> None:
    """SettingsError for a number below the least that it may be."""
    for name, limit in least.items():
        if settings[name] < limit:
            raise SettingsError(f"{name} must be at least {limit}, not {settings[name]}.")


@cache
def _adapter(kind: Any) -> TypeAdapter[Any]:
    return TypeAdapter(kind)

"""Taking up an outer loop again: settings that change nothing may be given anew, any other that differs is refused."""

from __future__ import annotations

import dataclasses
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from graphs.inner_agent.context import Context, SettingsError
from graphs.inner_agent.run_file import FREE
from scaffolds import Scaffold

C = TypeVar("C", bound=Context)


def differs(folder: Path, what: str, name: str, was: object, now: object) -> SettingsError:
    """The refusal of a setting other than that a "run" or "search" (`what`) was begun with."""
    return SettingsError(
        f"The {what} in {folder} was begun with {name}={was!r}, not {now!r}: "
        f"give the same to go on with it, or another --out for another {what}."
    )


def play_on(kept: C, asked: C, *, digest: str, own_free: str, folder: Path, what: str) -> C:
    """The context as it was begun, with what may be changed as it is asked for now; SettingsError for the rest.

    What stands at its default is not asked for. `digest`: of the scaffold begun with, which may lie elsewhere now;
    `own_free`: the field of this loop's own that may change.
    """
    changes: dict[str, object] = {}
    for field in dataclasses.fields(kept):
        value, was = getattr(asked, field.name), getattr(kept, field.name)
        default = field.default if field.default_factory is dataclasses.MISSING else field.default_factory()
        if value in (default, was):
            continue
        if field.name == "scaffold":
            if Scaffold.load(str(value), trust_code=asked.trust_scaffold_code).digest != digest:
                raise differs(folder, what, "scaffold", was, value)
        elif field.name not in (*FREE, own_free):
            raise differs(folder, what, field.name, was, value)
        else:
            changes[field.name] = value
    return replace(kept, **changes)  # type: ignore[arg-type]  # fields of the very class

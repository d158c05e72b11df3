"""Beginning an outer loop where nothing is, or taking it up: settings may be given anew that change nothing."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from graphs.inner_agent.context import Context, SettingsError
from graphs.inner_agent.run_file import FREE
from scaffolds import Scaffold
from traces import TraceDamaged

C = TypeVar("C", bound=Context)


def anew(was: object, now: object) -> object:
    """A setting as it is asked for now; one left out or empty is not, and a ceiling that is not named again stays."""
    if now in (None, {}, []):
        return was
    return {**was, **now} if isinstance(was, dict) and isinstance(now, dict) else now


def differs(folder: Path, what: str, name: str, was: object, now: object) -> SettingsError:
    """The refusal of a setting other than that a "run" or "search" (`what`) was begun with."""
    return SettingsError(
        f"The {what} in {folder} was begun with {name}={was!r}, not {now!r}: "
        f"give the same to go on with it, or another `out` for another {what}."
    )


def check_vacant(folder: Path, what: str, *, unfinished: str = "") -> None:
    """SettingsError where something stands that is no `what` ("search", "run of loop 2"): nothing is mixed with it.

    `unfinished`: a file that may be there, left by one that was killed when it began.
    """
    if folder.exists() and (not folder.is_dir() or any(found.name != unfinished for found in folder.iterdir())):
        found = f"holds something that is no {what}" if folder.is_dir() else "is a file, and a folder is needed"
        raise SettingsError(f"{folder} {found}: give another `out`.")


@contextmanager
def reading(settings: Path) -> Iterator[None]:
    """TraceDamaged where a file of settings holds other things than it should: edited, or of another release."""
    try:
        yield
    except (KeyError, TypeError, AttributeError) as error:
        what = f"does not hold what it should ({error})"
        raise TraceDamaged(f"{settings} {what}: restore it, or choose another `out`") from error


def play_on(kept: C, asked: C, *, digest: str, own_free: str, folder: Path, what: str) -> C:
    """The context as it was begun, with what may be changed as it is asked for now; SettingsError for the rest.

    What stands at its default is not asked for. `digest`: of the scaffold begun with, which may lie elsewhere now;
    `own_free`: the field of this loop's own that may change.
    """
    changes: dict[str, object] = {}
    for field in dataclasses.fields(kept):
        was = getattr(kept, field.name)
        value = anew(was, getattr(asked, field.name))
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

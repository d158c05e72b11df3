"""scaffold.toml: its settings, and the line of a fault."""

import re
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from scaffolds.faults import ScaffoldError, nearest

Role = Literal["memory", "gameplay"]


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Turns(_Table):
    """Replies a model may give in a routine before it is ended; 10 by default, as in the paper."""

    log: int = Field(default=10, ge=1, le=100)
    plan: int = Field(default=10, ge=1, le=100)
    repeats: int = Field(default=2, ge=1, le=100)
    """Replies equal to the one before them after which a routine ends; none of them is run a second time."""
    consult: int | None = Field(default=None, ge=1, le=100)
    """Replies of a consultation before its handoff to the gameplay model; `plan` where not set."""

    @property
    def consulting(self) -> int:
        """Replies of a consultation before its handoff."""
        return self.consult or self.plan

    def shown(self) -> dict[str, int]:
        """The numbers for the system prompt."""
        return {"log": self.log, "plan": self.plan, "consult": self.consulting}


class Limits(_Table):
    """How much of the notebook one result shows; where not set, the notebook's own limits hold."""

    search_lines: int | None = Field(default=None, ge=1, le=100_000)
    """The last so many matching lines are shown (paper: 1,000, in v0 100)."""
    read_lines: int | None = Field(default=None, ge=1, le=100_000)
    """A longer file is cut to so many lines when read."""
    result_chars: int | None = Field(default=None, ge=1_000, le=1_000_000)
    """No result is longer than so many characters."""


class RoutineVocabulary(_Table):
    """The operations allowed in each routine, by name: the notebook's, `act`, `done`, and the scaffold's own."""

    log: Annotated[tuple[str, ...], Field(strict=False)]
    plan: Annotated[tuple[str, ...], Field(strict=False)]


class FileSpec(_Table):
    """One notebook file of the schema."""

    purpose: str = Field(min_length=1)
    """What belongs in it; the model reads this."""
    maintained_by: Literal["model", "hooks"] = "model"
    """Who keeps it: `hooks` files are written by hooks.py's `maintain`."""
    max_lines: int | None = Field(default=None, ge=1)
    """With more lines, a notice asks the model to tidy the file."""


class Roles(_Table):
    """Which model answers, in two-model mode: in each routine, and when the action is committed."""

    log: Role = "memory"
    plan: Role = "memory"
    act: Role = "gameplay"


class Settings(_Table):
    """The whole of scaffold.toml."""

    world: str
    summary: str = Field(min_length=1)
    parent: str | None = None
    """The version this one was made from, for example `WORLD/v0`."""
    dialect: str = "tags"
    turns: Turns = Turns()
    limits: Limits = Limits()
    vocabulary: RoutineVocabulary
    files: dict[str, FileSpec] = Field(default_factory=dict)
    hooks_share: float = Field(default=0.5, ge=0, le=1)
    """Loop 1 may let hooks keep at most this share of the declared files, because the model decides what is stored. The
    value of a search's first scaffold holds for all revisions."""
    roles: Roles = Roles()


def read_settings(path: Path) -> Settings:
    """The settings in the TOML file at `path`. ScaffoldError names the line of the first fault."""
    try:
        text = path.read_text(encoding="utf-8")
        data = tomllib.loads(text)
    except FileNotFoundError:
        raise ScaffoldError("this file is missing; every scaffold has one", path) from None
    except tomllib.TOMLDecodeError as error:
        line = re.search(r"at line (\d+)", str(error))
        raise ScaffoldError(f"this is no TOML: {error}", path, int(line[1]) if line else None) from error
    except (OSError, UnicodeDecodeError) as error:
        raise ScaffoldError(f"this file cannot be read as UTF-8 text: {error}", path) from error
    try:
        return Settings.model_validate(data)
    except ValidationError as error:
        faults = error.errors(include_url=False)
        location = tuple(faults[0]["loc"])
        more = f" (and {len(faults) - 1} more)" if len(faults) > 1 else ""
        raise ScaffoldError(_sentence(faults[0], location) + more, path, line_of(text, location)) from error


def line_of(text: str, location: Sequence[int | str]) -> int:
    """The line (from 1) at which the TOML text sets the value at `location`; if it is not set, its table's line.

    The first run of whole lines that parses and has the value ends with it: TOML's parser finds multi-line values.
    """
    lines = text.splitlines()
    start = 1
    for end in range(1, len(lines) + 1):
        try:
            data: Any = tomllib.loads("\n".join(lines[:end]))
        except tomllib.TOMLDecodeError:
            continue
        found, value = _look_up(data, location)
        if found:
            return _element_line(lines, start, end, value if location and isinstance(location[-1], int) else None)
        start = end + 1
    return line_of(text, location[:-1]) if location else 1


def _look_up(data: Any, location: Sequence[int | str]) -> tuple[bool, Any]:
    for part in location:
        try:
            data = data[part]
        except (KeyError, IndexError, TypeError):
            return False, None
    return True, data


def _element_line(lines: Sequence[str], start: int, end: int, element: Any) -> int:
    first = next(
        (n for n in range(start, end + 1) if lines[n - 1].strip() and not lines[n - 1].lstrip().startswith("#")), end
    )
    if isinstance(element, str):
        return next(
            (n for n in range(first, end + 1) if f'"{element}"' in lines[n - 1] or f"'{element}'" in lines[n - 1]),
            first,
        )
    return first


def _sentence(fault: Any, location: tuple[int | str, ...]) -> str:
    name = ".".join(str(part) for part in location)
    if fault["type"] == "extra_forbidden":
        return f"there is no setting {name!r}, {nearest(str(location[-1]), _known_keys(location[:-1]))}"
    if fault["type"] == "missing":
        return f"the setting {name!r} is missing"
    return f"{name}: {fault['msg']}, not {fault['input']!r}"


def _known_keys(table: tuple[int | str, ...]) -> list[str]:
    if not table:
        return list(Settings.model_fields)
    if table[0] == "files":
        return list(FileSpec.model_fields)
    annotation = Settings.model_fields[str(table[0])].annotation
    return list(annotation.model_fields) if isinstance(annotation, type) and issubclass(annotation, BaseModel) else []

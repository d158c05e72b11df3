"""The text of every file at any revision, rebuilt from the journal; nothing here writes."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from memory_fs.journal import Record, damaged, records
from memory_fs.names import Limits, clean_name
from memory_fs.results import Refused
from memory_fs.text import Text

ANY_NAME = Limits(max_name_bytes=255, max_depth=64)
"""For journals written under other limits; what makes a name unsafe does not depend on them."""


@dataclass(slots=True)
class Replay:
    """The notebook at one revision."""

    texts: dict[str, Text] = field(default_factory=dict)
    revision: int = 0
    end: int = 0
    """Offset in the journal behind the record of that revision."""
    before: dict[str, str] = field(default_factory=dict)
    """What the files changed by that record held before it; nothing if it made them."""

    def files(self) -> dict[str, str]:
        """Return the text of every file, by name in sorted order."""
        return {name: self.texts[name].text() for name in sorted(self.texts)}


def replay(journal: Path, upto: int | None = None) -> Replay:
    """Rebuild the notebook as of revision `upto` (the last one if None); NotebookFailure names a damaged line."""
    done = Replay()
    last: Record | None = None
    for record in records(journal, upto):
        if last is not None:
            _apply(done, last, journal)
        last = record
    if last is not None:
        done.before = {name: done.texts[name].text() if name in done.texts else "" for name in last.changes}
        _apply(done, last, journal)
    return done


def files_at(journal: Path | str, revision: int | None = None) -> dict[str, str]:
    """Return the text of every file at a revision (the last one if None), also while an episode is writing."""
    return replay(Path(journal), revision).files()


def _apply(done: Replay, record: Record, journal: Path) -> None:
    try:
        for name, change in record.changes.items():
            if change is None:
                del done.texts[name]
                continue
            if name not in done.texts:
                if clean_name(name, ANY_NAME) != name:
                    raise ValueError("its file name is invalid")
                done.texts[name] = Text()
            done.texts[name].splice(change, record.source)
    except (AttributeError, KeyError, OverflowError, Refused, TypeError, ValueError) as error:
        raise damaged(journal, record.revision, error) from error
    done.revision, done.end = record.revision, record.end

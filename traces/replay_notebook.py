"""The notebook's history as pieces of a replay page, from which the page rebuilds every file at every step."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from memory_fs.journal import Record, damaged, records
from memory_fs.text import Text
from traces.replay_arcs import Arc, arcs
from traces.replay_blocks import packed
from traces.replay_timeline import Gain, Recalled

CHARACTERS = 64_000
"""A piece begins with the whole notebook and ends once at least so many characters have changed, and as many as the
notebook had: what whole copies add is never more than what was written, and no step is far from one."""


class NotebookBlocks:
    """The journal up to a revision. `arcs` is filled as the pieces are taken: what was recalled before a gain."""

    def __init__(self, journal: Path, last_revision: int, gains: Sequence[Gain]) -> None:
        self.arcs: list[Arc] = []
        self._journal = journal
        self._last = last_revision
        self._files: dict[str, Text] = {}
        self._who: dict[int, tuple[int, str]] = {}
        """Of each revision that wrote a line still there: step and routine."""
        self._revision = 0
        self._firsts: list[int] = []
        self._texts = _RecalledTexts(gains)
        self._step: int | None = None
        self._block, self._size, self._room = self._begin()

    def blocks(self) -> Iterator[bytes]:
        """Yield the pieces; raises NotebookFailure where the journal is damaged."""
        for record in records(self._journal, self._last) if self._journal.exists() else ():
            ended = self.take(record)
            if ended is not None:
                yield ended
        yield self.rest()

    def take(self, record: Record) -> bytes | None:
        """Carry out the next change. Return the piece that ended before it, if one did."""
        ended = None
        if self._size >= self._room and record.step != self._step:  # all changes of a step are in one piece
            ended = packed(self._block)
            self._block, self._size, self._room = self._begin()
        self._step = record.step
        self._texts.look(self._files, record.revision - 1)
        self._size += self._apply(record, self._block["records"])
        return ended

    def rest(self) -> bytes:
        """Return the last piece, as far as it goes, and fill `arcs`."""
        self._texts.look(self._files, self._revision)
        self.arcs = arcs(self._texts.gains, self._texts.lines)
        return packed(self._block)

    @property
    def revision(self) -> int:
        """Of the last change taken."""
        return self._revision

    def head(self) -> dict[str, Any]:
        """Return the revision each piece begins with."""
        return {"firsts": self._firsts}

    def _begin(self) -> tuple[dict[str, Any], int, int]:
        """A new piece with the notebook as it is: the piece, its size, and the size at which it ends."""
        standing = {revision for text in self._files.values() for revision in text.revisions}
        self._who = {revision: who for revision, who in self._who.items() if revision in standing}
        self._firsts.append(self._revision)
        files = {name: [list(text.lines), list(text.revisions)] for name, text in self._files.items()}
        block = {"files": files, "who": [[revision, *who] for revision, who in self._who.items()], "records": []}
        whole = sum(len(line) + 8 for text in self._files.values() for line in text.lines)
        return block, 0, max(CHARACTERS, whole)

    def _apply(self, record: Record, changes_made: list[Any]) -> int:
        """Carry out one change, add it to `changes_made`, and return its size."""
        self._revision = record.revision
        self._who[record.revision] = (record.step, record.routine)
        changes: dict[str, Any] = {}
        size = 0
        for name, change in record.changes.items():
            if change is None:
                self._files.pop(name, None)
                changes[name] = None
                continue
            text = self._files.setdefault(name, Text())
            try:
                text.splice(change, record.source)
            except (TypeError, ValueError) as error:
                raise damaged(self._journal, record.revision, error) from error
            # A line that only moved keeps who wrote it; the page need not find out again which did.
            wrote = list(text.revisions[change.at : change.at + len(change.put)])
            changes[name] = [change.at, change.drop, change.put]
            if any(revision != record.revision for revision in wrote):
                changes[name].append(wrote)
            size += 20 + sum(len(line) + 4 for line in change.put)
        changes_made.append([record.revision, record.step, record.routine, record.operation, changes])
        return size


class _RecalledTexts:
    """What the lines said that were recalled before gains, looked up as the notebook passes by."""

    def __init__(self, gains: Sequence[Gain]) -> None:
        self.gains = gains
        self.lines: dict[Recalled, list[str]] = {}
        wanted = {one for gain in gains for one in gain.recalls}
        self._waiting = sorted(wanted, key=lambda one: one.revision, reverse=True)

    def look(self, files: dict[str, Text], revision: int) -> None:
        """Take what was recalled at this revision."""
        while self._waiting and self._waiting[-1].revision <= revision:
            one = self._waiting.pop()
            text = files.get(one.file)
            if one.revision == revision and text is not None and max(one.lines) <= len(text.lines):
                self.lines[one] = [text.lines[number - 1] for number in one.lines]

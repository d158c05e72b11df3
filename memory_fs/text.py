"""The text of one file as lines, each with who wrote it; every replay of the journal ends in these."""

from __future__ import annotations

from array import array

from memory_fs.change import Change, joined
from memory_fs.results import Source


class Text:
    """Lines, and for each the step and the revision that wrote it."""

    __slots__ = ("lines", "revisions", "steps", "unended")

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.unended = False
        """Whether the last line lacks its newline."""
        self.steps = array("q")
        self.revisions = array("q")

    def splice(self, change: Change, source: Source) -> None:
        """Apply a change made by `source`; ValueError when it does not fit this text.

        Lines outside the splice keep who wrote them, and so does a line that only moved within it.
        """
        at, drop, put, unended = change
        if not 0 <= at <= at + drop <= len(self.lines):
            raise ValueError(f"it changes lines {at + 1} to {at + drop} of {len(self.lines)}")
        step, revision = source
        self.unended = unended
        if at == len(self.lines):
            self.lines += put
            self.steps.extend([step] * len(put))
            self.revisions.extend([revision] * len(put))
            return
        movers: dict[str, list[Source]] = {}
        for index in range(at + drop - 1, at - 1, -1):
            movers.setdefault(self.lines[index], []).append(self.source(index))
        sources = [movers[line].pop() if movers.get(line) else source for line in put]
        self.lines[at : at + drop] = put
        self.steps[at : at + drop] = array("q", [step for step, _ in sources])
        self.revisions[at : at + drop] = array("q", [revision for _, revision in sources])

    def source(self, index: int) -> Source:
        """Return who wrote the line at `index` (from 0)."""
        return Source(self.steps[index], self.revisions[index])

    def text(self) -> str:
        """Return the file's whole text."""
        return joined(self.lines, self.unended)

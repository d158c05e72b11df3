"""Case-blind search by line, at the speed of a substring search over whole blocks of lines."""

from __future__ import annotations

from array import array
from collections.abc import Iterable
from dataclasses import dataclass, field

BLOCK_LINES = 64
"""Lines joined into one searchable string: fewer make the loop the cost, more make a changed line the cost."""

REMEMBERED = 32
"""Keywords whose matches in full blocks are remembered: agents ask for the same few words again and again."""

LONGEST_REMEMBERED = 200
"""Characters of the longest keyword worth remembering."""


@dataclass(slots=True)
class _Matches:
    """The matches of one keyword in the first `blocks` full blocks."""

    blocks: int = 0
    total: int = 0
    last: array[int] = field(default_factory=lambda: array("I"))


class FoldedText:
    """The casefolded lines of one file, in full blocks and one open block."""

    __slots__ = ("_full", "_keep", "_matches", "_open")

    def __init__(self, keep: int) -> None:
        """Remember at most the last `keep` matches of a keyword, the most a search shows."""
        self._keep = keep
        self._full: list[str] = []
        self._open: list[str] = []
        self._matches: dict[str, _Matches] = {}

    def extend(self, lines: Iterable[str]) -> None:
        """Add lines at the end."""
        block = self._open
        for line in lines:
            block.append(line.casefold())
            if len(block) == BLOCK_LINES:
                self._full.append("\n".join(block))
                block.clear()

    def replace(self, index: int, line: str) -> None:
        """Put another line in place of the one at `index`."""
        number, within = divmod(index, BLOCK_LINES)
        folded = line.casefold()
        if number == len(self._full):
            self._open[within] = folded
            return
        block = self._full[number].split("\n")
        old, block[within] = block[within], folded
        self._full[number] = "\n".join(block)
        for keyword in [word for word in self._matches if word in old or word in folded]:
            del self._matches[keyword]

    def cut(self, length: int) -> None:
        """Keep the first `length` lines."""
        number, within = divmod(length, BLOCK_LINES)
        if number < len(self._full):
            self._open = self._full[number].split("\n")
            del self._full[number:]
        del self._open[within:]
        self._matches.clear()

    def search(self, keyword: str) -> tuple[int, list[int]]:
        """Return how many lines contain the keyword and the indices (from 0, ascending) of the last of them."""
        keyword = keyword.casefold()
        found = self._in_full_blocks(keyword)
        start = len(self._full) * BLOCK_LINES
        fresh = [start + i for i, line in enumerate(self._open) if keyword in line]
        return found.total + len(fresh), (found.last.tolist() + fresh)[-self._keep :]

    def _in_full_blocks(self, keyword: str) -> _Matches:
        found = self._matches.pop(keyword, None) or _Matches()
        full = self._full
        for number in range(found.blocks, len(full)):
            if keyword in full[number]:
                start = number * BLOCK_LINES
                hits = [start + i for i, line in enumerate(full[number].split("\n")) if keyword in line]
                found.total += len(hits)
                found.last.extend(hits)
                if len(found.last) > 2 * self._keep:
                    del found.last[: -self._keep]
        found.blocks = len(full)
        if full and len(keyword) <= LONGEST_REMEMBERED:
            self._matches[keyword] = found
            if len(self._matches) > REMEMBERED:
                del self._matches[next(iter(self._matches))]
        return found

"""Case-blind search by line: whole blocks of lines are passed over, or searched as one string."""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import compress, count, repeat
from operator import contains

from memory_fs.signatures import Signatures

BLOCK_LINES = 64
"""Lines of a full block: fewer make the loop over blocks the cost, more make a changed line the cost."""

BLOCK_CHARS = 8_192
"""A block of long lines is full when it has this many characters."""

REMEMBERED = 32
"""Keywords whose matches in full blocks are remembered: agents ask for the same few words again and again."""

WORTH_REMEMBERING = 16
"""Blocks that were looked at for a keyword: below, it is found anew as quickly, and would only push others out."""

LONGEST_REMEMBERED = 200
"""Characters of the longest keyword worth remembering."""


FEW = 12
"""Up to so many matches in a block, going from one to the next is quicker than looking at every line."""


@dataclass(slots=True)
class _Matches:
    """The matches of one keyword in the first `blocks` full blocks."""

    blocks: int = 0
    looked_at: int = 0
    total: int = 0
    last: array[int] = field(default_factory=lambda: array("I"))


class FoldedText:
    """The casefolded lines of one file: full blocks as UTF-8, and one open block as lines."""

    __slots__ = ("_full", "_keep", "_matches", "_open", "_open_chars", "_signatures", "_starts")

    def __init__(self, keep: int) -> None:
        """Remember at most the last `keep` matches of a keyword, the most a search shows."""
        self._keep = keep
        self._full: list[bytes] = []
        self._starts = array("I", [0])  # index of each block's first line, the open block's last
        self._signatures = Signatures()
        self._open: list[str] = []
        self._open_chars = 0
        self._matches: dict[str, _Matches] = {}

    def extend(self, lines: Iterable[str]) -> None:
        """Add lines at the end."""
        block = self._open
        for line in lines:
            block.append(line.casefold())
            self._open_chars += len(line)
            if len(block) >= BLOCK_LINES or self._open_chars >= BLOCK_CHARS:
                data = "\n".join(block).encode()
                self._signatures.add(len(self._full), data)
                self._full.append(data)
                self._starts.append(self._starts[-1] + len(block))
                block.clear()
                self._open_chars = 0

    def replace(self, index: int, line: str) -> None:
        """Put another line in place of the one at `index`."""
        number = bisect_right(self._starts, index) - 1
        within = index - self._starts[number]
        folded = line.casefold()
        if number == len(self._full):
            self._open[within] = folded
            return
        block = self._full[number].split(b"\n")
        old, block[within] = block[within].decode(), folded.encode()
        self._full[number] = b"\n".join(block)
        self._signatures.add(number, block[within])
        for keyword in [word for word in self._matches if word in old or word in folded]:
            del self._matches[keyword]

    def cut(self, length: int) -> None:
        """Keep the first `length` lines."""
        number = bisect_right(self._starts, length) - 1
        if number < len(self._full):
            self._open = self._full[number].decode().split("\n")
            del self._full[number:]
            del self._starts[number + 1 :]
        del self._open[length - self._starts[number] :]
        self._open_chars = sum(map(len, self._open))
        self._matches.clear()
        if not number:
            self._signatures.clear()

    def search(self, keyword: str) -> tuple[int, list[int]]:
        """Return how many lines contain the keyword and the indices (from 0, ascending) of the last of them."""
        keyword = keyword.casefold()
        if "\n" in keyword:
            return 0, []
        if not keyword:
            total = self._starts[-1] + len(self._open)
            return total, list(range(max(total - self._keep, 0), total))
        fresh = [index for index, line in enumerate(self._open, self._starts[-1]) if keyword in line]
        if not self._full:
            return len(fresh), fresh[-self._keep :]
        found = self._in_full_blocks(keyword)
        return found.total + len(fresh), (found.last.tolist() + fresh)[-self._keep :]

    def _in_full_blocks(self, keyword: str) -> _Matches:
        found = self._matches.pop(keyword, None) or _Matches()
        wanted = keyword.encode(errors="surrogatepass")  # half a character stands in no file: nothing will match
        for number in self._signatures.candidates(wanted, found.blocks, len(self._full)):
            found.looked_at += 1
            hits = _hits(self._full[number], wanted, self._starts[number])
            found.total += len(hits)
            found.last.extend(hits)
            if len(found.last) > 2 * self._keep:
                del found.last[: -self._keep]
        found.blocks = len(self._full)
        if found.looked_at >= WORTH_REMEMBERING and len(keyword) <= LONGEST_REMEMBERED:
            self._matches[keyword] = found
            if len(self._matches) > REMEMBERED:
                del self._matches[next(iter(self._matches))]
        return found


def _hits(data: bytes, wanted: bytes, first: int) -> list[int]:
    """Return the indices of the lines that contain `wanted`, which is not empty; `first` is that of the first line."""
    hits: list[int] = []
    at, found = 0, data.find(wanted)
    if found >= 0 and data.count(wanted, found) > FEW:
        return list(compress(count(first), map(contains, data.split(b"\n"), repeat(wanted))))
    while found >= 0:
        first += data.count(b"\n", at, found)
        hits.append(first)
        at = data.find(b"\n", found)
        found = data.find(wanted, at) if at >= 0 else -1
    return hits

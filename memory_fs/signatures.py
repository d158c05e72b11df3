"""Which blocks of text may hold a keyword: a bit per block and hashed four-byte piece, so most are never looked at."""

from __future__ import annotations

from array import array
from collections.abc import Iterator

ROWS = 8_179
"""A prime number of hash values: a block of log lines has about a thousand different pieces, an eighth of it."""

GROUP = 64
"""Blocks whose bits share one machine word; a group takes 64 KiB for about 256 KiB of text."""

LONGEST_BLOCK = 64 * 1024
"""Bytes of the longest block worth indexing: a longer one would have nearly every bit set."""

_NO_BITS = bytes(8 * ROWS)


class Signatures:
    """Blocks are numbered from 0; a block may be named without holding the keyword, but never left out."""

    __slots__ = ("_always", "_closed", "_groups")

    def __init__(self) -> None:
        self._groups: list[array[int]] = []  # per group: for each row the blocks of the group that have it
        self._always: list[int] = []  # per group: the blocks too long to index
        self._closed: list[int] = []  # for each row: the groups that have it, of all but the last

    def add(self, block: int, data: bytes) -> None:
        """Note what stands in a block, in addition to what stood there before."""
        group, within = divmod(block, GROUP)
        if group == len(self._groups):
            self._open_group()
        bit = 1 << within
        if len(data) > LONGEST_BLOCK:
            self._always[group] |= bit
            return
        rows = self._groups[group]
        wanted = {piece % ROWS for piece in _pieces(data)}
        for row in wanted:
            rows[row] |= bit
        if group < len(self._groups) - 1:
            for row in wanted:
                self._closed[row] |= 1 << group

    def clear(self) -> None:
        """Forget every block."""
        self._groups.clear()
        self._always.clear()
        self._closed.clear()

    def candidates(self, keyword: bytes, start: int, stop: int) -> Iterator[int]:
        """Yield, in order, the blocks from `start` to before `stop` that may hold the keyword."""
        wanted = {piece % ROWS for piece in _pieces(keyword)}
        for group in self._candidate_groups(wanted, start // GROUP):
            rows, bits = self._groups[group], (1 << GROUP) - 1
            for row in wanted:
                bits &= rows[row]
                if not bits:
                    break
            bits |= self._always[group]
            first = group * GROUP
            while bits:
                lowest = bits & -bits
                block = first + lowest.bit_length() - 1
                if start <= block < stop:
                    yield block
                bits ^= lowest

    def _candidate_groups(self, wanted: set[int], start: int) -> Iterator[int]:
        last = len(self._groups) - 1
        bits = (1 << max(last, 0)) - 1
        for row in wanted if last > 0 else ():
            bits &= self._closed[row]
        for group, always in enumerate(self._always):
            if group >= start and (group == last or always or bits >> group & 1):
                yield group

    def _open_group(self) -> None:
        if not self._groups:
            self._closed = [0] * ROWS
        else:
            bit = 1 << (len(self._groups) - 1)
            for row, blocks in enumerate(self._groups[-1]):
                if blocks:
                    self._closed[row] |= bit
        self._groups.append(array("Q", _NO_BITS))
        self._always.append(0)


def _pieces(data: bytes) -> set[int]:
    """Return every four bytes in a row, as numbers."""
    view = memoryview(data)
    pieces: set[int] = set()
    for offset in range(min(4, max(len(data) - 3, 0))):
        pieces.update(view[offset : offset + (len(data) - offset) // 4 * 4].cast("I"))
    return pieces

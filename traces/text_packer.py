"""A text is stored once per episode and referred to afterwards: how texts are packed.

A text is split into paragraphs ("\\n\\n") and those into lines ("\\n"). A piece of at least `SHORTEST` characters that
was not met lately becomes an entry of its line's "texts"; everywhere else a reference stands for it.

    text   "..."  or  reference  or  [part, ...]   joined by "\\n\\n"
    part   "..."  or  reference  or  run  or  [line, ...]   joined by "\\n"
    line   "..."  or  reference  or  run  or  slice
    reference  [step, index]               entry `index` of the "texts" of line `step`, itself a packed text
    run        [step, index, count]        `count` entries in a row, joined like their surroundings
    slice      [step, index, first, count] `count` lines of an entry's text, from line `first` (from 0)

Joining undoes splitting exactly, so every text comes back character for character. References point backwards only.
"""

from collections.abc import Sequence
from math import isqrt
from typing import Any

from traces.listings import LISTING, Listings, Packed
from traces.recent import Recent

SHORTEST = 24  # characters; a reference costs about 10 bytes: below this, sharing saves nothing worth a lookup
ENTRIES = 4096  # pieces remembered: the new ones of about 80 steps, and all that recurs meanwhile
CHARACTERS = 1_000_000  # of all remembered pieces: 50 episodes side by side stay below 100 MB


class TextPacker:
    """Packs the texts of one episode, line after line. Memory is bounded; the same texts give the same bytes."""

    def __init__(self) -> None:
        self._table: Recent[str, tuple[int, int]] = Recent(ENTRIES, CHARACTERS, lambda text, _: len(text))
        self._listings = Listings()
        self._step = 0
        self.texts: list[Packed] = []

    def begin(self, step: int) -> None:
        """Start the line of `step` with no texts of its own."""
        self._step, self.texts = step, []

    def remember(self, text: str, step: int, index: int) -> None:
        """Take over a piece that an earlier line holds, when a trace is opened again."""
        if self._table.get(text) is None:
            self._table.put(text, (step, index))

    def pack(self, text: str) -> Packed:
        """Return `text` packed, adding its new pieces to `texts`."""
        if len(text) < SHORTEST:
            return text
        if found := self._table.get(text):
            return list(found)
        if "\n\n" in text:
            return self._keep(text, _merged([self._part(part) for part in text.split("\n\n")], "\n\n"))
        part = self._part(text)
        return part if isinstance(part[0], int) else [part]

    def _part(self, text: str, headed: bool = True) -> Packed:
        if len(text) < SHORTEST:
            return text
        if found := self._table.get(text):
            return list(found)
        if headed and text[0] == "#":
            # What stands under a heading also stands elsewhere: an observation, the result of a recall.
            heading, _, rest = text.partition("\n")
            if len(rest) >= SHORTEST:
                return [self._line(heading), self._part(rest, headed=False)]
        lines = text.split("\n")
        if len(lines) == 1:
            return self._keep(text, text)
        if len(lines) >= LISTING:
            return self._listing(text, lines)
        return self._keep_lines(text, [self._line(line) for line in lines])

    def _line(self, text: str) -> Packed:
        if len(text) < SHORTEST:
            return text
        found = self._table.get(text)
        return list(found) if found else self._keep(text, text)

    def _listing(self, text: str, lines: list[str]) -> Packed:
        """Write a listing as slices of earlier ones and new lines, or in full where that pays better.

        One that changes by a line at a time costs least if written in full after about sqrt(2 n) changes.
        """
        found = self._listings.match(lines)
        if len(found) <= isqrt(2 * len(lines)):
            return self._keep_lines(text, [self._line(one) if isinstance(one, str) else one.slice() for one in found])
        packed: list[Packed] = []
        for one in found:
            packed += [self._line(one)] if isinstance(one, str) else one.packed
        kept = self._keep_lines(text, packed)
        self._listings.remember(self._step, len(self.texts) - 1, lines, packed)
        return kept

    def _keep_lines(self, text: str, packed: list[Packed]) -> Packed:
        merged = _merged(packed, "\n")
        return self._keep(text, merged if isinstance(merged, str) else [merged])

    def _keep(self, text: str, packed: Packed) -> Packed:
        index = len(self.texts)
        self.texts.append(packed)
        self._table.put(text, (self._step, index))
        return [self._step, index]


def _merged(parts: Sequence[Packed], separator: str) -> Packed:
    """Join neighbouring strings, and write references in a row as one run."""
    merged: list[Any] = []
    for part in parts:
        last = merged[-1] if merged else None
        if isinstance(part, str) and isinstance(last, str):
            merged[-1] = last + separator + part
        elif len(part) == 2 and isinstance(last, list) and _continues(last, part):
            merged[-1] = [last[0], last[1], (last[2] if len(last) == 3 else 1) + 1]
        else:
            merged.append(part)
    return merged[0] if len(merged) == 1 and isinstance(merged[0], str) else merged


def _continues(last: list[Any], part: Packed) -> bool:
    """Say whether reference `part` points at the entry after those of `last`."""
    if not (isinstance(last[0], int) and isinstance(part[0], int) and len(last) <= 3 and last[0] == part[0]):
        return False
    after: int = last[1] + (last[2] if len(last) == 3 else 1)
    return after == part[1]

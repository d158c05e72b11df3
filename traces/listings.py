"""Listings: paragraphs of many lines, such as a file read or a search result, that come back a little changed."""

from itertools import islice
from typing import Any, NamedTuple

from traces.recent import Recent

LISTING = 12  # lines that make a paragraph a listing: below it, a reference per line costs no more than the bookkeeping
_LISTINGS = 64  # listings remembered
_CHARACTERS = 500_000  # of all remembered listings
_LINES = 8192  # lines whose place in a listing is remembered

Packed = str | list[Any]
"""A packed text; the format is told in text_packer.py."""


class Match(NamedTuple):
    """Lines that an earlier listing holds in this order."""

    listing: tuple[int, int]  # step and index of the entry
    first: int  # the place of the first of them, from 0
    packed: list[Packed]  # how each was written there

    def slice(self) -> Packed:
        """Return what stands for these lines in a packed text."""
        return self.packed[0] if len(self.packed) == 1 else [*self.listing, self.first, len(self.packed)]


class _Listing(NamedTuple):
    lines: list[str]
    packed: list[Packed]  # parallel to lines


class Listings:
    """The listings lately written out in full, and where each of their lines stands.

    Only these are sliced, so that a slice never leads to a slice, and a text is rebuilt in a few hops however long
    the episode is.
    """

    def __init__(self) -> None:
        self._listings: Recent[tuple[int, int], _Listing] = Recent(
            _LISTINGS, _CHARACTERS, lambda _, listing: sum(map(len, listing.lines))
        )
        self._places: Recent[str, tuple[int, int, int]] = Recent(_LINES)

    def remember(self, step: int, index: int, lines: list[str], packed: list[Packed]) -> None:
        """Let later listings slice entry `index` of line `step`."""
        self._listings.put((step, index), _Listing(lines, packed))
        for position, line in enumerate(lines):
            self._places.put(line, (step, index, position))

    def match(self, lines: list[str]) -> list[str | Match]:
        """Cover `lines` from first to last with what earlier listings hold; a line they do not hold stays itself."""
        found: list[str | Match] = []
        at = 0
        while at < len(lines):
            step, index, first = self._places.get(lines[at]) or (0, 0, 0)
            listing = self._listings.get((step, index))
            length = _common_length(lines, at, listing.lines, first) if listing else 0
            if listing and length:
                found.append(Match((step, index), first, listing.packed[first : first + length]))
            else:
                found.append(lines[at])
            at += max(length, 1)
        return found


def _common_length(lines: list[str], at: int, other: list[str], first: int) -> int:
    """Return how many lines from `at` equal those of `other` from `first`."""
    length = 0
    for ours, theirs in zip(islice(lines, at, None), islice(other, first, None), strict=False):
        if ours != theirs:
            break
        length += 1
    return length

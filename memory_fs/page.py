"""One file of the open notebook: its text, and the look-ups that make its operations quick."""

from __future__ import annotations

from typing import NamedTuple

from memory_fs.results import Source
from memory_fs.text import Change, Text, joined


class Patch(NamedTuple):
    """Bytes to put into a file: `data` at `offset`, after which the file has `size` bytes."""

    offset: int
    data: bytes
    size: int


class Page(Text):
    """A text with its size, case-blind search, and look-up of lines and of keys."""

    __slots__ = ("_bytes", "_first", "_folded", "_keys", "_repeated")

    def __init__(self, text: Text) -> None:
        """Use the lines of a replayed text."""
        self.lines, self.unended, self.steps, self.revisions = text.lines, text.unended, text.steps, text.revisions
        self._bytes = _bytes_of(self.lines)  # counting a newline for every line
        self._folded = [line.casefold() for line in self.lines]
        self._first: dict[str, int] = {}  # line -> index of its first occurrence
        self._repeated: set[str] = set()  # lines that the file holds more than once
        self._keys: dict[str, int] | None = None  # key -> index of its last line; made by the first upsert
        self._index(0)

    @property
    def size(self) -> int:
        """Bytes of the text in UTF-8."""
        return self._bytes - 1 if self.unended else self._bytes

    def size_after(self, change: Change) -> int:
        """Return the bytes of the text once `change` is applied."""
        at, drop, put, unended = change
        dropped = _bytes_of(self.lines[at : at + drop]) if drop else 0
        return self._bytes + _bytes_of(put) - dropped - (1 if unended else 0)

    def find(self, line: str) -> int | None:
        """Return the index of the first line equal to `line`."""
        return self._first.get(line)

    def find_key(self, key: str) -> int | None:
        """Return the index of the last line of the form `key: …`."""
        if self._keys is None:
            self._keys = {}
            self._index_keys(0)
        return self._keys.get(key)

    def search(self, keyword: str) -> list[int]:
        """Return the indices, ascending, of the lines that contain the keyword, whatever its case."""
        wanted = keyword.casefold()
        return [index for index, line in enumerate(self._folded) if wanted in line]

    def apply(self, change: Change, source: Source) -> Patch:
        """Apply a change made by `source`; return what makes the file on disk follow."""
        at, drop, put, unended = change
        before, was_unended = self.size, self.unended
        self._bytes = self.size_after(change) + (1 if unended else 0)
        old = self.lines[at] if drop else ""
        appended = at == len(self.lines)
        self.splice(change, source)
        self._folded[at : at + drop] = [line.casefold() for line in put]
        if appended:
            self._index(at)
        elif drop == len(put) == 1:
            self._reindex(at, old)
        else:
            self._first, self._repeated, self._keys = {}, set(), None
            self._index(0)
        if appended and put and not unended:
            data = (("\n" if was_unended else "") + joined(put, False)).encode()
            return Patch(before, data, before + len(data))
        return self._patch(at, len(put), before if unended == was_unended else -1)

    def _patch(self, at: int, count: int, before: int) -> Patch:
        """Rewrite from the line before the change (its newline may have changed) as far as bytes have moved.

        `before` is the size of the text before, or -1 when the end of the last line changed too.
        """
        start = max(at - 1, 0)
        end = min(at + count, len(self.lines))
        rest = joined(self.lines[end:], self.unended).encode()
        data = joined(self.lines[start:end], self.unended and end == len(self.lines)).encode()
        offset = self.size - len(rest) - len(data)
        return Patch(offset, data if self.size == before else data + rest, self.size)

    def _index(self, at: int) -> None:
        """Add the lines from index `at` on to the look-ups."""
        for index, line in enumerate(self.lines[at:], at):
            if self._first.setdefault(line, index) != index:
                self._repeated.add(line)
        if self._keys is not None:
            self._index_keys(at)

    def _reindex(self, index: int, old: str) -> None:
        """Update the look-ups for one line that was `old`."""
        line = self.lines[index]
        del self._first[old]
        if old in self._repeated:
            self._look_again(old)
        known = self._first.setdefault(line, index)
        if known != index:
            self._repeated.add(line)
            self._first[line] = min(known, index)
        if self._keys is not None and _key(old) != _key(line):
            self._keys = None

    def _look_again(self, line: str) -> None:
        """Find the first place of a line that had several."""
        places = [index for index, other in enumerate(self.lines) if other == line]
        self._first[line] = places[0]
        if len(places) == 1:
            self._repeated.remove(line)

    def _index_keys(self, at: int) -> None:
        assert self._keys is not None
        for index, line in enumerate(self.lines[at:], at):
            key = _key(line)
            if key is not None:
                self._keys[key] = index


def _key(line: str) -> str | None:
    key, colon, _ = line.partition(": ")
    return key if colon else None


def _bytes_of(lines: list[str]) -> int:
    return len("\n".join(lines).encode()) + 1 if lines else 0

"""A notebook as someone looks on: its files, what changed last in each, and the lines of one, read from disk."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import orjson

from cli.visible_text import one_line, visible

JOURNAL_BYTES = 256 * 1024
"""How far back in an older episode's journal to look for what changed last in each file: about 2,000 changes."""

FILE_BYTES = 256 * 1024
"""How much of a file's end can be looked into; a notebook's file may have 8 MB."""

LINE = 2_000
"""Characters shown of one line."""


class Touch(NamedTuple):
    """The last change of a file."""

    revision: int
    step: int
    routine: str
    added: int
    """Lines put in; in place of a line or at the end."""
    dropped: int
    text: str
    """The first of those lines."""


class Pages(NamedTuple):
    """The last lines of a file that can be looked into."""

    first: int
    """Number of the first of them; above 1 where the file is longer than FILE_BYTES."""
    lines: list[str]


class NotebookWatch:
    """Follows a notebook's journal and reads its files. Changes nothing."""

    def __init__(self, memory: Path, journal: Path) -> None:
        self._memory = memory
        self._journal = journal
        self._read = max(0, self._size() - JOURNAL_BYTES)
        self._skip = self._read > 0  # begins in the middle of a record
        self.touches: dict[str, Touch] = {}
        """Last change by file, as far as known."""
        self.latest: str | None = None
        """The file that changed last."""

    def follow(self) -> None:
        """Take in what has been journalled since."""
        size = self._size()
        if size < self._read:  # rewound: an interrupted step is being repeated
            self._read, self._skip = max(0, size - JOURNAL_BYTES), size > JOURNAL_BYTES
            self.touches.clear()
        if size == self._read:
            return
        with self._journal.open("rb") as journal:
            journal.seek(self._read)
            data = journal.read(size - self._read)
        whole = data.rfind(b"\n") + 1
        self._read += whole
        for line in data[:whole].split(b"\n")[1 if self._skip else 0 :]:
            with contextlib.suppress(orjson.JSONDecodeError):  # of a record that was rewound as it was read
                if line:
                    self._take(orjson.loads(line))
        self._skip = False

    def pages(self, name: str) -> Pages:
        """The end of a file, made visible. A file that is not there has no lines."""
        try:
            with (self._memory / name).open("rb") as file:
                size = file.seek(0, 2)
                start = max(0, size - FILE_BYTES)
                file.seek(0)
                before = _lines_in(file, start) if start else 0
                data = file.read(FILE_BYTES)
        except OSError:
            return Pages(1, [])
        lines = data.decode("utf-8", "replace").split("\n")
        if start:  # the first one is cut
            before, lines = before + 1, lines[1:]
        if lines and not lines[-1]:
            lines.pop()
        return Pages(before + 1, [visible(line, LINE) for line in lines])

    def _size(self) -> int:
        try:
            return self._journal.stat().st_size
        except OSError:
            return 0

    def _take(self, record: Mapping[str, Any]) -> None:
        several = record.get("files") or {record.get("file"): record.get("change")}
        for name, change in several.items():
            if not change:  # gone
                self.touches.pop(name, None)
                continue
            put, dropped = change["put"], change.get("drop", 0)
            if record["operation"] == "seed" and not put:
                continue  # an empty starting file is no change
            text = one_line(put[0], 200) if put else ""
            self.touches[name] = Touch(record["revision"], record["step"], record["routine"], len(put), dropped, text)
            self.latest = name


def _lines_in(file: Any, length: int) -> int:
    """Newlines among the next `length` bytes."""
    count = 0
    while length and (piece := file.read(min(length, 1 << 20))):
        count += piece.count(b"\n")
        length -= len(piece)
    return count

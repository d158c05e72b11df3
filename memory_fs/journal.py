"""The notebook's history on disk: one JSON line per revision, so line n is revision n."""

from __future__ import annotations

import os
import weakref
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import orjson

from memory_fs.change import Change
from memory_fs.results import Source


class NotebookFailure(Exception):
    """The machine's failure: the disk is full or unwritable, or the journal is damaged. Reopen to go on."""


class Record(NamedTuple):
    """One mutation. A change of None means that the file is gone afterwards."""

    revision: int
    step: int
    routine: str
    operation: str
    changes: dict[str, Change | None]
    end: int
    """Offset in the journal just behind this record."""

    @property
    def source(self) -> Source:
        """Who made this record."""
        return Source(self.step, self.revision)


class Journal:
    """An append-only file of records, each with a checksum; written before the files are."""

    def __init__(self, path: Path) -> None:
        """Open or create; NotebookFailure when the file cannot be written."""
        self.path = path
        flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._fd = os.open(path, flags, 0o644)
            self._size = os.fstat(self._fd).st_size
        except OSError as error:
            raise NotebookFailure(f"the journal {path} cannot be opened: {error.strerror}") from error
        self.close = weakref.finalize(self, os.close, self._fd)

    def append(self, source: Source, routine: str, operation: str, changes: Mapping[str, Change | None]) -> None:
        """Write one record with one system call; on failure nothing of it stays and NotebookFailure is raised."""
        record: dict[str, Any] = {
            "revision": source.revision,
            "step": source.step,
            "routine": routine,
            "operation": operation,
        }
        forms = {name: None if change is None else change.to_json() for name, change in changes.items()}
        if len(forms) == 1:
            ((record["file"], record["change"]),) = forms.items()
        else:
            record["files"] = forms
        body = orjson.dumps(record)
        line = b'{"crc":"%08x",%b\n' % (zlib.crc32(body), body[1:])
        try:
            if os.fstat(self._fd).st_size != self._size:
                raise NotebookFailure(f"{self.path} was written by someone else; one notebook has one writer.")
            write_all(self._fd, line)
        except OSError as error:
            os.ftruncate(self._fd, self._size)
            raise NotebookFailure(f"{self.path} cannot be written: {error.strerror}") from error
        self._size += len(line)

    def records(self, upto: int | None = None) -> Iterator[Record]:
        """Yield the records in order, at most up to a revision; a torn last line ends them without an error."""
        try:
            with self.path.open("rb") as lines:
                end = 0
                for number, line in enumerate(lines, 1):
                    if number == (upto or 0) + 1 and upto is not None:
                        return
                    if not line.endswith(b"\n"):
                        return  # only a write that was cut short leaves no newline
                    end += len(line)
                    yield self._decode(number, line, end)
        except OSError as error:
            raise NotebookFailure(f"{self.path} cannot be read: {error.strerror}") from error

    def cut(self, end: int) -> None:
        """Drop everything behind offset `end`."""
        try:
            if self._size != end:
                os.ftruncate(self._fd, end)
        except OSError as error:
            raise NotebookFailure(f"{self.path} cannot be cut: {error.strerror}") from error
        self._size = end

    def copy_to(self, path: Path, end: int) -> None:
        """Write the first `end` bytes to a new file."""
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with self.path.open("rb") as source, path.open("xb") as target:
                while end and (piece := source.read(min(end, 1 << 20))):
                    end -= target.write(piece)
        except OSError as error:
            raise NotebookFailure(f"{path} cannot be written: {error.strerror}") from error

    def _decode(self, number: int, line: bytes, end: int) -> Record:
        body = b"{" + line[18:-1]
        if line[:18] != b'{"crc":"%08x",' % zlib.crc32(body):
            raise self.damaged(number, "its checksum differs")
        try:
            form = orjson.loads(body)
            if form["revision"] != number:
                raise ValueError(f"it holds revision {form['revision']}")
            forms = form["files"] if "files" in form else {form["file"]: form["change"]}
            changes = {name: None if change is None else Change.from_json(change) for name, change in forms.items()}
            return Record(number, form["step"], form["routine"], form["operation"], changes, end)
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise self.damaged(number, str(error)) from error

    def damaged(self, number: int, why: str) -> NotebookFailure:
        """Return the failure that names a line of this journal."""
        return NotebookFailure(
            f"{self.path}, line {number}: the record is damaged ({why}). "
            "Put back an undamaged copy of the journal, or start the episode anew in another folder."
        )


def write_all(fd: int, data: bytes, offset: int | None = None) -> None:
    """Write all of `data` (at `offset`, if given): one call, more only where the system took less."""
    while data:
        written = os.write(fd, data) if offset is None else os.pwrite(fd, data, offset)
        data = data[written:]
        offset = None if offset is None else offset + written

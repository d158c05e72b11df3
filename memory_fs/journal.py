"""The notebook's history on disk: one JSON line per revision, so line n is revision n."""

from __future__ import annotations

import contextlib
import hashlib
import os
import stat
import weakref
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import orjson

from memory_fs.file_lock import InUse, lock
from memory_fs.results import Source
from memory_fs.text import Change

_writers: weakref.WeakValueDictionary[Path, Journal] = weakref.WeakValueDictionary()
"""The journals this process has open for writing; opening one again closes it there."""


class NotebookFailure(RuntimeError):
    """The machine's failure: the disk is full or unwritable, or the journal is damaged or in use elsewhere."""


class Record(NamedTuple):
    """One revision: what was changed, and by whom."""

    revision: int
    step: int
    routine: str
    operation: str
    changes: dict[str, Change | None]
    """By file; None means that the file is gone afterwards."""
    end: int
    """Offset in the journal just behind this record."""

    @property
    def source(self) -> Source:
        """Who wrote the lines of this record."""
        return Source(self.step, self.revision)


class Journal:
    """The journal, open for its one writer. Each record is appended with one system call."""

    def __init__(self, path: Path) -> None:
        """Open or create; NotebookFailure when that fails or another process is writing."""
        self.path = path
        # Without effect on a file, but LangGraph's development server then does not report its writes as blocking.
        flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_NONBLOCK | os.O_CLOEXEC
        if path in _writers:
            _writers.pop(path).close()
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._fd = os.open(path, flags, 0o644)
            self._closing = weakref.finalize(self, os.close, self._fd)
            facts = os.fstat(self._fd)
            self._size = facts.st_size
            self._hash = hashlib.sha256()
            self._hashed = 0
            if not stat.S_ISREG(facts.st_mode):
                raise NotebookFailure(f"The journal {path} is not a plain file; name another.")
            lock(self._fd, path)
        except InUse as error:
            raise NotebookFailure(str(error)) from None
        except OSError as error:
            raise NotebookFailure(f"The journal {path} cannot be opened: {error}.") from error
        _writers[path] = self

    @property
    def is_closed(self) -> bool:
        """Whether this journal was closed, by itself or by opening it again."""
        return not self._closing.alive

    @property
    def size(self) -> int:
        """Bytes on disk."""
        return self._size

    @property
    def sha256(self) -> str:
        """The digest of all records, kept while they are written."""
        return self._hash.hexdigest()

    def close(self) -> None:
        """Close the file."""
        self._closing()

    def append(self, source: Source, routine: str, operation: str, changes: Mapping[str, Change | None]) -> None:
        """Write one record; when that fails, remove any part of it and raise NotebookFailure."""
        line = _encode(source, routine, operation, changes)
        try:
            if os.fstat(self._fd).st_size != self._size:
                raise NotebookFailure(f"{self.path} was changed by another process; a notebook has one writer.")
            write_all(self._fd, line)
        except OSError as error:
            with contextlib.suppress(OSError):  # what cannot be removed now is removed at the next opening
                os.ftruncate(self._fd, self._size)
            raise NotebookFailure(f"{self.path} cannot be written: {error.strerror}.") from error
        self._size += len(line)
        self._hash.update(line)
        self._hashed = self._size

    def cut(self, end: int) -> None:
        """Remove everything after offset `end`, and compute the digest of the rest."""
        try:
            if self._size != end:
                os.ftruncate(self._fd, end)
            if self._hashed != end:
                self._hash, self._hashed = hashlib.sha256(), 0
                while self._hashed < end and (piece := os.pread(self._fd, 1 << 20, self._hashed)):
                    self._hash.update(piece)
                    self._hashed += len(piece)
        except OSError as error:
            raise NotebookFailure(f"{self.path} cannot be cut: {error.strerror}.") from error
        self._size = end


def records(path: Path, upto: int | None = None, after: Record | None = None) -> Iterator[Record]:
    """Yield a journal's records, those after one if it is given, at most up to a revision.

    A torn last line ends them without an error.

    NotebookFailure when it cannot be read, or names the line that is damaged. Changes nothing on disk.
    """
    try:
        with path.open("rb") as lines:
            end = after.end if after else 0
            lines.seek(end)
            for number, line in enumerate(lines, after.revision + 1 if after else 1):
                if number - 1 == upto or not line.endswith(b"\n"):  # only a write cut short leaves no newline
                    return
                end += len(line)
                yield _decode(path, number, line, end)
    except OSError as error:
        raise NotebookFailure(f"The journal {path} cannot be read: {error}.") from error


def copy_records(journal: Path, path: Path, end: int) -> None:
    """Write the first `end` bytes of a journal to a new file."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with journal.open("rb") as source, path.open("xb") as target:
            while end and (piece := source.read(min(end, 1 << 20))):
                end -= target.write(piece)
    except OSError as error:
        raise NotebookFailure(f"{path} cannot be written: {error.strerror}.") from error


def damaged(path: Path, number: int, why: object) -> NotebookFailure:
    """Return the failure that names a line of a journal."""
    return NotebookFailure(
        f"{path}, line {number}: the record is damaged ({why}). "
        "Put an undamaged copy of the journal in its place, or start the episode again."
    )


def write_all(fd: int, data: bytes, offset: int | None = None) -> None:
    """Write all of `data` (at `offset`, if given): one call, more only where the system took less."""
    while data:
        written = os.write(fd, data) if offset is None else os.pwrite(fd, data, offset)
        data = data[written:]
        offset = None if offset is None else offset + written


def _encode(source: Source, routine: str, operation: str, changes: Mapping[str, Change | None]) -> bytes:
    forms = {name: None if change is None else change.to_json() for name, change in changes.items()}
    record: dict[str, Any] = {"revision": source.revision, "step": source.step}
    record |= {"routine": routine, "operation": operation}
    if len(forms) == 1:
        ((record["file"], record["change"]),) = forms.items()
    else:
        record["files"] = forms
    body = orjson.dumps(record)
    return b'{"crc":"%08x",%b\n' % (zlib.crc32(body), body[1:])


def _decode(path: Path, number: int, line: bytes, end: int) -> Record:
    body = b"{" + line[18:-1]
    if line[:18] != b'{"crc":"%08x",' % zlib.crc32(body):
        raise damaged(path, number, "its checksum differs")
    try:
        form = orjson.loads(body)
        if form["revision"] != number:
            raise ValueError(f"it holds revision {form['revision']}")
        forms = form["files"] if "files" in form else {form["file"]: form["change"]}
        changes = {name: None if change is None else Change.from_json(change) for name, change in forms.items()}
        return Record(number, form["step"], form["routine"], form["operation"], changes, end)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise damaged(path, number, error) from error

"""Shipping what a worker writes of an episode to the run folder: in order, and each byte once.

Trace and journal are appended to, and are shipped from where the last parcel ended. The journal comes first, so that a
trace never refers to a revision that its journal lacks: what has arrived is at any time what a killed process leaves.
Of a notebook's file the part behind its unchanged beginning is shipped. A result comes last, when all else is on disk.
"""

from __future__ import annotations

import logging
import os
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from memory_fs.journal import write_all
from traces import EpisodeFolder, TraceFailure
from traces.folders import disk_failures

APPENDED = ("journal.jsonl", "steps.jsonl.zst")
RESULTS = ("episode.json", "failure.json", "limited.json")
NOTEBOOK = "memory/"
SETTLED_S = 0.1
"""A file that was changed less than this before it was read is read again: its time may not show another change."""


@dataclass(frozen=True, slots=True)
class Piece:
    """What follows the first `at` bytes of a file."""

    at: int
    data: bytes


@dataclass(frozen=True, slots=True)
class Parcel:
    """What is new of an episode."""

    appended: Mapping[str, Piece]
    """Of trace and journal, in the order to be written. The first parcel cuts off what the head has beyond `at`."""
    files: Mapping[str, Piece]
    """Of the other files, by their name in the episode's folder; a piece replaces all that follows `at`."""
    gone: tuple[str, ...]
    first: bool
    """The first parcel of a worker: it may take back what a killed worker shipped of an unfinished step."""


@dataclass
class _Known:
    """A file as it was last shipped."""

    content: bytes
    state: tuple[int, int, int]
    settled: bool


@dataclass
class Outbox:
    """The worker's side of an episode."""

    folder: EpisodeFolder
    received: Mapping[str, bytes]
    """The files that the head has."""
    _ends: dict[str, int] | None = None
    """Bytes of trace and journal that the head has or was sent; None until the episode is opened."""
    _journal: int = -1
    """Size of the journal when the notebook was last looked at."""
    _known: dict[str, _Known] = field(default_factory=dict)
    _first: bool = True

    def opened(self) -> None:
        """Note where trace and journal begin to differ from the head's. To be called once the episode is opened, before
        it is played: opening may cut a torn step, and notes that belong to it."""
        if self._ends is None:
            self._ends = {name: self._agreed(name) for name in APPENDED}
            self._known = {
                name: _Known(content, (0, 0, 0), False)
                for name, content in self.received.items()
                if name not in APPENDED
            }
            self.received = {}

    def parcel(self) -> Parcel | None:
        """What is new since the last parcel; None if nothing is."""
        if self._ends is None:
            return None
        trace, journal = reversed(APPENDED)
        # The trace's size is taken before the journal's: every revision it refers to is in the journal by then.
        sizes = {trace: self._size(trace), journal: self._size(journal)}
        appended = {name: self._new(name, sizes[name]) for name in APPENDED if (self.folder.path / name).exists()}
        files, gone = self._others(sizes[journal])
        if not (self._first or files or gone or any(piece.data for piece in appended.values())):
            return None
        parcel = Parcel(appended, files, gone, self._first)
        self._first = False
        return parcel

    def _size(self, name: str) -> int:
        path = self.folder.path / name
        return path.stat().st_size if path.exists() else 0

    def _agreed(self, name: str) -> int:
        path = self.folder.path / name
        return _common(self.received.get(name, b""), path.read_bytes()) if path.exists() else 0

    def _new(self, name: str, size: int) -> Piece:
        assert self._ends is not None
        at = self._ends[name]
        if size < at:
            raise TraceFailure(f"{self.folder.path / name} was cut while it was written: resume the episode")
        data = _read(self.folder.path / name, at, size) if size > at else b""
        self._ends[name] = size
        return Piece(at, data)

    def _others(self, journal: int) -> tuple[dict[str, Piece], tuple[str, ...]]:
        names = [entry.name for entry in os.scandir(self.folder.path) if entry.is_file()]
        there = {name for name in names if name not in APPENDED and not name.endswith(".tmp")}
        if journal != self._journal or any(not one.settled for one in self._known.values()):
            self._journal = journal
            notes = (path for path in self.folder.memory.rglob("*") if path.is_file())
            there |= {NOTEBOOK + path.relative_to(self.folder.memory).as_posix() for path in notes}
        else:
            there |= {name for name in self._known if name.startswith(NOTEBOOK)}
        gone = tuple(sorted(self._known.keys() - there))
        for name in gone:
            del self._known[name]
        changed = {name: piece for name in sorted(there) if (piece := self._changed(name)) is not None}
        return changed, gone

    def _changed(self, name: str) -> Piece | None:
        path = self.folder.path / name
        try:
            found = path.stat()
            state = found.st_mtime_ns, found.st_size, found.st_ino
            known = self._known.get(name)
            if known is not None and known.settled and known.state == state:
                return None
            content = path.read_bytes()
        except FileNotFoundError:  # renamed meanwhile: the next parcel has it
            return None
        self._known[name] = _Known(content, state, time.time_ns() - found.st_mtime_ns > SETTLED_S * 1e9)
        if known is not None and content == known.content:
            return None
        at = _common(known.content, content) if known is not None and name not in RESULTS else 0
        return Piece(at, content[at:])


@dataclass(frozen=True, slots=True)
class Inbox:
    """The head's side of an episode."""

    folder: EpisodeFolder

    def take(self, parcel: Parcel) -> None:
        """Write a parcel. TraceFailure where the disk refuses, or where a file is not as the parcels before left it."""
        with disk_failures():
            self.folder.create()
            others = {name: piece for name, piece in parcel.files.items() if name not in RESULTS}
            for name in (*parcel.gone, *(self._forgotten(parcel) if parcel.first else ())):
                self._path(name).unlink(missing_ok=True)
            for name, piece in parcel.appended.items():
                self._append(self._path(name), piece, cut=parcel.first)
            for name, piece in others.items():
                self._replace(self._path(name), piece)
            for name in parcel.files.keys() & set(RESULTS):
                for appended in APPENDED:
                    _sync(self._path(appended))
                self._replace_whole(self._path(name), parcel.files[name].data)

    def _forgotten(self, parcel: Parcel) -> list[str]:
        """Files of the notebook, from before this worker, that it does not have."""
        self.folder.memory.mkdir(exist_ok=True)
        here = (path for path in self.folder.memory.rglob("*") if path.is_file())
        names = (NOTEBOOK + path.relative_to(self.folder.memory).as_posix() for path in here)
        return [name for name in names if name not in parcel.files]

    def _path(self, name: str) -> Path:
        path = self.folder.path / name
        if ".." in path.parts or Path(name).is_absolute():
            raise TraceFailure(f"a worker names a file outside of {self.folder.path}: {name[:200]!r}")
        return path

    @staticmethod
    def _append(path: Path, piece: Piece, *, cut: bool) -> None:
        if not piece.data and not cut:
            return
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            size = os.fstat(descriptor).st_size
            if size > piece.at and cut:
                os.ftruncate(descriptor, piece.at)
            elif size != piece.at:
                raise TraceFailure(f"{path} was changed by another process while it was written: resume the episode")
            write_all(descriptor, piece.data, piece.at)
        finally:
            os.close(descriptor)

    @staticmethod
    def _replace(path: Path, piece: Piece) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o644)
        try:
            write_all(descriptor, piece.data, piece.at)
            os.ftruncate(descriptor, piece.at + len(piece.data))
        finally:
            os.close(descriptor)

    @staticmethod
    def _replace_whole(path: Path, data: bytes) -> None:
        beside = path.with_name(f"{path.name}.tmp")
        beside.write_bytes(data)
        _sync(beside)
        beside.replace(path)
        _sync(path.parent)


def _common(one: bytes, other: bytes) -> int:
    """How many bytes two texts begin with alike."""
    end = min(len(one), len(other))
    differ = np.frombuffer(one, np.uint8, end) != np.frombuffer(other, np.uint8, end)
    return int(differ.argmax()) if differ.any() else end


def _read(path: Path, start: int, end: int) -> bytes:
    with path.open("rb", buffering=0) as file:
        file.seek(start)
        data = file.read(end - start)
        while len(data) < end - start and (more := file.read(end - start - len(data))):
            data += more
    return data


def _sync(path: Path) -> None:
    if not path.exists():
        return
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


class Warnings(logging.Handler):
    """Keeps the last warnings until they are shipped: what this process prints is not shown."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.sentences: deque[str] = deque(maxlen=100)

    def emit(self, record: logging.LogRecord) -> None:
        """Keep one."""
        self.sentences.append(record.getMessage())

    def take(self) -> list[str]:
        """Those that were not taken yet."""
        return [self.sentences.popleft() for _ in range(len(self.sentences))]

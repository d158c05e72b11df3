"""Whether an episode's files are what they were when its result was written.

A result holds a digest of itself, and the number of lines, the size and a SHA-256 digest of the trace and of the
journal. They are kept while the files are written, so that damage done before the end shows, too. Comparing sizes costs
two calls of `stat`; comparing digests reads the files once, at some 1.5 GB/s, and is remembered for as long as they do
not change.
"""

import hashlib
import os
from functools import lru_cache
from pathlib import Path
from typing import Any

from traces.folders import EpisodeFolder, TraceDamaged, disk_failure
from traces.plain_json import dump
from traces.reader import TraceReader
from traces.records import EpisodeResult, FileDigest

_CHUNK = 1 << 20
_REMEMBERED = 4_096
"""Files whose digest is remembered: two for each episode of the largest runs."""


class RunningDigest:
    """The digest of an append-only file, kept while it is written; a line costs microseconds, however long the file."""

    def __init__(self) -> None:
        self._hash = hashlib.sha256()
        self._lines = self._bytes = 0

    def add(self, data: bytes, lines: int = 1) -> None:
        """Take in what was appended: `lines` complete lines."""
        self._hash.update(data)
        self._lines += lines
        self._bytes += len(data)

    def now(self) -> FileDigest:
        """Return the digest of everything taken in so far."""
        return FileDigest(self._lines, self._bytes, self._hash.hexdigest())


def seal(plain: dict[str, Any]) -> str:
    """Return the digest of a result's own content: SHA-256 of its JSON without spaces, "sha256" itself left out."""
    return hashlib.sha256(dump({name: value for name, value in plain.items() if name != "sha256"})).hexdigest()


def changed_size(folder: EpisodeFolder, result: EpisodeResult) -> str | None:
    """Say which file of an ended episode is gone, cut or longer than it was; None where their sizes agree."""
    for path, digest in _files(folder, result):
        try:
            size = path.stat().st_size
        except FileNotFoundError:
            if digest.bytes:
                return f"{path} is gone: it held {_lines(digest)}"
            continue
        except OSError as error:
            raise disk_failure("read", path, error) from error
        if size == digest.bytes:
            continue
        try:
            if size > digest.bytes and not result.scored and _is_torn(folder, path, digest.bytes):
                continue
            holds = f"holds {_counted(folder, path)}"
        except TraceDamaged as error:
            holds = f"is no trace any more ({error})"
        return f"{path} {holds} ({size:,} bytes); it held {_lines(digest)} ({digest.bytes:,} bytes)"
    return None


def changed_content(folder: EpisodeFolder, result: EpisodeResult) -> str | None:
    """Say which file of an ended episode holds other bytes than it did; None where they are the same.

    Raises TraceFailure where a file cannot be read.
    """
    for path, digest in _files(folder, result):
        if digest.bytes:
            try:
                state = path.stat()
                found = _digest(path, digest.bytes, (state.st_ino, state.st_size, state.st_mtime_ns, state.st_ctime_ns))
            except OSError as error:
                raise disk_failure("read", path, error) from error
            if found != digest.sha256:
                return f"{path} holds other bytes than when the episode ended"
    return None


def forget() -> None:
    """Forget the digests of files that were compared, so that the next comparison reads them."""
    _digest.cache_clear()


def only_other_bytes(folder: EpisodeFolder, result: EpisodeResult) -> bool:
    """Whether trace and journal have their sizes, but one of them holds other bytes; False where none are known."""
    return changed_size(folder, result) is None and changed_content(folder, result) is not None


def _files(folder: EpisodeFolder, result: EpisodeResult) -> list[tuple[Path, FileDigest]]:
    return [(folder.path / name, digest) for name, digest in result.files.items()]


@lru_cache(maxsize=_REMEMBERED)
def _digest(path: Path, length: int, state: tuple[int, ...]) -> str:
    """Return the SHA-256 of the first `length` bytes; `state` identifies the content of the file."""
    found = hashlib.sha256()
    with path.open("rb", buffering=0) as file:
        while length and (piece := file.read(min(length, _CHUNK))):
            found.update(piece)
            length -= len(piece)
    return found.hexdigest()


def _is_torn(folder: EpisodeFolder, path: Path, end: int) -> bool:
    """Whether nothing but an unfinished record follows `end`: what a full disk left of a record is none."""
    if path == folder.steps:
        with TraceReader(folder) as reader:
            return reader.complete_bytes <= end
    with path.open("rb") as file:
        file.seek(end)
        return b"\n" not in file.read()


def _counted(folder: EpisodeFolder, path: Path) -> str:
    if path == folder.steps:
        with TraceReader(folder) as reader:
            return f"{len(reader):,} lines"
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        lines = 0
        while piece := os.read(fd, _CHUNK):
            lines += piece.count(b"\n")
    finally:
        os.close(fd)
    return f"{lines:,} lines"


def _lines(digest: FileDigest) -> str:
    return f"{digest.lines:,} lines"

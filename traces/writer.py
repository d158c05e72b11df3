"""Writes a trace: one line per step in one write, so that a crash at any instant loses at most the step under way."""

import os
import weakref
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from traces.folders import EpisodeFolder, TraceFailure, disk_failure
from traces.integrity import RunningDigest
from traces.lines import encode
from traces.plain_json import RecordError, dump
from traces.reader import TraceReader
from traces.records import EpisodeResult, FileDigest, StepRecord
from traces.results import write_result
from traces.text_packer import TextPacker

_RECOVERED = 128  # lines read again at reopening to know what may be referred to: what recurs is among them


# Without O_NONBLOCK (no meaning on a file) LangGraph's dev server takes a write on its event loop for a blocking call.
_FLAGS = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_NONBLOCK | os.O_CLOEXEC


class TraceWriter:
    """Appends the steps of one episode; the only writer of its trace.

    Opening an existing trace cuts a torn last line; `steps` says how many complete steps there are. A failure.json
    of an earlier end is set aside, since to open the writer is to resume the episode. Raises TraceFailure where
    the disk refuses, TraceDamaged where the trace cannot be continued.
    """

    def __init__(self, folder: EpisodeFolder) -> None:
        self.folder = folder
        folder.create()
        folder.set_failure_aside()
        self.path: Path = folder.steps
        try:
            self._fd: int | None = os.open(self.path, _FLAGS, 0o644)
        except OSError as error:
            raise disk_failure("write the trace", self.path, error) from error
        self._closing = weakref.finalize(self, os.close, self._fd)
        self._packer: TextPacker | None = None
        self.steps = 0
        self._size = 0
        self._digest = RunningDigest()
        self._recover()

    def digests(self, journal: tuple[int, int, str]) -> dict[str, FileDigest]:
        """What its complete lines hold, and the journal: by `journal` its records, bytes and SHA-256."""
        return {self.folder.steps.name: self._digest.now(), self.folder.journal.name: FileDigest(*journal)}

    def write(self, record: StepRecord) -> None:
        """Append `record` as the next step. Raises RecordError for a wrong number or data that is not plain."""
        if record.step != self.steps + 1:
            raise RecordError(f"{self.path} has {self.steps} steps: the next is not step {record.step}")
        packer = self._packer or self._recover()
        self._packer = None  # until the line is on disk: what an unwritten line introduced must not be referred to
        self._append(dump(encode(record, packer)) + b"\n")
        self.steps = record.step
        self._packer = packer

    def finish(self, result: EpisodeResult) -> None:
        """Write the episode's result: episode.json where it finished, failure.json where it failed.

        The steps reach the disk first, so that a result never outlives them. Raises TraceFailure.
        """
        # In a thread, because LangGraph's dev server forbids renaming a file on its event loop.
        with ThreadPoolExecutor(max_workers=1) as thread:
            thread.submit(self._finish, result).result()

    def _finish(self, result: EpisodeResult) -> None:
        try:
            os.fsync(self._open())
        except OSError as error:
            raise disk_failure("write the trace", self.path, error) from error
        write_result(self.folder, result)

    def close(self) -> None:
        """Let go of the file."""
        if self._fd is not None:
            self._closing()
            self._fd = None

    def __enter__(self) -> "TraceWriter":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _append(self, line: bytes) -> None:
        fd = self._open()
        try:
            state = os.fstat(fd)
            if state.st_size != self._size or state.st_nlink == 0:
                raise TraceFailure(f"{self.path} was changed by somebody else while it was written: resume the episode")
            written = os.write(fd, line)
            while written < len(line):  # a disk filling up takes a part, and says why at the next attempt
                written += os.write(fd, line[written:])
        except OSError as error:
            raise disk_failure("write the trace", self.path, error) from error
        self._size += len(line)
        self._digest.add(line)

    def _open(self) -> int:
        if self._fd is None:
            raise ValueError(f"the writer of {self.path} is closed")
        return self._fd

    def _recover(self) -> TextPacker:
        """Cut a torn last line, count and digest the steps, and learn again what recent lines hold and refer to."""
        packer = TextPacker()
        self._digest = RunningDigest()
        with TraceReader(self.folder, packer.remember) as reader:
            for lines, data in reader.complete_lines():
                self._digest.add(data, lines)
            for _ in reader.steps(max(1, len(reader) - _RECOVERED + 1)):
                pass
            self.steps, self._size = len(reader), reader.complete_bytes
        try:
            os.ftruncate(self._open(), self._size)
        except OSError as error:
            raise disk_failure("cut the torn last line of", self.path, error) from error
        self._packer = packer
        return packer


def copy_steps(source: EpisodeFolder, target: EpisodeFolder, steps: int) -> None:
    """Start the trace of a fork: copy the first `steps` steps of `source`. `target` must have no trace yet.

    References point backwards only, so the first lines of a trace are a trace. Raises ValueError where `source` has
    fewer steps or `target` a trace, TraceFailure where the disk refuses.
    """
    with TraceReader(source) as reader:
        if not 0 <= steps <= len(reader):
            raise ValueError(f"{source.steps} has {len(reader)} steps: it cannot be forked at step {steps}")
        if target.steps.exists():
            raise ValueError(f"{target.steps} exists: fork to another folder")
        target.create()
        try:
            with target.steps.open("wb") as file:
                file.writelines(reader.raw(number) for number in range(1, steps + 1))
        except OSError as error:
            raise disk_failure("write the trace", target.steps, error) from error

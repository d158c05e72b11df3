"""Writes a trace: a step in one write, so that a crash at any instant loses at most the step under way."""

import os
import weakref
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from traces.folders import EpisodeFolder, TraceDamaged, TraceFailure, disk_failure
from traces.frames import LineCompressor, holds_more_than_a_step
from traces.integrity import RunningDigest
from traces.lines import encode
from traces.plain_json import RecordError
from traces.reader import TraceReader
from traces.records import EpisodeResult, FileDigest, StepRecord
from traces.results import write_result

# Without O_NONBLOCK (no meaning on a file) LangGraph's dev server takes a write on its event loop for a blocking call.
_FLAGS = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_NONBLOCK | os.O_CLOEXEC


class TraceWriter:
    """Appends the steps of one episode; the only writer of its trace.

    Opening an existing trace cuts a torn last step; `steps` says how many complete steps there are. A failure.json
    of an earlier end is set aside, since to open the writer is to resume the episode. Raises TraceFailure where
    the disk refuses, TraceDamaged where the trace cannot be continued.
    """

    def __init__(self, folder: EpisodeFolder) -> None:
        self.folder = folder
        folder.require_present_format()
        folder.create()
        folder.set_failure_aside()
        self.path: Path = folder.steps
        try:
            self._fd: int | None = os.open(self.path, _FLAGS, 0o644)
        except OSError as error:
            raise disk_failure("write the trace", self.path, error) from error
        self._closing = weakref.finalize(self, os.close, self._fd)
        self._compressor: LineCompressor | None = None
        self.steps = 0
        self._size = 0
        self._digest = RunningDigest()
        self._recover()

    def digests(self, journal: tuple[int, int, str]) -> dict[str, FileDigest]:
        """What its complete steps hold, and the journal: by `journal` its records, bytes and SHA-256."""
        return {self.folder.steps.name: self._digest.now(), self.folder.journal.name: FileDigest(*journal)}

    def write(self, record: StepRecord) -> None:
        """Append `record` as the next step. Raises RecordError for a wrong number or data that is not plain."""
        if record.step != self.steps + 1:
            raise RecordError(f"{self.path} has {self.steps} steps: the next is not step {record.step}")
        line = encode(record) + b"\n"
        compressor = self._compressor or self._recover()
        self._compressor = None  # until the step is on disk: what was not written must not be referred to
        self._append(compressor.compress(line, last=record.terminated or record.truncated))
        self.steps = record.step
        self._compressor = compressor

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

    def _append(self, data: bytes) -> None:
        fd = self._open()
        try:
            state = os.fstat(fd)
            if state.st_size != self._size or state.st_nlink == 0:
                raise TraceFailure(
                    f"{self.path} was changed by another process while it was written: resume the episode"
                )
            written = os.write(fd, data)
            while written < len(data):  # a disk filling up takes a part, and says why at the next attempt
                written += os.write(fd, data[written:])
        except OSError as error:
            raise disk_failure("write the trace", self.path, error) from error
        self._size += len(data)
        self._digest.add(data)

    def _open(self) -> int:
        if self._fd is None:
            raise ValueError(f"the writer of {self.path} is closed")
        return self._fd

    def _recover(self) -> LineCompressor:
        """Cut a torn last step, check, count and digest the others."""
        self._digest = RunningDigest()
        with TraceReader(self.folder) as reader:
            for _ in reader.steps(reader.last_frame):  # raises TraceDamaged where the trace cannot be continued
                pass
            if holds_more_than_a_step(reader.torn()):
                raise TraceDamaged(
                    f"{self.path} is damaged at step {len(reader) + 1}: restore the file, or play the episode again"
                )
            for piece in reader.stored():
                self._digest.add(piece, 0)
            self._digest.add(b"", len(reader))
            self.steps, self._size = len(reader), reader.complete_bytes
            compressor = LineCompressor(reader.left_open)
        try:
            os.ftruncate(self._open(), self._size)
        except OSError as error:
            raise disk_failure("cut the torn last step of", self.path, error) from error
        self._compressor = compressor
        return compressor


def copy_steps(source: EpisodeFolder, target: EpisodeFolder, steps: int) -> None:
    """Start the trace of a fork: copy the first `steps` steps of `source`. `target` must have no trace yet.

    The first steps of a trace are a trace. Raises ValueError where `source` has
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
                file.writelines(reader.stored(reader.end_of(steps)))
        except OSError as error:
            raise disk_failure("write the trace", target.steps, error) from error

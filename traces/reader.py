"""Reads a trace: one pass over the bytes finds the lines, then any step is read on its own.

It works while the episode is still being played: a last line without its end is not there yet.
"""

import os
from array import array
from bisect import bisect_right
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

from traces.folders import EpisodeFolder, TraceDamaged, disk_failure
from traces.lines import decode
from traces.listings import Packed
from traces.outline import StepOutline, outline
from traces.packed_fields import Line
from traces.plain_json import load
from traces.recent import Recent
from traces.records import FORMAT, Message, StepRecord
from traces.text_unpacker import TextUnpacker

T = TypeVar("T")

_CHUNK = 1 << 20
_KEPT = (
    16  # lines whose texts are kept unread; what recurs is kept as text. More only makes work for the garbage collector
)


class TraceReader:
    """The steps of one episode, by number (from 1) or in order. Memory: eight bytes per step and a bounded cache.

    `seen`, where given, is told every text that was found through a reference: (text, step, index).
    Raises TraceFailure where the trace cannot be opened, TraceDamaged with file and line where it cannot be read.
    """

    def __init__(self, folder: EpisodeFolder, seen: Callable[[str, int, int], None] | None = None) -> None:
        self.path = folder.steps
        try:
            self._fd: int | None = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)
        except OSError as error:
            raise disk_failure("read the trace", self.path, error) from error
        self._ends = array("Q")  # where each complete line ends
        self._format_known = False
        self._texts: Recent[int, list[Packed]] = Recent(_KEPT)
        self._unpacker = TextUnpacker(self._entries, seen)
        self.refresh()

    def __enter__(self) -> "TraceReader":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __len__(self) -> int:
        """Return the number of complete steps found so far; `refresh` looks again."""
        return len(self._ends)

    def __iter__(self) -> Iterator[StepRecord]:
        """Yield all steps in order, also those written meanwhile."""
        return self.steps()

    def steps(self, first: int = 1) -> Iterator[StepRecord]:
        """Yield the steps from number `first` on, also those written meanwhile."""
        number = first
        while number <= len(self) or number <= self.refresh():
            yield self.step(number)
            number += 1

    @property
    def complete_bytes(self) -> int:
        """Where the last complete line ends."""
        return self._ends[-1] if self._ends else 0

    def refresh(self) -> int:
        """Look for lines written since; return the number of complete steps."""
        at = self.complete_bytes  # what stood after it may have been a torn line, cut and written anew since
        while chunk := self._read(at, _CHUNK):
            found = chunk.find(b"\n")
            while found >= 0:
                self._ends.append(at + found + 1)
                found = chunk.find(b"\n", found + 1)
            at += len(chunk)
        return len(self._ends)

    def step(self, number: int) -> StepRecord:
        """Return step `number`, from 1. Raises IndexError where the trace has no such step."""
        if not 1 <= number <= len(self) and not 1 <= number <= self.refresh():
            raise IndexError(f"{self.path} has {len(self)} steps, there is no step {number}")
        return self._decoded(number, self._parse(number), lambda line: decode(line, self._unpacker))

    def outlines(
        self,
        first: int = 1,
        last: int | None = None,
        *,
        replies: bool = False,
        among: Callable[[Line], bool] | None = None,
    ) -> Iterator[StepOutline]:
        """Yield the outlines of the steps `first` to `last` (all that are there now, where not given), in order.

        A fifth of the work of `steps`; `replies` adds what the model said, and half as much work again. `among`,
        where given, is shown each line before it is unpacked, and says whether it is wanted.
        """
        for number, data in self._lines(max(first, 1), min(last or len(self), len(self))):
            line = self._parse(number, data)
            if among is None or among(line):
                yield self._decoded(number, line, lambda line: outline(line, self._unpacker, replies))

    def first_holding(self, text: bytes) -> int:
        """Return the first step whose line holds these bytes, in lower case, whatever the case of ASCII letters.

        0 where no line does: then no text of the episode holds them, as long as JSON writes them as they are.
        """
        for first, data in self._chunks(1, len(self)):
            lower = data.lower()
            found = lower.find(text)
            if found >= 0:
                return first + lower.count(b"\n", 0, found)
        return 0

    def prompt(self, step: int, conversation: int, call: int) -> list[Message]:
        """Return the messages the model received: call `call` (from 0) of conversation `conversation` (from 0)."""
        return self.step(step).conversations[conversation].prompt(call)

    def line_bytes(self, number: int) -> int:
        """Return how many bytes the line of step `number` takes."""
        return self._ends[number - 1] - self._start(number)

    def raw(self, number: int) -> bytes:
        """Return the line of step `number` as it stands in the file, with its line end."""
        return self._read(self._start(number), self.line_bytes(number))

    def complete_lines(self) -> Iterator[tuple[int, bytes]]:
        """Yield the complete lines as they stand in the file, many at once, with their number."""
        for _, data in self._chunks(1, len(self)):
            yield data.count(b"\n"), data

    def close(self) -> None:
        """Let go of the file."""
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None

    def __del__(self) -> None:
        if getattr(self, "_fd", None) is not None:
            self.close()

    def _decoded(self, number: int, line: Line, decode: Callable[[Line], T]) -> T:
        try:
            return decode(line)
        except (ValueError, TypeError, KeyError, IndexError, AttributeError, RecursionError) as error:
            raise self._damaged(number, f"{type(error).__name__}: {error}") from error

    def _chunks(self, first: int, last: int) -> Iterator[tuple[int, bytes]]:
        """Yield the lines `first` to `last` as they stand in the file, many at once, with the number of the first."""
        while first <= last:
            start = self._start(first)
            until = max(first, min(last, bisect_right(self._ends, start + _CHUNK)))
            yield first, self._read(start, self._ends[until - 1] - start)
            first = until + 1

    def _lines(self, first: int, last: int) -> Iterator[tuple[int, bytes]]:
        for number, data in self._chunks(first, last):
            yield from enumerate(data.split(b"\n")[:-1], number)

    def _start(self, number: int) -> int:
        return self._ends[number - 2] if number > 1 else 0

    def _read(self, start: int, length: int) -> bytes:
        if self._fd is None:
            raise ValueError(f"the reader of {self.path} is closed")
        try:
            return os.pread(self._fd, length, start)
        except OSError as error:
            raise disk_failure("read the trace", self.path, error) from error

    def _entries(self, step: int) -> list[Packed]:
        texts = self._texts.get(step)
        if texts is None:
            self._parse(step)
            texts = self._texts.get(step)
        return texts or []

    def _parse(self, number: int, data: bytes | None = None) -> Line:
        """Parse a line, whose bytes may be at hand already."""
        if not 1 <= number <= len(self):
            raise IndexError(f"there is no line {number}")
        data = self.raw(number) if data is None else data
        try:
            line: Any = load(data)
        except ValueError as error:
            raise self._damaged(number, str(error)) from error
        if not isinstance(line, dict) or line.get("step") != number:
            raise self._damaged(number, f"it is not the record of step {number}")
        self._check_format(number, line)
        self._texts.put(number, line.get("texts", []))
        return line

    def _check_format(self, number: int, line: Line) -> None:
        """Check the format, which only the first line tells."""
        if self._format_known:
            return
        if number != 1:
            self._parse(1)
        elif line.get("format") != FORMAT:
            found = line.get("format")
            raise TraceDamaged(f"{self.path} has format {found}, not {FORMAT}: read it with the version that wrote it")
        self._format_known = True

    def _damaged(self, number: int, why: str) -> TraceDamaged:
        return TraceDamaged(
            f"{self.path}:{number} is damaged ({why}): cut the file before this line, or play the episode anew"
        )

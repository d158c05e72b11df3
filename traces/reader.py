"""Reads a trace: the headers of its blocks say where steps are (frames.py), then any step is read on its own.

It works while the episode is still being played: a last step without its end is not there yet.
"""

import os
from collections.abc import Callable, Iterator
from copy import copy
from typing import TypeVar

from zstandard import ZstdError

from traces.folders import EpisodeFolder, TraceDamaged, disk_failure
from traces.frames import FrameIndex, FramesDamaged, FrameText
from traces.lines import Line, decode, load_head, load_line
from traces.outline import StepOutline, outline
from traces.records import TRACE_FORMAT, Message, StepRecord

T = TypeVar("T")

_CHUNK = 1 << 20
_TORN = 1 << 26


class TraceReader:
    """The steps of one episode, by number (from 1) or in order. Memory: eight bytes per step, and a frame's text.

    Raises TraceFailure where the trace cannot be opened, TraceDamaged with file and step where it cannot be read.
    """

    def __init__(self, folder: EpisodeFolder) -> None:
        self.path = folder.steps
        folder.require_present_format()
        try:
            self._fd: int | None = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)
        except OSError as error:
            raise disk_failure("read the trace", self.path, error) from error
        self._index = FrameIndex()
        self._text: FrameText | None = None
        self._format_known = False
        self.refresh()

    def twin(self) -> "TraceReader":
        """Return another reader of the same file, which does not look for the steps that this one knows already.

        It may be used in another thread. Raises TraceFailure where the system has no file left for it.
        """
        if self._fd is None:
            raise ValueError(f"the reader of {self.path} is closed")
        other = copy(self)
        other._fd, other._text = None, None
        other._index = self._index.copy()
        try:
            other._fd = os.dup(self._fd)
        except OSError as error:
            raise disk_failure("read the trace", self.path, error) from error
        return other

    def __enter__(self) -> "TraceReader":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __len__(self) -> int:
        """Return the number of complete steps found so far; `refresh` looks again."""
        return len(self._index.ends)

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
        """Where the last complete step ends."""
        return self._index.end

    @property
    def left_open(self) -> bool:
        """Whether the last frame has not ended."""
        return self._index.is_open

    @property
    def last_frame(self) -> int:
        """The first step of the last frame; 1 where there is none."""
        return self._index.firsts[-1] if self._index.firsts else 1

    def refresh(self) -> int:
        """Look for steps written since; return the number of complete steps."""
        try:
            self._index.extend(self._read)
        except FramesDamaged as error:
            raise self._damaged(len(self) + 1, str(error)) from error
        return len(self)

    def step(self, number: int) -> StepRecord:
        """Return step `number`, from 1. Raises IndexError where the trace has no such step."""
        if not 1 <= number <= len(self) and not 1 <= number <= self.refresh():
            raise IndexError(f"{self.path} has {len(self)} steps, there is no step {number}")
        return self._decoded(number, self._parsed(number, load_line), decode)

    def outlines(
        self,
        first: int = 1,
        last: int | None = None,
        *,
        replies: bool = False,
        among: Callable[[Line], bool] | None = None,
    ) -> Iterator[StepOutline]:
        """Yield the outlines of the steps `first` to `last` (all that are there now, where not given), in order.

        `replies` adds what the model said, and the work of parsing the prompts. `among`, where given, gets each line
        (without its messages, unless `replies`) and says whether it is wanted.
        """
        last = min(last or len(self), len(self))
        for number in range(max(first, 1), last + 1):
            line = self._parsed(number, load_line if replies else load_head, last)
            if among is None or among(line):
                yield self._decoded(number, line, outline)

    def heads(self, first: int = 1, last: int | None = None) -> Iterator[StepRecord]:
        """Yield the records of the steps `first` to `last` (all that are there now) without messages and thoughts."""
        last = len(self) if last is None else min(last, len(self))
        for number in range(max(first, 1), last + 1):
            line = self._parsed(number, load_head, last)
            line["messages"] = [[] for _ in line.get("conversations", ())]
            line.pop("thoughts", None)
            yield self._decoded(number, line, decode)

    def first_holding(self, text: bytes) -> int:
        """Return the first step whose line holds these bytes, in lower case, whatever the case of ASCII letters.

        0 where no line does: then no text of the episode holds them, as long as JSON writes them as they are.
        """
        for frame, first in enumerate(self._index.firsts):
            lower = b"\n".join(text[start:end] for text, start, end in self._places(first, self._index.last_of(frame)))
            lower = lower.lower()
            found = lower.find(text)
            if found >= 0:
                return first + lower.count(b"\n", 0, found)
        return 0

    def prompt(self, step: int, conversation: int, call: int) -> list[Message]:
        """Return the messages the model received: call `call` (from 0) of conversation `conversation` (from 0)."""
        return self.step(step).conversations[conversation].prompt(call)

    def stored_bytes(self, number: int) -> int:
        """Return how many bytes of the file step `number` takes."""
        return self._index.ends[number - 1] - self._index.start_of(number)

    def line(self, number: int) -> bytes:
        """Return the line of step `number`, plain JSON, with its line end."""
        text, start, end = self._places(number, number)[-1]
        return text[start : end + 1]

    def stored(self, end: int | None = None) -> Iterator[bytes]:
        """Yield the bytes of the file up to `end`, that of the last complete step where not given, in pieces."""
        at, end = 0, self.complete_bytes if end is None else end
        while at < end and (piece := self._read(at, min(end - at, _CHUNK))):
            yield piece
            at += len(piece)

    def end_of(self, steps: int) -> int:
        """Return where the first `steps` steps end in the file."""
        return self._index.ends[steps - 1] if steps else 0

    def torn(self) -> bytes:
        """Return what follows the last complete step: the step under way, as far as it is written."""
        return self._read(self.complete_bytes, _TORN)

    def close(self) -> None:
        """Close the file."""
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None

    def __del__(self) -> None:
        if getattr(self, "_fd", None) is not None:
            self.close()

    def _read(self, start: int, length: int) -> bytes:
        if self._fd is None:
            raise ValueError(f"the reader of {self.path} is closed")
        try:
            return os.pread(self._fd, length, start)
        except OSError as error:
            raise disk_failure("read the trace", self.path, error) from error

    def _places(self, number: int, last: int) -> list[tuple[bytes, int, int]]:
        """Return where the lines of a step's frame are (`FrameText.places`), up to that step at least.

        Further lines, up to `last`, are there where they are in the same frame.
        """
        if self._fd is None:
            raise ValueError(f"the reader of {self.path} is closed")
        frame = self._index.frame_of(number)
        text = self._text
        if text is None or text.frame != frame:
            text = self._text = FrameText(frame, self._index.starts[frame])
        first = self._index.firsts[frame]
        if number - first >= len(text.places):
            end = self._index.ends[min(last, self._index.last_of(frame)) - 1]
            try:
                text.add(self._read(text.at, end - text.at))
                if len(text.places) <= number - first:
                    raise ZstdError("it has no end")
            except ZstdError:
                self._text = None
                self._find_damage(frame, number)
        return text.places if last > number else text.places[: number - first + 1]

    def _find_damage(self, frame: int, last: int) -> None:
        """Raise TraceDamaged for the first step of a frame that cannot be decompressed."""
        text = FrameText(frame, self._index.starts[frame])
        for number in range(self._index.firsts[frame], last + 1):
            try:
                text.add(self._read(text.at, self._index.ends[number - 1] - text.at))
            except ZstdError as error:
                raise self._damaged(number, str(error)) from error
        raise self._damaged(last, "it has no end")

    def _parsed(self, number: int, load: Callable[[bytes, int, int], Line], last: int = 0) -> Line:
        """Parse a line; `last`: up to where lines are asked for next."""
        first = self._index.firsts[self._index.frame_of(number)]
        place = self._places(number, max(last, number))[number - first]
        try:
            line = load(*place)
        except ValueError as error:
            raise self._damaged(number, str(error)) from error
        if not isinstance(line, dict) or line.get("step") != number:
            raise self._damaged(number, f"it is not the record of step {number}")
        self._check_format(number, line)
        return line

    def _check_format(self, number: int, line: Line) -> None:
        """Check the format, which only the first line holds."""
        if self._format_known:
            return
        if number != 1:
            self._parsed(1, load_head)
        elif line.get("format") != TRACE_FORMAT:
            found = line.get("format")
            raise TraceDamaged(
                f"{self.path} has format {found}, not {TRACE_FORMAT}: read it with the version that wrote it"
            )
        self._format_known = True

    def _decoded(self, number: int, line: Line, decode: Callable[[Line], T]) -> T:
        try:
            return decode(line)
        except (ValueError, TypeError, KeyError, IndexError, AttributeError, RecursionError) as error:
            raise self._damaged(number, f"{type(error).__name__}: {error}") from error

    def _damaged(self, number: int, why: str) -> TraceDamaged:
        return TraceDamaged(
            f"{self.path} is damaged at step {number} ({why}): restore the file, or play the episode again"
        )

"""Lines to and from a contained process, bounded in length, number and time; the process is not trusted."""

from __future__ import annotations

import os
import select
import time
from dataclasses import dataclass
from typing import Any

import orjson


@dataclass(frozen=True, slots=True)
class Bounds:
    """Limits of one contained process, which lives for one episode. Seconds are of wall time unless they say CPU."""

    answer_s: float = 5.0
    """For one call (observe, maintain, act, an operation). Hooks take about a millisecond; a loaded machine may take
    a hundred times that, and while we wait nothing else of this event loop goes on."""
    start_s: float = 30.0
    """For starting the process, which takes about 0.05 s."""
    cpu_s: int = 3_600
    """CPU time of the whole episode: 36 ms for each step of the longest one (100,000)."""
    idle_cpu_s: float = 0.5
    """CPU time between two calls, when there is nothing to do: it covers putting memory in order."""
    memory_mb: int = 256
    """Address space. An empty Python takes about 20 MB of it."""
    answer_bytes: int = 1024 * 1024
    """One line of the protocol: an answer, or a file to be written. It bounds what parsing it costs us."""
    call_bytes: int = 4 * 1024 * 1024
    """All lines of one call."""
    journal_bytes: int = 4 * 1024 * 1024
    """What its writing may add to the notebook's journal, and beside it …"""
    step_journal_bytes: int = 32 * 1024
    """… for each step since the process first wrote: over the longest episode 3 GB."""
    notebook_requests: int = 1_000
    """Requests to the notebook in one call; the shipped example makes three."""
    printed_bytes: int = 1024 * 1024
    """What one call prints, to standard output and error together. Prints are not kept."""


_CHUNK = 65_536
_PATIENCE_S = 0.1


class Stopped(Exception):
    """The contained process has to be stopped. `kind`: see `HookFailure`; the message says what it did."""

    def __init__(self, kind: str, what: str) -> None:
        super().__init__(what)
        self.kind = kind


class Wire:
    """Our ends of a contained process's standard input, output and error; they are made non-blocking.

    Waiting happens in poll(2), which LangGraph's dev server lets pass on its event loop; reading a blocking
    descriptor it would take for a blocking call.
    """

    def __init__(self, requests: int, answers: int, prints: int, bounds: Bounds) -> None:
        for descriptor in (requests, answers, prints):
            os.set_blocking(descriptor, False)
        self._requests, self._answers, self._prints = requests, answers, prints
        self._bounds = bounds
        self._speaking = select.poll()
        self._speaking.register(requests, select.POLLOUT)
        self._hearing = select.poll()
        self._hearing.register(answers, select.POLLIN)
        self._hearing.register(prints, select.POLLIN)
        self._heard = bytearray()
        self._allowed_s = self._left_s = 0.0
        self._bytes = self._printed = 0
        self.last_words = b""
        """The end of what the process printed: the interpreter's, or bubblewrap's, reason for ending."""

    def begin(self, seconds: float) -> None:
        """A new call: it may take so long, and speak and print as much as the bounds allow."""
        self._allowed_s = self._left_s = seconds
        self._bytes = self._printed = 0
        if self._heard:
            raise Stopped("garbage", "it spoke without being asked")

    def say(self, line: bytes) -> None:
        """Send one line."""
        rest = memoryview(line + b"\n")
        while rest:
            try:
                rest = rest[os.write(self._requests, rest) :]
            except BlockingIOError:
                self._wait(self._speaking)
            except BrokenPipeError:
                raise Stopped("ended", "") from None

    def hear(self) -> dict[str, Any]:
        """The next line, which must be a JSON object. Stopped where it is not, or does not come in time."""
        searched = 0
        while (end := self._heard.find(b"\n", searched)) < 0:
            searched = len(self._heard)
            if searched > self._bounds.answer_bytes:
                raise Stopped("garbage", f"it answered with a line of more than {self._bounds.answer_bytes:,} bytes")
            self._receive()
        line = bytes(self._heard[:end])
        del self._heard[: end + 1]
        try:
            message = orjson.loads(line)
        except ValueError as error:  # not UTF-8, not JSON, NaN, half a character, nested too deep
            raise Stopped("garbage", f"it answered with no JSON ({error}): {line[:80]!r}") from None
        if not isinstance(message, dict):
            raise Stopped("garbage", f"it answered with no JSON object: {line[:80]!r}")
        return message

    def drain(self) -> None:
        """Take in what was printed last, after the process has ended."""
        while self._read_prints():
            pass

    def _receive(self) -> None:
        ready = {descriptor for descriptor, _ in self._wait(self._hearing)}
        if self._prints in ready and not self._read_prints():
            self._hearing.unregister(self._prints)  # closed: code may do so, it only silences itself
        if self._answers in ready:
            read = os.read(self._answers, _CHUNK)
            if not read:
                raise Stopped("ended", "")
            self._heard += read
            self._bytes += len(read)
            if self._bytes > self._bounds.call_bytes:
                raise Stopped("output", f"it wrote more than {self._bounds.call_bytes:,} bytes in one call")

    def _read_prints(self) -> int:
        try:
            printed = os.read(self._prints, _CHUNK)
        except BlockingIOError:
            return 0
        self.last_words = (self.last_words + printed)[-500:]
        self._printed += len(printed)
        if self._printed > self._bounds.printed_bytes:
            raise Stopped("output", f"it printed more than {self._bounds.printed_bytes:,} bytes in one call")
        return len(printed)

    def _wait(self, poll: select.poll) -> list[tuple[int, int]]:
        """What is ready. Only the time spent in here counts: what we do ourselves meanwhile is not the code's fault.

        Neither is a machine put to sleep, or us being stopped: a wait that took longer than it was to counts as short.
        """
        while self._left_s > 0:
            began = time.monotonic()
            ready = poll.poll(min(self._left_s, _PATIENCE_S) * 1_000)
            self._left_s -= min(time.monotonic() - began, _PATIENCE_S)
            if ready:
                return ready
        raise Stopped("unresponsive", f"it gave no answer within {self._allowed_s:g} s")

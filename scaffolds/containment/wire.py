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
    a hundred times that, and the event loop is blocked meanwhile."""
    start_s: float = 30.0
    """For starting the process, which takes about 0.05 s."""
    cpu_s: int = 3_600
    """CPU time of the whole episode: 36 ms for each step of the longest one (100,000)."""
    idle_cpu_s: float = 0.5
    """CPU time between two calls, when the code should be idle; garbage collection needs some."""
    memory_mb: int = 256
    """Address space. An empty Python takes about 20 MB of it."""
    answer_bytes: int = 1024 * 1024
    """One line of the protocol: an answer, or a file to be written. It bounds the cost of parsing."""
    call_bytes: int = 4 * 1024 * 1024
    """All lines of one call."""
    journal_bytes: int = 4 * 1024 * 1024
    """Bytes that its writing may add to the notebook's journal, plus …"""
    step_journal_bytes: int = 32 * 1024
    """… for each step since the process first wrote: over the longest episode 3 GB."""
    notebook_requests: int = 1_000
    """Requests to the notebook in one call; the shipped example makes three."""
    printed_bytes: int = 1024 * 1024
    """Printed in one call, to standard output and error together. Prints are not kept."""


_CHUNK = 65_536
_PATIENCE_S = 0.1


class Stopped(Exception):
    """The contained process must be stopped. `kind`: see `HookFailure`; the message says what it did."""

    def __init__(self, kind: str, what: str) -> None:
        super().__init__(what)
        self.kind = kind


class Wire:
    """The parent's ends of a contained process's standard input, output and error, made non-blocking.

    Waiting happens in poll(2), which LangGraph's dev server allows on its event loop; it reports the read of a blocking
    descriptor as a blocking call.
    """

    def __init__(self, requests: int, answers: int, prints: int, bounds: Bounds) -> None:
        for descriptor in (requests, answers, prints):
            os.set_blocking(descriptor, False)
        self._requests, self._answers, self._prints = requests, answers, prints
        self._bounds = bounds
        self._writable = select.poll()
        self._writable.register(requests, select.POLLOUT)
        self._readable = select.poll()
        self._readable.register(answers, select.POLLIN)
        self._readable.register(prints, select.POLLIN)
        self._received = bytearray()
        self._allowed_s = self._left_s = 0.0
        self._bytes = self._printed = 0
        self.last_words = b""
        """The last bytes printed: the interpreter's, or bubblewrap's, reason for ending."""

    def begin(self, seconds: float) -> None:
        """Start the limits of a new call, which may take this many seconds."""
        self._allowed_s = self._left_s = seconds
        self._bytes = self._printed = 0
        if self._received:
            raise Stopped("garbage", "it wrote without being called")

    def send(self, line: bytes) -> None:
        """Send one line."""
        rest = memoryview(line + b"\n")
        while rest:
            try:
                rest = rest[os.write(self._requests, rest) :]
            except BlockingIOError:
                self._wait(self._writable)
            except BrokenPipeError:
                raise Stopped("ended", "") from None

    def receive(self) -> dict[str, Any]:
        """The next line, which must be a JSON object. Stopped where it is not, or does not come in time."""
        searched = 0
        while (end := self._received.find(b"\n", searched)) < 0:
            searched = len(self._received)
            if searched > self._bounds.answer_bytes:
                raise Stopped("garbage", f"it answered with a line of more than {self._bounds.answer_bytes:,} bytes")
            self._read_ready()
        line = bytes(self._received[:end])
        del self._received[: end + 1]
        try:
            message = orjson.loads(line)
        except ValueError as error:  # not UTF-8, not JSON, NaN, half a character, nested too deep
            raise Stopped("garbage", f"it answered with no JSON ({error}): {line[:80]!r}") from None
        if not isinstance(message, dict):
            raise Stopped("garbage", f"it answered with no JSON object: {line[:80]!r}")
        return message

    def drain(self) -> None:
        """Read the last prints, after the process has ended."""
        while self._read_prints():
            pass

    def _read_ready(self) -> None:
        ready = {descriptor for descriptor, _ in self._wait(self._readable)}
        if self._prints in ready and not self._read_prints():
            self._readable.unregister(self._prints)  # closed, which is allowed: only its prints are lost
        if self._answers in ready:
            read = os.read(self._answers, _CHUNK)
            if not read:
                raise Stopped("ended", "")
            self._received += read
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
        """What is ready. Only time spent here counts towards the limit, not the parent's own work.

        A wait that took longer than requested (the machine slept, or the parent was stopped) counts as requested.
        """
        while self._left_s > 0:
            began = time.monotonic()
            ready = poll.poll(min(self._left_s, _PATIENCE_S) * 1_000)
            self._left_s -= min(time.monotonic() - began, _PATIENCE_S)
            if ready:
                return ready
        raise Stopped("unresponsive", f"it did not answer within {self._allowed_s:g} s")

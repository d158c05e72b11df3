"""A contained process: started, called, and stopped."""

import json
import reprlib
import time
import weakref
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

from scaffolds.containment.bubblewrap import CannotContain
from scaffolds.containment.starting import ending, has_ended, start, stop
from scaffolds.containment.wire import Bounds, Stopped, Wire

_LAST_MOMENT_MS = 500
"""Time for bubblewrap to end after its process and pass on the exit status: usually a millisecond."""


class ContainedProcess:
    """One process in a container, alive from here to `close`. CannotContain if this machine cannot start one.

    `modules`: what its world offers (`WorldEntry.modules`), in addition to what every scaffold's code may import. The
    process dies with its parent, however that ends. Not thread-safe.
    """

    def __init__(self, bounds: Bounds, modules: Sequence[str] = ()) -> None:
        self._bounds = bounds
        self._started = start(bounds, modules)
        self._close = weakref.finalize(self, stop, self._started)
        self._clock = (~self.pid << 3) | 2  # the CPU clock of another process: clock_getcpuclockid(3)
        self._wire = Wire(*self._started.pipes, bounds)
        self._calls = 0
        self._reason = Stopped("ended", "its contained process is closed")
        try:
            self._wire.begin(bounds.start_s)
            self._wire.receive()
            self._spent = self._cpu_s()
        except Stopped as stopped:
            raise CannotContain(f"it does not start: {self.stop(stopped)}") from None

    @property
    def pid(self) -> int:
        """The process id outside the container."""
        return self._started.pid

    def call(self, name: str, given: Mapping[str, Any]) -> None:
        """Start a call: send its request. All calls raise Stopped where the process must be stopped."""
        if not self._close.alive:
            raise self._reason
        self._calls += 1
        idle = self._cpu_s() - self._spent
        if idle > self._bounds.idle_cpu_s:
            raise Stopped("cpu", f"it used {idle:.1f} s of CPU time between two calls")
        self._wire.begin(self._bounds.answer_s)
        self.send({"id": self._calls, "call": name, **given})

    def send(self, message: Mapping[str, Any]) -> None:
        """Send one line."""
        self._wire.send(json.dumps(message, separators=(",", ":")).encode())

    def receive(self) -> dict[str, Any]:
        """The next line of this call."""
        message = self._wire.receive()
        if message.get("id") != self._calls:
            raise Stopped("garbage", f"it answered with an unknown request id: {reprlib.repr(message.get('id'))}")
        self._spent = self._cpu_s()
        return message

    def close(self) -> None:
        """Stop the process and everything in its container, in about a millisecond. Closing twice is harmless."""
        self._close()

    def stop(self, reason: Stopped) -> Stopped:
        """Stop the process; later calls raise the reason. Returns the reason, or how it ended by itself."""
        if self._close.alive:
            ended = reason.kind == "ended"
            words = self._last_words() if ended else ""
            self.close()
            self._reason = Stopped("ended", ending(self._started.outer.returncode) + words) if ended else reason
        return self._reason

    def _last_words(self) -> str:
        """Its last prints, in brackets, once it has ended by itself."""
        has_ended(self._started.outer_end, _LAST_MOMENT_MS)
        with suppress(Stopped):
            self._wire.drain()
        words = " ".join(self._wire.last_words.decode(errors="replace").split())[-200:]
        return f" ({words})" if words else ""

    def _cpu_s(self) -> float:
        try:
            return time.clock_gettime(self._clock)
        except OSError:
            raise Stopped("ended", "") from None

"""A contained process: started, asked, and stopped for good."""

import json
import os
import reprlib
import select
import signal
import time
import weakref
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from scaffolds.containment.bounds import Bounds
from scaffolds.containment.bubblewrap import CannotContain
from scaffolds.containment.starting import Started, start
from scaffolds.containment.wire import Stopped, Wire

_LAST_MOMENT_MS = 500
"""How long bubblewrap may take to end after what it contained: usually a millisecond. It passes on how that ended."""
_DEATH_MS = 5_000
"""How long the kernel may take to end a killed process; usually a millisecond."""


class ContainedProcess:
    """One process in a container, alive from here to `close`. CannotContain if this machine cannot start one.

    It dies with this process too, however that ends. Not for use by several threads at once.
    """

    def __init__(self, bounds: Bounds) -> None:
        self._bounds = bounds
        self._started = start(bounds)
        self._close = weakref.finalize(self, _stop, self._started)
        self._clock = (~self.pid << 3) | 2  # the CPU clock of another process: clock_getcpuclockid(3)
        self._wire = Wire(*self._started.pipes, bounds)
        self._calls = 0
        self._past = Stopped("ended", "its contained process is closed")
        try:
            self._wire.begin(bounds.start_s)
            self._wire.hear()
            self._spent = self._cpu_s()
        except Stopped as stopped:
            raise CannotContain(f"it does not start: {self.stop(stopped)}") from None

    @property
    def pid(self) -> int:
        """The contained process's number, as this side sees it."""
        return self._started.pid

    def call(self, name: str, given: Mapping[str, Any]) -> None:
        """Begin a call: send its request. This and what follows raises Stopped where the process must be stopped."""
        if not self._close.alive:
            raise self._past
        self._calls += 1
        idle = self._cpu_s() - self._spent
        if idle > self._bounds.idle_cpu_s:
            raise Stopped("cpu", f"it used {idle:.1f} s of CPU time while nothing was asked of it")
        self._wire.begin(self._bounds.answer_s)
        self.say({"id": self._calls, "call": name, **given})

    def say(self, message: Mapping[str, Any]) -> None:
        """Send one line."""
        self._wire.say(json.dumps(message, separators=(",", ":")).encode())

    def hear(self) -> dict[str, Any]:
        """The next line of this call."""
        message = self._wire.hear()
        if message.get("id") != self._calls:
            raise Stopped("garbage", f"it answered a request that was not made: {reprlib.repr(message.get('id'))}")
        self._spent = self._cpu_s()
        return message

    def close(self) -> None:
        """Stop the process and everything in its container. Takes about a millisecond; closing twice is no fault."""
        self._close()

    def stop(self, reason: Stopped) -> Stopped:
        """Stop it for a reason, which every later call is told too. Returns that reason, or how the process ended."""
        if self._close.alive:
            ended = reason.kind == "ended"
            words = self._last_words() if ended else ""
            self.close()
            self._past = Stopped("ended", _ending(self._started.outer.returncode) + words) if ended else reason
        return self._past

    def _last_words(self) -> str:
        """What it printed last, in brackets, once it has ended by itself."""
        _wait(self._started.outer_end, _LAST_MOMENT_MS)
        with suppress(Stopped):
            self._wire.drain()
        words = " ".join(self._wire.last_words.decode(errors="replace").split())[-200:]
        return f" ({words})" if words else ""

    def _cpu_s(self) -> float:
        try:
            return time.clock_gettime(self._clock)
        except OSError:
            raise Stopped("ended", "") from None


def _stop(started: Started) -> None:
    """Kill what is in the container, wait for bubblewrap to have seen it, and let go of the pipes.

    Without time.sleep and so without `Popen.wait(timeout)`, which an event loop may not call under LangGraph's dev
    server.
    """
    outer = started.outer
    for pipe in (outer.stdin, outer.stdout, outer.stderr):
        if pipe is not None:
            pipe.close()
    with suppress(ProcessLookupError):
        signal.pidfd_send_signal(started.end, signal.SIGKILL)
    if not _wait(started.outer_end, _DEATH_MS):
        outer.kill()
    outer.wait()
    os.close(started.end)
    os.close(started.outer_end)


def _wait(process: int, most_ms: int) -> bool:
    poll = select.poll()
    poll.register(process, select.POLLIN)
    return bool(poll.poll(most_ms))


def _ending(status: int) -> str:
    """In words, the exit status that bubblewrap passes on."""
    try:
        return f"it was ended by {signal.Signals(status - 128).name}"
    except ValueError:
        return f"it ended with exit status {status}"

"""Stopping a command by a signal: the first one ends it in order, the second leaves at once. The same for all commands.

In order means: an event loop's work is cancelled, other work is interrupted by `Stopped`; files are closed, the
terminal is given back, and one line says how to go on. At once means: child processes are killed and the process exits;
what is on disk is what a killed process leaves, and every run goes on from that.

Python runs a signal's handler between two instructions of the main thread, which may be busy in a library. So the
interpreter also reports signals to a thread of its own (`signal.set_wakeup_fd`), which handles the second one.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import select
import signal
import sys
import termios
import threading
import time
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

from cli.visible_text import visible

if TYPE_CHECKING:
    from sys import UnraisableHookArgs

STOPPED_BY = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
HINT_S, ENDING_S = 2.0, 20.0
"""Seconds after the first signal: a command still ending then says that a second one leaves at once, and leaves."""
AGAIN_S = 0.01
"""After a `Stopped` was lost in a destructor, until it is raised again."""
SHOW_CURSOR = "\x1b[?25h"
T = TypeVar("T")
Receiver = Callable[[int], object]


class Stopped(KeyboardInterrupt):
    """A signal asks the command to end. Raised in the main thread where no event loop runs."""


class Stop:
    """The signal handling of this process, from `install` to `remove`."""

    def __init__(self) -> None:
        self.number = 0
        """The signal that ends the command; 0 while none does."""
        self.go_on: str | None = None
        """How to go on after a stop, in a clause; None: nothing is added."""
        self.finished = False
        """Whether the command has done its work: a signal then leaves at once."""
        self.terminal_codes = SHOW_CURSOR
        """What a terminal is sent when the command leaves at once."""
        self._receivers: list[Receiver] = []
        self._before: dict[int, Any] = {}
        self._pipe: tuple[int, int] | None = None
        self._terminal: list[Any] | None = None

    def install(self) -> None:
        """Handle signals from now on; in the main thread. A signal that is ignored already (nohup) stays ignored."""
        reading, writing = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        self._pipe, self._terminal = (reading, writing), _terminal_settings()
        for number in STOPPED_BY:
            if signal.getsignal(number) is not signal.SIG_IGN:
                self._before[number] = signal.signal(number, self._caught)
        self._before[signal.SIGALRM] = signal.signal(signal.SIGALRM, self._raise_again)
        sys.unraisablehook = self._unraisable
        signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
        threading.Thread(target=self._watch, args=(reading,), name="signals", daemon=True).start()

    def remove(self) -> None:
        """Handle signals as before `install`."""
        if self._pipe is None:
            return
        signal.set_wakeup_fd(-1)
        sys.unraisablehook = sys.__unraisablehook__
        for number, before in self._before.items():
            signal.signal(number, before)
        os.close(self._pipe[1])  # the watching thread ends, and closes the other end
        self._pipe = None

    @contextlib.contextmanager
    def receiving(self, receiver: Receiver) -> Iterator[None]:
        """Hand the first signal to `receiver`, in a handler in the main thread, instead of raising `Stopped`."""
        self._receivers.append(receiver)
        try:
            yield
        finally:
            self._receivers.pop()

    def check(self) -> None:
        """Raise `Stopped` if a signal has come."""
        if self.number:
            raise Stopped

    def end(self) -> NoReturn:
        """Exit with status 128 + the signal's number. Child processes do not survive it, and no thread holds it up."""
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(OSError, ValueError):
                stream.flush()
        _kill_children()
        os._exit(128 + self.number)

    def _caught(self, number: int, _: FrameType | None) -> None:
        if self.number or self.finished:
            return  # the watching thread leaves
        self.number = number
        if self._receivers:
            self._receivers[-1](number)
        else:
            raise Stopped

    def _raise_again(self, *_: object) -> None:
        raise Stopped

    def _unraisable(self, lost: UnraisableHookArgs) -> None:
        """Python reports and drops what is raised in a destructor; a stop must not be lost there."""
        if isinstance(lost.exc_value, Stopped):
            signal.setitimer(signal.ITIMER_REAL, AGAIN_S)
        else:
            sys.__unraisablehook__(lost)

    def _watch(self, reading: int) -> None:
        """Read the numbers of signals as they come; leave at the second, or if the first does not end the command."""
        first, began, hinted = 0, 0.0, False
        while True:
            left = None if not first else began + (ENDING_S if hinted else HINT_S) - time.monotonic()
            if not select.select([reading], [], [], None if left is None else max(0.0, left))[0]:
                if hinted:
                    self._leave(first)
                hinted = True
                say("automem: still ending; Ctrl-C or the same signal again leaves at once.")
                continue
            numbers = os.read(reading, 64)
            if not numbers:
                os.close(reading)
                return
            for number in numbers:
                if number not in self._before or number == signal.SIGALRM:
                    continue
                if first or self.finished:
                    self._leave(first or number)
                first, began = number, time.monotonic()

    def _leave(self, number: int) -> NoReturn:
        """Exit now, from the watching thread, whatever the others do. Nothing is flushed and nothing can block.

        The other threads write nothing more: the end of a child that is killed here is no news, and would be reported.
        """
        try:
            output, errors = _silence()
            self._restore_terminal(output)
            if not self.finished:
                say(f"automem: left at once{f'; {self.go_on}' if self.go_on else ''}.", errors)
            _kill_children()
        finally:
            os._exit(128 + (self.number or number))

    def _restore_terminal(self, output: int) -> None:
        if os.isatty(output):
            _write(output, self.terminal_codes)
        if self._terminal is not None:
            signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTTOU})  # in the background it would suspend us
            with contextlib.suppress(termios.error, OSError):
                termios.tcsetattr(0, termios.TCSANOW, self._terminal)


_installed: list[Stop] = []
"""The one of this process, once there is one."""


def install() -> Stop:
    """The signal handling for a command that begins. Outside of the main thread signals are left as they are."""
    remove()
    stop = Stop()
    if threading.current_thread() is threading.main_thread():
        stop.install()
        _installed.append(stop)
    return stop


def remove() -> None:
    """Handle signals as before `install`, for a process that lives on."""
    while _installed:
        _installed.pop().remove()


def run(work: Coroutine[Any, Any, T]) -> T:
    """`asyncio.run`, except that the first signal cancels `work`: `Stopped` is raised once all of it has ended."""
    if not _installed:
        return asyncio.run(work)
    stop = _installed[-1]

    async def cancellable() -> T:
        loop, task = asyncio.get_running_loop(), asyncio.current_task()
        assert task is not None
        with stop.receiving(lambda _: loop.call_soon_threadsafe(task.cancel)):
            if stop.number:
                work.close()
                raise asyncio.CancelledError
            return await work

    with stop.receiving(lambda _: None):  # before and after the work, the loop's own steps are not interrupted
        try:
            result = asyncio.run(cancellable())
        except asyncio.CancelledError:
            if not stop.number:
                raise
            raise Stopped from None
    stop.check()
    return result


@contextlib.contextmanager
def received(receiver: Receiver) -> Iterator[None]:
    """Inside `run`: hand the first signal to `receiver`, in the event loop, instead of cancelling the work."""
    if not _installed:
        yield
        return
    loop = asyncio.get_running_loop()
    with _installed[-1].receiving(lambda number: loop.call_soon_threadsafe(receiver, number)):
        yield


def blocking(work: Callable[..., T], *arguments: object) -> T:
    """Inside `run`: what `work` returns, such as a person's answer, called in this thread while the loop waits.

    A signal interrupts it, with `Stopped`. In a thread of its own nothing could interrupt it.
    """
    if not _installed:
        return work(*arguments)
    stop = _installed[-1]
    stop.check()
    with stop.receiving(_raise):
        result = work(*arguments)
    stop.check()  # a library may have taken it for something else, as click's prompts do
    return result


def _raise(_: int) -> None:
    raise Stopped


def go_on_with(clause: str) -> None:
    """Set how to go on after a stop, such as "go on with: automem play --episode …"."""
    for stop in _installed:
        stop.go_on = clause


@contextlib.contextmanager
def screen_taken(codes: str) -> Iterator[None]:
    """While the command has the terminal's screen: the codes that give it back when the command leaves at once."""
    for stop in _installed:
        stop.terminal_codes = codes + SHOW_CURSOR
    try:
        yield
    finally:
        for stop in _installed:
            stop.terminal_codes = SHOW_CURSOR


def say(line: str, errors: int = 2) -> None:
    """Write a line to standard error if that takes it at once: a stopped terminal or a full pipe is not waited for."""
    beginning = "\r" if os.isatty(errors) else ""  # over the terminal's own ^C
    _write(errors, f"{beginning}{visible(line, 8_000)}\n")


def _silence() -> tuple[int, int]:
    """Send what this process writes from now on to nowhere; descriptors of the true standard output and error."""
    try:
        output, errors = os.dup(1), os.dup(2)
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, 1)
        os.dup2(nowhere, 2)
    except OSError:  # one is closed, or no descriptor is left
        return 1, 2
    return output, errors


def _write(descriptor: int, text: str) -> None:
    with contextlib.suppress(OSError, ValueError):
        if select.select([], [descriptor], [], 0)[1]:
            os.write(descriptor, text.encode(errors="replace"))


def _terminal_settings() -> list[Any] | None:
    try:
        return termios.tcgetattr(0)
    except (OSError, termios.error):
        return None


def _kill_children() -> None:
    """Kill every process that descends from this one, where /proc lists them. No other thread runs between the first
    kill and the return: one that waits for a child would report its end, or end this process with a status of its own.
    """
    stopped: set[int] = set()
    while new := set(descendants(os.getpid())) - stopped:  # one that is not yet stopped may start another
        for child in new:
            with contextlib.suppress(OSError):
                os.kill(child, signal.SIGSTOP)
        stopped |= new
    sys.setswitchinterval(ENDING_S)
    for child in stopped:
        with contextlib.suppress(OSError):
            os.kill(child, signal.SIGKILL)


def descendants(process: int) -> list[int]:
    """Processes that a process has started, and those that these have, where /proc lists them."""
    found: list[int] = []
    with contextlib.suppress(OSError):
        for thread in Path(f"/proc/{process}/task").iterdir():
            with contextlib.suppress(OSError):
                for child in map(int, (thread / "children").read_text().split()):
                    found += [child, *descendants(child)]
    return found

"""One run at a time drives an outer loop's run folder, and plays an episode: any other is refused in one sentence."""

from __future__ import annotations

import asyncio
import fcntl
import functools
import inspect
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from graphs.settings import SettingsError
from traces.folders import disk_failure, disk_failures

LOCK = "lock"
"""File of a run folder that whoever drives it holds."""
Node = Callable[..., Any]


@contextmanager
def held(out: Path) -> Iterator[None]:
    """Hold a run folder that is laid out. SettingsError if another run drives it, TraceFailure for a bad disk."""
    try:
        file = (out / LOCK).open("wb")
    except OSError as error:
        raise disk_failure("write", out / LOCK, error) from error
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise SettingsError(f"Another run drives what is in {out}: wait for its end.") from None
        except OSError:
            pass  # a network file system without locks: nobody can be kept out there
        yield


def begun(out: Path) -> bool:
    """Whether a run has begun in a folder; before, there may be nothing to hold, and what is refused writes nothing."""
    return (out / LOCK).exists()


def alone(node: Node, *, begins: bool = False, held_outside: bool = False) -> Node:
    """The node, holding the run folder of its state while it works; what the disk refuses it is a TraceFailure.

    `begins`: it may have to lay the folder out. `held_outside`: whoever drives the graph holds the folder already.
    """

    def hold(stack: ExitStack, state: Mapping[str, Any]) -> None:
        stack.enter_context(disk_failures())
        if held_outside:
            return
        out = Path(str(state.get("out")))  # checked by the node that begins
        if not begins or begun(out):
            stack.enter_context(held(out))

    @functools.wraps(node)
    def work(state: Mapping[str, Any], *arguments: Any, **more: Any) -> Any:
        with ExitStack() as stack:
            hold(stack, state)
            return node(state, *arguments, **more)

    @functools.wraps(node)
    async def work_on(state: Mapping[str, Any], *arguments: Any, **more: Any) -> Any:
        with ExitStack() as stack:
            await asyncio.to_thread(hold, stack, state)
            return await node(state, *arguments, **more)

    return work_on if inspect.iscoroutinefunction(node) else work


class Busy(SettingsError):
    """Two runs want to play one episode at once."""


class Claim:
    """Which run is playing an episode."""

    def __init__(self, episode: str, patience_s: float) -> None:
        """`patience_s`: seconds after which a run that has not been heard of no longer counts."""
        self.run: str | None = None
        """Token of the run that is playing; None between runs."""
        self._episode = episode
        self._patience_s = patience_s
        self._lock = threading.Lock()
        self._heard = 0.0
        self._thread: str | None = None

    def take(self, run: str | None, thread: str | None = None) -> None:
        """Let the run with this token (a new one if None) play on. Busy if another run is playing.

        `thread`: the server's thread that the run is on, if any. A server plays the runs of a thread one after the
        other: another of the same thread means that the one before is over, cancelled between two nodes perhaps.
        """
        with self._lock:
            now = time.monotonic()
            over = thread is not None and thread == self._thread
            if self.run is not None and run != self.run and not over and now - self._heard < self._patience_s:
                raise Busy(
                    f"Another run is playing {self._episode}: wait until it has ended, or start a new thread "
                    "for another episode."
                )
            self.run = run or uuid.uuid4().hex
            self._thread = thread
            self._heard = now

    def release(self) -> None:
        """The run has ended; another may play on."""
        self.run = None

"""One run at a time works in an outer loop's run folder, and plays an episode; a second one gets a SettingsError."""

from __future__ import annotations

import asyncio
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
from memory_fs.file_lock import InUse, locked
from traces.folders import disk_failures

LOCK = "lock"
"""File of a run folder whose lock the running search or specialization holds."""
Node = Callable[..., Any]


@contextmanager
def run_lock(out: Path, file: str = LOCK) -> Iterator[None]:
    """Hold the lock of a run folder. SettingsError if another run holds it, TraceFailure for a disk error."""
    with disk_failures(), ExitStack() as stack:
        try:
            stack.enter_context(locked(out / file, out))
        except InUse as error:
            raise SettingsError(str(error)) from None
        yield


def has_begun(out: Path) -> bool:
    """Whether a run has begun in a folder. Before that, a refused run must leave no file there, not even a lock."""
    return (out / LOCK).exists()


def exclusive(node: Node, *, begins: bool = False, locked_by_caller: bool = False) -> Node:
    """The node, holding the lock of its state's run folder while it works; a disk error in it is a TraceFailure.

    `begins`: it may have to create the folder. `locked_by_caller`: the caller of the graph holds the lock already.
    """

    def hold(stack: ExitStack, state: Mapping[str, Any]) -> None:
        stack.enter_context(disk_failures())
        if locked_by_caller:
            return
        out = Path(str(state.get("out")))  # checked by the node that begins
        if not begins or has_begun(out):
            stack.enter_context(run_lock(out))

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
    """Another run is playing the episode."""


class EpisodeLease:
    """Says which run is playing an episode; it expires where the run takes no step for long."""

    def __init__(self, episode: str, patience_s: float) -> None:
        """`patience_s`: seconds without a call of `acquire` after which a run loses its lease."""
        self.run: str | None = None
        """Token of the run that is playing; None between runs."""
        self._episode = episode
        self._patience_s = patience_s
        self._lock = threading.Lock()
        self._taken = 0.0
        self._thread: str | None = None

    def acquire(self, run: str | None, thread: str | None = None) -> None:
        """Lease the episode to the run with this token (a new one if None). Busy if another run is playing.

        `thread`: the server's thread that the run is on, if any. A server plays the runs of a thread one after the
        other: a second one on the same thread means that the first has ended, perhaps cancelled between two nodes.
        """
        with self._lock:
            now = time.monotonic()
            over = thread is not None and thread == self._thread
            if self.run is not None and run != self.run and not over and now - self._taken < self._patience_s:
                raise Busy(
                    f"{self._episode} is in use by another run: wait for its end, or start a new thread for another "
                    "episode."
                )
            self.run = run or uuid.uuid4().hex
            self._thread = thread
            self._taken = now

    def release(self) -> None:
        """End the lease, with the run."""
        self.run = None

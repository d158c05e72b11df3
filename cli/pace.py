"""Stepping an episode: play, pause, single step, delay; one run of the inner agent's graph per world step."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Coroutine
from typing import Any

from cli.watched import Row, Watched
from graphs.evaluation.episode import raise_limited, step_config
from graphs.inner_agent import graph
from graphs.inner_agent.state import Input

DELAYS = (0.0, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0)
"""Seconds between two steps that the keys choose from."""


class Pace:
    """When the episode may go on."""

    def __init__(self, delay_s: float) -> None:
        self.delay_s = delay_s
        self.paused = False
        self._stepping = False
        self._changed = asyncio.Event()

    @property
    def held(self) -> bool:
        """Whether nothing may happen now."""
        return self.paused and not self._stepping

    def toggle(self) -> None:
        """Pause, or play on."""
        self.paused = not self.held
        self._stepping = False
        self._changed.set()

    def step(self) -> None:
        """Play to the end of this step, or one more step, then pause."""
        self.paused = self._stepping = True
        self._changed.set()

    def faster(self) -> None:
        """The next shorter delay."""
        self.delay_s = max((delay for delay in DELAYS if delay < self.delay_s), default=0.0)
        self._changed.set()

    def slower(self) -> None:
        """The next longer delay."""
        self.delay_s = min((delay for delay in DELAYS if delay > self.delay_s), default=self.delay_s)
        self._changed.set()

    def end_step(self) -> None:
        """A step has been played."""
        self._stepping = False

    async def hold(self) -> None:
        """Wait while paused."""
        while self.held:
            self._changed.clear()
            await self._changed.wait()

    async def rest(self) -> None:
        """Wait between two steps; a pause or a single step ends the wait, another delay changes it."""
        began = time.monotonic()
        while not self.paused and (left := began + self.delay_s - time.monotonic()) > 0:
            self._changed.clear()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._changed.wait(), left)


async def play_steps(watched: Watched, pace: Pace, on_rows: Callable[[list[Row]], None], steps: int | None) -> None:
    """Play on, at most `steps` world steps; `on_rows` is called after every event with the rows it added.

    The graph is pulled event by event: while `pace` holds, it does not move, and no model is asked. Cancelled, the
    episode is at its last complete step. Raises the machine's failures and CeilingReached.
    """
    session = watched.session
    given = Input(episode=str(session.folder.path), steps=1)
    played = 0
    while not session.position.over and played != steps:
        await pace.hold()
        step = session.position.step
        stream: Any = graph.astream(given, step_config(session), stream_mode=["custom", "updates"])
        with session.untraced():
            async with contextlib.aclosing(stream) as events:
                async for mode, data in events:
                    on_rows(watched.take(mode, data))
                    for update in data.values() if mode == "updates" else ():
                        raise_limited(update or {})
                    if session.position.step == step:  # once the action is sent, a step is not held up half way
                        await pace.hold()
                    watched.going_on()
        played += 1
        pace.end_step()
        on_rows([])
        if not session.position.over and played != steps:
            await pace.rest()


class Leaving:
    """Whether the player is to be left, by a key or a signal."""

    def __init__(self) -> None:
        self.asked = asyncio.Event()

    def leave(self, _: int = 0) -> None:
        """End as soon as possible; takes a signal's number, too."""
        self.asked.set()

    async def unless_left(self, playing: Coroutine[Any, Any, None]) -> bool:
        """Run `playing` until it ends (True; its error is raised) or someone leaves (False; it is cancelled)."""
        return await first_of(playing, self._until_left()) == 0

    async def _until_left(self) -> None:
        await self.asked.wait()


async def first_of(*running: Coroutine[Any, Any, None]) -> int:
    """Run all until one has ended and return which, or raise its error; the others are cancelled."""
    tasks = [asyncio.ensure_future(one) for one in running]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        ended = next(index for index, task in enumerate(tasks) if task.done())
        tasks[ended].result()
        return ended
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

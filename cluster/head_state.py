"""An episode on its way to a worker, and a worker with what it plays, as the head knows them."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
from collections.abc import Callable
from dataclasses import dataclass, field

from chat_models.keys import new_context
from cluster.ray_workers import WorkerHandle, WorkerLost
from graphs.evaluation.episode import EpisodePart, Progress
from graphs.settings import EpisodeSettings
from graphs.spending import Amounts
from traces import EpisodeFolder, EpisodeResult


@dataclass(eq=False)
class PendingEpisode:
    """An episode to be played by a worker."""

    number: int
    settings: EpisodeSettings
    folder: EpisodeFolder
    report: Callable[[Progress], None]
    budget: int
    part: EpisodePart | None
    future: asyncio.Future[EpisodeResult]
    context: contextvars.Context = field(default_factory=contextvars.copy_context)
    """Of the call, in which it is reported: LangGraph finds a graph's stream by it."""
    counted: Amounts = field(default_factory=dict)
    deaths: int = 0
    withdrawn: bool = False
    """It is to be given back, and its call was cancelled."""
    moving: bool = False
    """It is to be given back, and to go to another worker."""

    def show(self, progress: Progress) -> None:
        """Report an event to the call."""
        self.context.run(self.report, progress)


@dataclass(eq=False)
class AssignedWorker:
    """A worker and what it plays."""

    handle: WorkerHandle
    episodes: dict[int, PendingEpisode] = field(default_factory=dict)
    to_send: list[PendingEpisode] = field(default_factory=list)
    to_withdraw: set[int] = field(default_factory=set)
    packages: set[str] = field(default_factory=set)
    """Keys of those it has."""
    pump: asyncio.Task[None] | None = None
    waking: asyncio.Task[None] | None = None

    def wake(self) -> None:
        """Let the call under way return, so that the next one brings what is to be sent."""
        if self.waking is None or self.waking.done():
            self.waking = asyncio.get_running_loop().create_task(_woken(self.handle), context=new_context())


async def _woken(handle: WorkerHandle) -> None:
    with contextlib.suppress(WorkerLost):
        await handle.call("wake")

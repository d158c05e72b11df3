"""PLAY: the plan's episodes side by side in one event loop, their progress streamed as custom events."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Any

from langgraph.config import get_stream_writer

from graphs.evaluation.episode import play_episode
from graphs.evaluation.state import Episode, State
from graphs.inner_agent.ceilings import Spending, parse_ceilings
from graphs.inner_agent.context import EpisodeSettings
from traces import EpisodeResult, RunFolder
from traces.results import result_to_plain

CONCURRENCY = 10
"""Episodes side by side unless told otherwise: the protocol's ten seeds at once."""


async def play(state: State) -> dict[str, Any]:
    """Play every episode of the plan; an unforeseen error in one is raised only after the others have ended."""
    slots = asyncio.Semaphore(state.get("concurrency") or CONCURRENCY)
    report = get_stream_writer()
    run = Spending(parse_ceilings(state.get("ceilings")), "run", began=time.monotonic())

    async def one(episode: Episode) -> EpisodeResult:
        settings = EpisodeSettings(**{**state["settings"], **episode})
        folder = RunFolder(Path(state["out"])).episode(settings.world, settings.task, settings.seed)
        async with slots:
            if state.get("new_attempts") and folder.failure.exists():
                await asyncio.to_thread(folder.set_attempt_aside)
            return await play_episode(settings, folder, report, run)

    ended = await asyncio.gather(*(one(episode) for episode in state["plan"]), return_exceptions=True)
    results: list[dict[str, Any]] = []
    for result in ended:
        if isinstance(result, BaseException):
            raise result
        results.append(result_to_plain(result))
    return {"results": results}


def play_sync(state: State) -> dict[str, Any]:
    """The same for `graph.invoke`, which has no event loop of its own."""
    return asyncio.run(play(state))

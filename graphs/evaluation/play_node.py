"""PLAY: the plan's episodes side by side in one event loop, their progress streamed as custom events."""

from __future__ import annotations

import asyncio
import fcntl
import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from langgraph.config import get_stream_writer

from graphs.errors import OUR_ERRORS
from graphs.evaluation.episode import play_episode, unopened
from graphs.evaluation.state import CONCURRENCY, Episode, State
from graphs.inner_agent.ceilings import Spending, parse_ceilings
from graphs.inner_agent.context import EpisodeSettings, SettingsError
from traces import EpisodeFolder, EpisodeResult, Failure, RunFolder, read_result
from traces.folders import disk_failures
from traces.results import result_to_plain
from worlds import MissingEngine

logger = logging.getLogger(__name__)


async def play(state: State) -> dict[str, Any]:
    """Play every episode of the plan. What breaks one, even a fault of our own, leaves the others playing."""
    slots = asyncio.Semaphore(state.get("concurrency") or CONCURRENCY)
    report = get_stream_writer()
    run = Spending(parse_ceilings(state.get("ceilings")), "run", began=time.monotonic())

    def place(episode: Episode) -> tuple[EpisodeSettings, EpisodeFolder]:
        settings = EpisodeSettings(**{**state["settings"], **episode})
        return settings, RunFolder(Path(state["out"])).episode(settings.world, settings.task, settings.seed)

    async def one(episode: Episode) -> EpisodeResult:
        settings, folder = place(episode)
        async with slots:
            if state.get("new_attempts") and await asyncio.to_thread(_without_score, folder):
                await asyncio.to_thread(folder.set_attempt_aside)
            return await play_episode(settings, folder, report, run)

    with disk_failures(), alone(Path(state["out"])):
        ended = await asyncio.gather(*(one(episode) for episode in state["plan"]), return_exceptions=True)
    results: list[dict[str, Any]] = []
    for episode, result in zip(state["plan"], ended, strict=True):
        if isinstance(result, EpisodeResult):
            results.append(result_to_plain(result))
        elif isinstance(result, MissingEngine):
            failure = Failure(where="world", kind="missing", sentence=str(result), step=0)
            results.append(result_to_plain(await asyncio.to_thread(unopened, *place(episode), failure)))
        elif isinstance(result, Exception) and not isinstance(result, OUR_ERRORS):
            results.append(result_to_plain(await asyncio.to_thread(broken, *place(episode), result)))
        else:
            raise result
    return {"results": results}


def _without_score(folder: EpisodeFolder) -> bool:
    result = read_result(folder, content=True)
    return result is not None and not result.scored


def broken(settings: EpisodeSettings, folder: EpisodeFolder, error: Exception) -> EpisodeResult:
    """The result of an episode that a fault of ours ended: a failure like any other in the scores."""
    logger.error("a fault in our own code ended %s seed %s", settings.task, settings.seed, exc_info=error)
    sentence = f"{type(error).__name__}: {error} (a fault in our own code; the log has its traceback)"
    return unopened(settings, folder, Failure(where="bug", kind=type(error).__name__, sentence=sentence, step=0))


@contextmanager
def alone(run: Path) -> Iterator[None]:
    """Hold the run for this process. SettingsError if another one is playing it."""
    with (run / "run.json").open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise SettingsError(f"Another process is playing {run}: wait for its end, or give another `out`.") from None
        yield


def play_sync(state: State) -> dict[str, Any]:
    """The same for `graph.invoke`, which has no event loop of its own."""
    return asyncio.run(play(state))

"""Play one evaluation of a run, its progress among the run's events."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from langgraph.config import get_stream_writer

from graphs.curator.events import tell
from graphs.curator.measures import measures
from graphs.curator.players import make_servable, specialist_of
from graphs.curator.prices import priced
from graphs.curator.specialization import Specialization
from graphs.curator.spending import left_for, raise_reached
from graphs.evaluation.episode import Progress
from graphs.evaluation.playing import Work, broken_off, finished, play_whole
from graphs.evaluation.scores import read_scores
from graphs.inner_agent.context import Context
from traces import RunFolder
from traces.summary import mean_and_error


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """What is to be played."""

    name: str
    """For people: "2a", "final specialist"."""
    out: RunFolder
    seeds: list[int]
    model: str
    context: Context
    adapter: Path | None = None
    """Of the specialist that plays, if one does: its server is to answer for it."""


def by_specialist(run: Specialization, name: str, adapter: Path, out: RunFolder, seeds: list[int]) -> Evaluation:
    """The evaluation of a specialist: it keeps the memory, the gameplay model commits the actions."""
    model, context = specialist_of(run.base, adapter), run.context.evaluating(run.gameplay)
    return Evaluation(name=name, out=out, seeds=seeds, model=model, context=context, adapter=adapter)


async def evaluate(run: Specialization, what: Evaluation) -> None:
    """Play what is not played yet. CeilingReached where the budget ended it, Halted where the machine failed it.

    TrainingError or TrainingFailure where a specialist's server does not take it.
    """
    if await asyncio.to_thread(finished, what.out):
        return
    if what.adapter is not None:
        await asyncio.to_thread(make_servable, run.base, what.adapter, run.context.base_url)
    episodes = len(run.pairs(what.seeds))
    tell("playing", name=what.name, episodes=episodes, who=[what.model, what.context.gameplay_model])
    report = get_stream_writer()

    def told(progress: Progress) -> None:
        report({"event": "episode", "name": what.name, "progress": progress})

    work = Work(
        name=what.name,
        given=run.evaluation(what.out, what.seeds, what.model),
        context=await asyncio.to_thread(priced, run, what.context, what.model),
        ceilings=lambda: left_for(run, what.out),
        metadata={"run": str(run.folder.path), "evaluation": what.name},
    )
    await play_whole(work, told)
    if await asyncio.to_thread(broken_off, what.out):
        await asyncio.to_thread(raise_reached, run)
    tell("played", name=what.name, **await asyncio.to_thread(figures, run, what.out, what.seeds))


def figures(run: Specialization, out: RunFolder, seeds: list[int]) -> dict[str, Any]:
    """Mean and standard error of progression in [0, 1], failures as 0, and the measures."""
    scores = read_scores(out, run.pairs(seeds))
    found = mean_and_error(list(scores.values()))
    return {
        "mean": found["mean"],
        "standard_error": found["se"],
        "episodes": len(scores),
        "measures": measures(out),
    }

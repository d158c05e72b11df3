"""The evaluation of a scaffold and its models as a LangGraph graph: prepare → play → summarise.

`prepare` checks everything and writes run.json, `play` runs the episodes side by side (each world step is a run of the
inner agent), `summarise` writes summary.json.
"""

from __future__ import annotations

import asyncio
import dataclasses
import logging
import time
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from langchain_core.runnables import RunnableLambda
from langgraph.config import get_stream_writer
from langgraph.graph import END, START, StateGraph
from langgraph.runtime import Runtime

from graphs.checked_graph import CheckedGraph
from graphs.evaluation.episode import complete, unopened, waiting
from graphs.evaluation.player import player
from graphs.evaluation.state import CONCURRENCY, Episode, Input, Output, State
from graphs.inner_agent.opening import check_first, probe
from graphs.inner_agent.run_file import begin_run, check_place, check_vacant
from graphs.run_lock import run_lock
from graphs.settings import (
    OUR_ERRORS,
    Context,
    EpisodeSettings,
    SettingsError,
    check_input,
    check_least,
    check_tasks_of,
    episode_settings,
)
from graphs.spending import Spending, check_prices, parse_ceilings, read_prices
from scaffolds import Scaffold
from traces import EpisodeFolder, EpisodeResult, Failure, RunFolder, read_result, write_summary
from traces.folders import disk_failures
from traces.results import result_from_plain, result_to_plain
from worlds import MissingEngine, world_entry


def prepare(state: State, runtime: Runtime[Context]) -> dict[str, object]:
    """The plan: every task with every seed. Raises our errors: settings, scaffold, world, model, folder in use."""
    with disk_failures():
        return _prepared(state, runtime.context)


def _prepared(state: State, context: Context | None) -> dict[str, object]:
    check_input(Input, state)
    if not state["out"].strip():
        raise SettingsError("The input out must name a folder, not be empty.")
    if state.get("concurrency") is not None:
        check_least(state, concurrency=1)
    entry = world_entry(state["world"])
    tasks = list(state.get("tasks") or entry.tasks)
    seeds = list(state.get("seeds") or entry.seeds)
    plan = [Episode(task=task, seed=seed) for task in tasks for seed in seeds]
    check_tasks_of(entry, tasks)
    settings = episode_settings({**state, **plan[0]}, context)
    scaffold = check_tasks(settings, tasks)
    probe(settings)
    models = {settings.model, settings.gameplay_model or settings.model}
    check_prices(parse_ceilings(state.get("ceilings")), read_prices(settings.prices), models)
    check_place(state["out"])
    run = RunFolder(Path(state["out"]))
    if not run.run.exists():
        check_vacant(run.path, "run", unfinished=f"{run.run.name}.tmp")
    if run.run.exists() and not state.get("resume"):
        raise SettingsError(f"{run.path} holds a run already: give `resume` to go on with it, or another `out`.")
    max_steps = settings.max_steps or entry.max_steps
    effective = {"effective_max_steps": max_steps, "effective_dialect": settings.dialect or scaffold.settings.dialect}
    plan_kept = {"world": entry.name, "tasks": tasks, "seeds": seeds, "protocol": state.get("protocol"), **effective}
    begin_run(run, settings, scaffold.digest, **plan_kept)
    common = dataclasses.asdict(settings)
    return {"plan": plan, "settings": common, "results": []}


def check_tasks(settings: EpisodeSettings, tasks: list[str]) -> Scaffold:
    """Check with the first task that can be played; those that cannot (levels missing, say) fail one by one later."""
    scaffold = check_first(settings, tasks)
    player().check(settings, tasks)
    return scaffold


logger = logging.getLogger(__name__)


async def play(state: State) -> dict[str, Any]:
    """Play every episode of the plan. What breaks one, even a fault of our own, leaves the others playing."""
    slots = asyncio.Semaphore(state.get("concurrency") or CONCURRENCY)
    report = get_stream_writer()
    run = Spending(parse_ceilings(state.get("ceilings")), "run", began=time.monotonic())
    turns: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)  # in the order of the plan
    before: dict[str, EpisodeResult] = {}

    def place(episode: Episode) -> tuple[EpisodeSettings, EpisodeFolder]:
        settings = EpisodeSettings(**{**state["settings"], **episode})
        return settings, RunFolder(Path(state["out"])).episode(settings.world, settings.task, settings.seed)

    async def one(episode: Episode) -> EpisodeResult:
        if state["settings"].get("arm") != "persisted":
            return await played(episode)
        task = episode["task"]
        async with turns[task]:
            earlier = before.get(task)
            if earlier is None or complete(earlier):
                before[task] = await played(episode)
            else:
                before[task] = await asyncio.to_thread(waiting, *place(episode), earlier)
            return before[task]

    async def played(episode: Episode) -> EpisodeResult:
        settings, folder = place(episode)
        async with slots:
            if state.get("new_attempts") and await asyncio.to_thread(_without_score, folder):
                await asyncio.to_thread(folder.set_attempt_aside)
            return await player().play(settings, folder, report, run)

    with run_lock(Path(state["out"]), "run.json"):
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
    """The result of an episode that a fault of ours ended: a failure like any other in the scores.

    What the system refused (files, memory, processes) is the machine's failure, and may be played again.
    """
    if isinstance(error, (OSError, MemoryError)):
        sentence = f"The system failed it: {type(error).__name__}: {error}"
        return unopened(settings, folder, Failure(where="system", kind=type(error).__name__, sentence=sentence, step=0))
    logger.error("a fault in our own code ended %s seed %s", settings.task, settings.seed, exc_info=error)
    sentence = f"{type(error).__name__}: {error} (a fault in our own code; the log has its traceback)"
    return unopened(settings, folder, Failure(where="bug", kind=type(error).__name__, sentence=sentence, step=0))


def play_sync(state: State) -> dict[str, Any]:
    """The same for `graph.invoke`, which has no event loop of its own."""
    return asyncio.run(play(state))


def summarise(state: State) -> dict[str, Any]:
    """Aggregate the results and write summary.json."""
    results = [result_from_plain(result) for result in state["results"]]
    with disk_failures():
        summary = write_summary(RunFolder(Path(state["out"])), results)
    return {"summary": summary, **outcome(results)}


def outcome(results: Sequence[EpisodeResult]) -> dict[str, str | None]:
    """The fields `status` and `reason` of `state.Output`."""
    failed = [one.failure.sentence for one in results if one.failure is not None]
    limited = [one.end_reason for one in results if one.status == "limited"]
    status = "failed" if failed else "limited" if limited else "finished"
    return {"status": status, "reason": next(iter([*failed, *limited]), None)}


def build() -> StateGraph[State, Context, Input, Output]:
    """The graph, not yet compiled."""
    builder = StateGraph(State, context_schema=Context, input_schema=Input, output_schema=Output)
    builder.add_node("prepare", prepare)
    builder.add_node("play", RunnableLambda(play_sync, afunc=play, name="play"))
    builder.add_node("summarise", summarise)
    builder.add_edge(START, "prepare")
    builder.add_edge("prepare", "play")
    builder.add_edge("play", "summarise")
    builder.add_edge("summarise", END)
    return builder


graph = CheckedGraph.of(build().compile(name="evaluation"))

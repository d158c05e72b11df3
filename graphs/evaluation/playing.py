"""An evaluation as a part of an outer loop: started, continued, or found finished."""

from __future__ import annotations

import asyncio
import contextvars
import time
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from chat_models.keys import new_context
from graphs.evaluation.episode import Progress, may_pass, players_own
from graphs.evaluation.graph import graph as evaluation
from graphs.evaluation.state import Input
from graphs.settings import Context, read_rules
from graphs.spending import Amounts, Budgets, CeilingReached, add_minutes, left_of, raise_reached, reached
from traces import RunFolder, read_result
from traces.plain_json import read_file

PLAYED_ON = 3
"""Times that episodes which a server failed are played on before the loop halts; each of their calls was already
repeated `Context.attempts` times."""


class Halted(RuntimeError):
    """The machine failed an outer loop: nothing was decided, and the loop can be resumed."""


@dataclass(frozen=True, kw_only=True)
class EvaluationJob:
    """What to play, by whom and where."""

    name: str
    """For people: "v1.a2", "final specialist"."""
    given: Input
    context: Context
    budgets: Callable[[], Budgets]
    """What may be spent on it, read before each try."""
    metadata: dict[str, str] = field(default_factory=dict)
    """For LangSmith."""

    @property
    def out(self) -> RunFolder:
        """Its run folder."""
        return RunFolder(Path(self.given["out"]))


async def play_whole(job: EvaluationJob, report: Callable[[Progress], None]) -> dict[str, Any]:
    """Play what is not played yet; the summary.

    CeilingReached where a budget is spent before it is whole; Halted where the machine failed an episode and playing
    on did not help; our errors. An episode's own ceiling is in the summary (`n_limited`).
    """
    failed: list[Mapping[str, Any]] = []
    for _ in range(PLAYED_ON):
        ceilings = await asyncio.to_thread(lambda: left_of(job.budgets(), job.out))
        began = time.monotonic()
        try:
            await _play(job, ceilings, report)
        finally:
            await asyncio.to_thread(add_minutes, job.out, time.monotonic() - began)
        failed = await asyncio.to_thread(machine_failures, job.out)
        if not failed or not all(map(may_pass, failed)):
            break
    if failed:
        raise Halted(f"{job.name} could not be played: {failed[0]['sentence']}")
    if await asyncio.to_thread(broken_off, job.out):
        raise_reached(await asyncio.to_thread(job.budgets))
    return await asyncio.to_thread(summary, job.out)


async def play_in_loop(
    job: EvaluationJob, report: Callable[[Progress], None], pairs: Iterable[tuple[str, int]]
) -> None:
    """`play_whole` for a job that an outer loop recorded, of episodes of these tasks and seeds.

    One that is whole but for episodes that their own ceilings ended stays so where nothing is left to spend on them.
    """
    try:
        await play_whole(job, report)
    except CeilingReached:
        if not await asyncio.to_thread(_has_all, job, pairs):
            raise


def nothing_left(job: EvaluationJob, pairs: Iterable[tuple[str, int]]) -> bool:
    """Whether playing on changes nothing: it is finished, or each episode ended by a bound of its own that still holds,
    or there is nothing to spend on those. CeilingReached where there is nothing to spend on what is not played."""
    if finished(job.out):
        return True
    whole = _has_all(job, pairs)
    try:
        left_of(job.budgets(), job.out)
    except CeilingReached:
        if not whole:
            raise
        return True
    limited = [one for one in summary(job.out)["episodes"] if one["status"] == "limited"] if whole else []
    return whole and all(_holds(str(one["end_reason"]), job.context) for one in limited)


def _has_all(job: EvaluationJob, pairs: Iterable[tuple[str, int]]) -> bool:
    """Whether every episode has ended, by its end or by a bound of its own."""
    episodes = [job.out.episode(job.given["world"], task, seed) for task, seed in pairs]
    return played_whole(job.out) and all(map(read_result, episodes))


def _holds(end_reason: str, context: Context) -> bool:
    """Whether the bound that ended an episode is one of the context's. One of money may have other prices now."""
    ceilings = {name: limit for name, limit in context.ceilings.items() if name != "cost"}
    if end_reason in {reached("episode", name, limit) for name, limit in ceilings.items()}:
        return True
    return any(end_reason.startswith(f"the rule {rule} holds") for rule in read_rules(context.stop_when))


def finished(run: RunFolder) -> bool:
    """Whether there is nothing to play on: every episode ended, or failed by the doing of what was played."""
    return run.summary.exists() and not machine_failures(run) and not summary(run)["n_limited"]


def played_whole(run: RunFolder) -> bool:
    """Whether there are scores to judge by: neither the machine nor a ceiling of the whole evaluation broke it off."""
    return run.summary.exists() and not machine_failures(run) and not broken_off(run)


def broken_off(run: RunFolder) -> bool:
    """Whether a ceiling of the whole evaluation ended it. Any other ceiling is each episode's own, the same for all."""
    return any(str(one["end_reason"]).startswith("the run's ceiling") for one in summary(run)["episodes"])


def summary(run: RunFolder) -> dict[str, Any]:
    """The content of its summary.json."""
    found: dict[str, Any] = read_file(run.summary)
    return found


def failures(ended: Mapping[str, Any]) -> list[tuple[str, Mapping[str, Any]]]:
    """Task and cause of each episode of a summary that failed or is damaged; it counts 0."""
    unknown = {"where": "?", "kind": "?", "sentence": "no cause was recorded", "step": 0}
    broken = [*ended["failed_episodes"], *ended.get("damaged_episodes", [])]
    return [(one["task"], one["cause"] or unknown) for one in broken]


def machine_failures(run: RunFolder) -> list[Mapping[str, Any]]:
    """The causes of the episodes that the machine failed, or whose files are damaged."""
    return [cause for _, cause in failures(summary(run)) if not players_own(cause)]


async def _play(job: EvaluationJob, ceilings: Amounts, report: Callable[[Progress], None]) -> None:
    """One run of the evaluation graph, a root run of its own in LangSmith."""
    here = contextvars.copy_context()

    async def run() -> None:
        config: Any = {"run_name": f"{job.name} evaluation", "metadata": job.metadata}
        given = Input(**{**job.given, "resume": True, "ceilings": ceilings})
        events: AsyncIterator[Any] = evaluation.astream(given, config, context=job.context, stream_mode="custom")
        async for event in events:
            here.run(report, event)

    # In a context of its own it does not take our checkpointer for its own.
    await asyncio.create_task(run(), context=new_context())

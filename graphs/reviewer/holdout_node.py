"""HOLDOUT: the start and the best version on seeds that neither reviewer nor gate has ever seen: the final table."""

from __future__ import annotations

import asyncio
from typing import Any, Literal

from langgraph.types import Command

from graphs.evaluation.paired import pair_up
from graphs.evaluation.scores import read_scores
from graphs.evaluation.spending import spent_playing
from graphs.reviewer import lineage
from graphs.reviewer.budget import BudgetReached
from graphs.reviewer.evaluating import Work, evaluate, figures
from graphs.reviewer.events import tell
from graphs.reviewer.lineage import LineageRecord
from graphs.reviewer.position import position
from graphs.reviewer.search import Search, read_search
from graphs.reviewer.state import State
from graphs.reviewer.verdict_text import held_words

ERROR = 0.05
"""Probability with which an end of the interval on the hold-out seeds may be wrong: it is looked at once."""


async def holdout(state: State) -> Command[Literal["finish"]]:
    """Play both, if there are hold-out seeds."""
    search = await asyncio.to_thread(read_search, state["out"])
    best = (await asyncio.to_thread(position, search)).incumbent.version or 0
    rows = []
    for version in sorted({0, best}) if search.holdout_seeds else []:
        work = Work(
            name=f"holdout v{version}",
            scaffold=search.folder.version(version),
            out=search.folder.holdout(version),
            seeds=search.holdout_seeds,
        )
        try:
            crashed = await evaluate(search, work)
        except BudgetReached as reached:
            why = f"{state['reason']} The hold-out seeds were not played to their end: {reached}."
            return Command(goto="finish", update={"reason": why, "status": "limited"})
        rows.append(await asyncio.to_thread(_record, search, version, crashed))
    if rows:
        tell("holdout", rows=rows)
    return Command(goto="finish")


def _record(search: Search, version: int, crashed: str | None) -> dict[str, object]:
    run = search.folder.holdout(version)
    measured = figures(search, run, search.holdout_seeds)
    held = gained(search, version) if version and not crashed else None
    record = LineageRecord(
        name=f"holdout v{version}",
        kind="holdout",
        parent=f"v{version}",
        status="crashed" if crashed else "measured",
        reason=crashed or (held_words(held) if held else ""),
        scaffold=search.folder.relative(search.folder.version(version)),
        evaluation=search.folder.relative(run.path),
        **measured,
        verdict=held,
        spent={"player": spent_playing([run])},
    )
    lineage.append(search.folder.path, record)
    return {"version": version, **measured, "reason": record.reason}


def gained(search: Search, version: int) -> dict[str, Any]:
    """How far a version is from the start on the hold-out seeds, seed by seed."""
    pairs = search.pairs(search.holdout_seeds)
    before, after = (read_scores(search.folder.holdout(one), pairs) for one in (0, version))
    held = pair_up(before, after, error=ERROR, seed=search.seed)
    found = {"mean_difference": held.mean_difference, "interval": list(held.interval), "chance": held.chance}
    return {**found, "confidence": 1 - ERROR}

"""EVALUATE_START: the start on the gate seeds: what the first candidate has to beat."""

from __future__ import annotations

import asyncio
from typing import Literal

from langgraph.types import Command

from graphs.evaluation.spending import spent_playing
from graphs.reviewer import lineage
from graphs.reviewer.budget import BudgetReached
from graphs.reviewer.evaluating import Work, evaluate, figures
from graphs.reviewer.failures import SearchHalted
from graphs.reviewer.lineage import LineageRecord
from graphs.reviewer.search import Search, read_search
from graphs.reviewer.state import State


async def evaluate_start(state: State) -> Command[Literal["next_attempt", "finish"]]:
    """Play the start, once. SearchHalted if it cannot be played at all: there is nothing to compare with then."""
    search = await asyncio.to_thread(read_search, state["out"])
    # Not: if there is no record. One that a budget ended has the end in its lineage, and no start.
    if lineage.best(await asyncio.to_thread(lineage.read, search.folder.path)) is None:
        start = search.folder.version(0)
        try:
            crashed = await evaluate(
                search, Work(name="v0", scaffold=start, out=search.folder.start, seeds=search.seeds)
            )
        except BudgetReached as reached:
            return Command(goto="finish", update={"reason": f"{reached}.", "status": "limited"})
        if crashed:
            raise SearchHalted(f"The start scaffold cannot be played, so nothing can be compared: {crashed}")
        await asyncio.to_thread(_record, search)
    return Command(goto="next_attempt")


def _record(search: Search) -> None:
    record = LineageRecord(
        name="v0",
        kind="start",
        version=0,
        status="start",
        scaffold=search.folder.relative(search.folder.version(0)),
        evaluation=search.folder.relative(search.folder.start.path),
        **figures(search, search.folder.start, search.seeds),
        spent={"player": spent_playing([search.folder.start])},
    )
    lineage.append(search.folder.path, record)

"""EVALUATE: the candidate on the gate seeds, by the same model as the version it has to beat."""

from __future__ import annotations

import asyncio
from typing import Literal

from langgraph.types import Command

from graphs.reviewer.budget import BudgetReached
from graphs.reviewer.check_node import checks, digest_of
from graphs.reviewer.evaluating import Work
from graphs.reviewer.evaluating import evaluate as play
from graphs.reviewer.over_budget import over_budget
from graphs.reviewer.search import read_search
from graphs.reviewer.state import State


async def evaluate(state: State) -> Command[Literal["gate", "check", "settle", "finish"]]:
    """Play the candidate, unless that is done. Files that are not those that were checked are not played."""
    search = await asyncio.to_thread(read_search, state["out"])
    folder = search.folder.attempt(state["attempt"])
    if await asyncio.to_thread(digest_of, folder) != (await asyncio.to_thread(checks, folder))[-1]["digest"]:
        if not folder.evaluation.run.exists():
            return Command(goto="check")
        why = "Its files were changed while it was being evaluated."
        return Command(goto="settle", update={"status": "crashed", "reason": why})
    work = Work(
        name=state["attempt"],
        scaffold=folder.candidate,
        out=folder.evaluation,
        seeds=search.seeds,
        attempt=folder,
        whole_only=False,
    )
    try:
        crashed = await play(search, work)
    except BudgetReached as reached:
        return over_budget(reached)
    if crashed:
        return Command(goto="settle", update={"status": "crashed", "reason": crashed})
    return Command(goto="gate")

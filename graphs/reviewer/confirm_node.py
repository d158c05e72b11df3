"""CONFIRM: seeds that nobody has seen, drawn for this attempt alone, and both scaffolds played on them."""

from __future__ import annotations

import asyncio
from typing import Literal

from langgraph.types import Command

from graphs.reviewer.budget import BudgetReached
from graphs.reviewer.evaluating import Work, evaluate
from graphs.reviewer.judging import incumbent_of
from graphs.reviewer.over_budget import over_budget
from graphs.reviewer.position import fresh_seeds, scaffold_of
from graphs.reviewer.search import read_search
from graphs.reviewer.state import State


async def confirm(state: State) -> Command[Literal["gate", "settle", "finish"]]:
    """Play the incumbent, then the candidate. Their run.json records the seeds; no reviewer is shown these runs."""
    search = await asyncio.to_thread(read_search, state["out"])
    name = state["attempt"]
    folder = search.folder.attempt(name)
    incumbent = await asyncio.to_thread(incumbent_of, search, name)
    for who, scaffold in (("incumbent", scaffold_of(search, incumbent)), ("candidate", folder.candidate)):
        work = Work(
            name=f"{name} fresh {who}",
            scaffold=scaffold,
            out=folder.fresh(who),
            seeds=fresh_seeds(search, name),
            attempt=folder,
            whole_only=False,
        )
        try:
            crashed = await evaluate(search, work)
        except BudgetReached as reached:
            return over_budget(reached)
        if crashed:
            why = f"On fresh seeds the {who} broke: {crashed}"
            return Command(goto="settle", update={"status": "crashed", "reason": why})
    return Command(goto="gate")

"""BASELINE: the untrained base in the specialist's place, through the same handoff: what trainings are held up to."""

from __future__ import annotations

import asyncio
from typing import Literal

from langgraph.types import Command

from graphs.curator.evaluating import Evaluation, evaluate
from graphs.curator.position import BASE
from graphs.curator.recording import append, progression
from graphs.curator.specialization import read_specialization
from graphs.curator.state import State
from graphs.inner_agent.ceilings import CeilingReached
from training.ledger import LedgerEntry


async def baseline(state: State) -> Command[Literal["next_iteration", "finish"]]:
    """Play it on the validation seeds; the ledger's first line."""
    run = await asyncio.to_thread(read_specialization, state["out"])
    out = run.folder.baseline
    context = run.context.evaluating(run.gameplay)
    what = Evaluation(name="base", out=out, seeds=run.validation_seeds, model=run.base, context=context)
    try:
        await evaluate(run, what)
    except CeilingReached as reached:
        return Command(goto="finish", update={"reason": f"{reached}.", "status": "limited"})
    entry = LedgerEntry(
        run="base",
        iteration=0,
        role=BASE,
        artifacts={"evaluation": run.folder.relative(out.path)},
        **await asyncio.to_thread(progression, run, out, run.validation_seeds),
    )
    await asyncio.to_thread(append, run, entry)
    return Command(goto="next_iteration")

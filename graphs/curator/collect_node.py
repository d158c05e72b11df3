"""COLLECT: the training episodes, played alone by whoever's memory decisions are to be learned from."""

from __future__ import annotations

import asyncio
from typing import Literal

from langgraph.types import Command

from graphs.curator.evaluating import Evaluation, evaluate
from graphs.curator.specialization import read_specialization
from graphs.curator.state import State
from graphs.inner_agent.ceilings import CeilingReached


async def collect(state: State) -> Command[Literal["featurise", "finish"]]:
    """Play what is not played yet, on seeds that nothing else is played on."""
    run = await asyncio.to_thread(read_specialization, state["out"])
    what = Evaluation(
        name="collect",
        out=run.folder.collect,
        seeds=run.train_seeds,
        model=run.model,
        context=run.context.collecting(),
    )
    try:
        await evaluate(run, what)
    except CeilingReached as reached:
        return Command(goto="finish", update={"reason": f"{reached}.", "status": "limited"})
    return Command(goto="featurise")

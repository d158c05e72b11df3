"""EVALUATE: each specialist of the iteration with the gameplay model, on the validation seeds."""

from __future__ import annotations

import asyncio
from typing import Literal

from langgraph.types import Command

from graphs.curator.evaluating import by_specialist
from graphs.curator.evaluating import evaluate as play
from graphs.curator.folders import LETTERS
from graphs.curator.selected import recipe_of
from graphs.curator.specialization import read_specialization
from graphs.curator.state import State
from graphs.inner_agent.ceilings import CeilingReached


async def evaluate(state: State) -> Command[Literal["record", "finish"]]:
    """The specialist keeps LOG and the consulting half of PLAN; the gameplay model commits the action."""
    run = await asyncio.to_thread(read_specialization, state["out"])
    folder = run.folder.iteration(state["iteration"])
    recipe = await asyncio.to_thread(recipe_of, folder)
    for letter, _ in zip(LETTERS, recipe.configurations, strict=False):
        name, out = f"{state['iteration']}{letter}", folder.evaluation(letter)
        what = await asyncio.to_thread(by_specialist, run, name, folder.adapter(letter), out, run.validation_seeds)
        try:
            await play(run, what)
        except CeilingReached as reached:
            return Command(goto="finish", update={"reason": f"{reached}.", "status": "limited"})
    return Command(goto="record")

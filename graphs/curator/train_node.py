"""TRAIN: an adapter for each configuration of the recipe, one after the other, each in a process of its own."""

from __future__ import annotations

import asyncio
from typing import Literal

from langgraph.types import Command

from graphs.curator.certify_node import attempts, send_back
from graphs.curator.events import tell
from graphs.curator.folders import LETTERS, IterationFolder
from graphs.curator.selected import recipe_of
from graphs.curator.specialization import Specialization, read_specialization
from graphs.curator.spending import check_budget
from graphs.curator.state import State
from graphs.curator.training_process import train as run_training
from graphs.inner_agent.ceilings import CeilingReached
from traces.plain_json import write_file
from training.errors import TrainingError
from training.recipe import LoraConfiguration


async def train(state: State) -> Command[Literal["evaluate", "curate", "record", "finish"]]:
    """Train what is not trained yet. What the script refuses goes back to the curator, in the script's words."""
    run = await asyncio.to_thread(read_specialization, state["out"])
    folder = run.folder.iteration(state["iteration"])
    recipe = await asyncio.to_thread(recipe_of, folder)
    try:
        for letter, configuration in zip(LETTERS, recipe.configurations, strict=False):
            await asyncio.to_thread(check_budget, run)
            await train_one(run, f"{state['iteration']}{letter}", folder, letter, configuration)
    except CeilingReached as reached:
        return Command(goto="finish", update={"reason": f"{reached}.", "status": "limited"})
    except TrainingError as error:
        await asyncio.to_thread(_refuse, folder, str(error))
        tell("refused", iteration=state["iteration"], reason=str(error))
        return send_back(state, [str(error)])
    return Command(goto="evaluate")


async def train_one(
    run: Specialization, name: str, folder: IterationFolder, letter: str, configuration: LoraConfiguration
) -> None:
    """One training of a folder's dataset. TrainingError or TrainingFailure."""
    said = [f"rank {configuration.rank}, learning rate {configuration.learning_rate:g}"]
    tell("training", name=name, line=said[0])
    metrics = await run_training(
        run, folder.dataset, configuration, folder.adapter(letter), lambda line: tell("training", name=name, line=line)
    )
    tell(
        "trained",
        name=name,
        examples=metrics.dataset.rows.kept,
        first_loss=metrics.first_loss,
        last_loss=metrics.last_loss,
        steps=metrics.steps,
        seconds=metrics.seconds,
    )


def _refuse(folder: IterationFolder, sentence: str) -> None:
    """Note it with the round it belongs to, and set its adapters aside: the next round may train others there."""
    tries = attempts(folder)
    tries[-1]["refused"] = [sentence]
    write_file(folder.certified, tries)
    if folder.adapters.exists():
        folder.adapters.rename(folder.path / f"adapters-refused-{len(tries)}")

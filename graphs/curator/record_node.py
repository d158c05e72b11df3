"""RECORD: what an iteration came to goes into the ledger: a line for each training, or why there is none."""

from __future__ import annotations

from typing import Any, Literal

from langgraph.types import Command

from graphs.curator.folders import LETTERS, IterationFolder
from graphs.curator.position import NOTHING, SPECIALIST
from graphs.curator.recording import append, progression
from graphs.curator.selected import recipe_of, reused
from graphs.curator.specialization import Specialization, read_specialization
from graphs.curator.state import State
from training.ledger import LedgerEntry
from training.metrics import Metrics, read_metrics
from training.recipe import LoraConfiguration, Recipe


def record(state: State) -> Command[Literal["next_iteration"]]:
    """Write the lines of the iteration that is over."""
    run = read_specialization(state["out"])
    number = state["iteration"]
    if state["reason"]:
        append(run, LedgerEntry(run=str(number), iteration=number, role=NOTHING, note=state["reason"]))
        return Command(goto="next_iteration")
    folder = run.folder.iteration(number)
    recipe = recipe_of(folder)
    for letter, configuration in zip(LETTERS, recipe.configurations, strict=False):
        entry = LedgerEntry(
            run=f"{number}{letter}",
            iteration=number,
            role=SPECIALIST,
            data_source=_source(run, number, recipe),
            note=recipe.rationale,
            artifacts=_artifacts(run, folder, letter),
            **trained(folder, letter, configuration),
            **progression(run, folder.evaluation(letter), run.validation_seeds),
        )
        append(run, entry)
    return Command(goto="next_iteration")


def trained(folder: IterationFolder, letter: str, configuration: LoraConfiguration) -> dict[str, Any]:
    """The fields of a ledger's line that a training fills."""
    metrics = read_metrics(folder.adapter(letter))
    assert isinstance(metrics, Metrics), "a training that was evaluated has finished"
    return {
        "configuration": configuration,
        "examples": metrics.dataset.rows.kept,
        "first_loss": metrics.first_loss,
        "last_loss": metrics.last_loss,
        "tokens": metrics.tokens_seen,
        "seconds": metrics.seconds,
    }


def _source(run: Specialization, number: int, recipe: Recipe) -> str:
    if recipe.data.source == "reuse":
        return f"reuse of iteration {reused(run, number, recipe.data)}"
    return f"regenerate in iteration {number}"


def _artifacts(run: Specialization, folder: IterationFolder, letter: str) -> dict[str, str]:
    paths = {
        "dataset": folder.dataset,
        "adapter": folder.adapter(letter),
        "evaluation": folder.evaluation(letter).path,
        "selection": folder.path / "selection",
    }
    return {name: run.folder.relative(path) for name, path in paths.items()}

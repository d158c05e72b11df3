"""APPROVE: with --approve a person is asked before anything is trained; without, the way is free."""

from __future__ import annotations

from typing import Literal

from langgraph.types import Command

from graphs.asking import approved
from graphs.curator.certify_node import attempts
from graphs.curator.selected import recipe_of
from graphs.curator.specialization import read_specialization
from graphs.curator.state import State


def approve(state: State) -> Command[Literal["train", "record"]]:
    """Ask before an iteration's trainings. A refusal ends the iteration; its reason stands in the ledger."""
    run = read_specialization(state["out"])
    if not run.approve:
        return Command(goto="train")
    number = state["iteration"]
    folder = run.folder.iteration(number)
    recipe, found = recipe_of(folder), attempts(folder)[-1]
    facts = {
        "recipe": recipe.model_dump(mode="json"),
        "examples": found["examples"],
        "dropped": found["dropped"],
        "selection_logic": run.folder.relative(folder.path / "selection" / "selection_logic.md"),
    }
    yes, reason = approved(
        folder.answers,
        "train",
        f"{found['digest']}/{recipe.model_dump_json()}",
        f"Train iteration {number} of {run.iterations}?",
        f"{found['examples']} examples are trained on by this recipe, and the specialist is played.",
        "The iteration ends without a training; your reason is kept in the ledger, for the curator to read.",
        facts,
    )
    if yes:
        return Command(goto="train")
    why = f"A person refused to have it trained: {reason or 'no reason was given'}"
    return Command(goto="record", update={"reason": why})

"""APPROVE_FINAL: with --approve a person is asked before the seeds that were never played are played."""

from __future__ import annotations

from typing import Literal

from langgraph.types import Command

from graphs.asking import approved
from graphs.curator.position import winner
from graphs.curator.specialization import read_specialization
from graphs.curator.state import State


def approve_final(state: State) -> Command[Literal["final", "finish"]]:
    """Ask before the final table: seeds that were played once can never again be called unseen."""
    run = read_specialization(state["out"])
    best = winner(run)
    if not run.approve or best is None:
        return Command(goto="final")
    facts = {
        "winner": best.run,
        "validation_mean": best.mean,
        "recipe": best.note,
    }
    yes, reason = approved(
        run.folder.answers,
        "final",
        best.run,
        f"Play the final table on {len(run.final_seeds)} seeds that were never played?",
        "The winner and its controls are played on them; they can never be called unseen again.",
        "The run ends with the winner by validation, and the seeds stay unseen.",
        facts,
    )
    if yes:
        return Command(goto="final")
    why = f"{state['reason']} A person refused the final table: {reason or 'no reason was given'}"
    return Command(goto="finish", update={"reason": why})

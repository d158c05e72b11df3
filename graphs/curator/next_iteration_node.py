"""NEXT_ITERATION: what the ledger says is next: another recipe, or the final table."""

from __future__ import annotations

from typing import Literal

from langgraph.types import Command

from graphs.curator.events import tell
from graphs.curator.position import BASE, best, winner
from graphs.curator.position import next_iteration as upcoming
from graphs.curator.specialization import Specialization, read_specialization
from graphs.curator.spending import check_budget
from graphs.curator.state import State
from graphs.inner_agent.ceilings import CeilingReached
from training.candidates import judge_anew
from training.ledger import read


def next_iteration(state: State) -> Command[Literal["curate", "controls", "finish"]]:
    """Open the next iteration, with what people have judged by now; after the last, the final table if any won."""
    run = read_specialization(state["out"])
    number = upcoming(run)
    if number is None:
        if winner(run) is None:
            return Command(goto="finish", update={"reason": "No iteration came to a training: see the ledger."})
        return Command(goto="controls", update={"reason": _over(run)})
    try:
        check_budget(run)
    except CeilingReached as reached:
        return Command(goto="finish", update={"reason": f"{reached}.", "status": "limited"})
    judge_anew(run.folder.candidates, run.folder.collect)
    tell("iteration", iteration=number, iterations=run.iterations)
    return Command(goto="curate", update={"iteration": number, "round": 0, "reason": ""})


def _over(run: Specialization) -> str:
    """Why the search for a recipe ends, and honestly what it found."""
    entries = read(run.folder.ledger)
    found, base = best(entries), next((one for one in entries if one.role == BASE), None)
    said = f"All {run.iterations} iterations are over."
    if found is not None and base is not None and (found.mean or 0.0) <= (base.mean or 0.0):
        said += " No specialist did better than the untrained base on the validation seeds."
    return said

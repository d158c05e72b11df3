"""NEXT_ATTEMPT: what is tried next: a fresh attempt from the best version, a continuation, or nothing more."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from langgraph.types import Command

from graphs.reviewer.budget import BudgetReached
from graphs.reviewer.events import tell
from graphs.reviewer.laying_out import copy_scaffold
from graphs.reviewer.position import Position, position, scaffold_of
from graphs.reviewer.search import Search, read_search
from graphs.reviewer.spending import check_budget, spent_in
from graphs.reviewer.state import State


def next_attempt(state: State) -> Command[Literal["review", "control", "holdout", "finish"]]:
    """Open the next attempt's folder with its working copy, unless it is open already."""
    search = read_search(state["out"])
    stands = position(search)
    if stands.uncontrolled is not None:
        return Command(goto="control")
    if stands.attempt is None:
        return Command(goto="holdout", update={"reason": stands.reason})
    try:
        check_budget(search, spent_in(search, search.folder.attempt(stands.attempt)))
    except BudgetReached as reached:
        if reached.whole:
            return Command(goto="finish", update={"reason": f"{reached}.", "status": "limited"})
    folder = search.folder.attempt(stands.attempt)
    if not folder.candidate.exists():
        copy_scaffold(_source(search, stands), folder.candidate)
    tell("attempt", name=stands.attempt, parent=stands.incumbent.name, continues=stands.continues)
    return Command(goto="review", update={"attempt": stands.attempt, "round": 0, "status": "", "reason": ""})


def _source(search: Search, stands: Position) -> Path:
    """What the working copy begins as: the best version, or for a continuation what was turned down."""
    if stands.continues is not None:
        return search.folder.attempt(stands.continues).candidate
    return scaffold_of(search, stands.incumbent)

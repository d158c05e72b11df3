"""FINISH: the run is over, with the best specialist so far and why it ended."""

from __future__ import annotations

from typing import Literal

from langgraph.types import Command

from graphs.curator.events import tell
from graphs.curator.position import winner
from graphs.curator.specialization import read_specialization
from graphs.curator.state import State


def finish(state: State) -> Command[Literal["__end__"]]:
    """Say how it ended. A run that goes on later, with a higher budget, ends once more."""
    run = read_specialization(state["out"])
    best = winner(run)
    adapter = str(run.folder.path / best.artifacts["adapter"]) if best else None
    ended = state["reason"] or "The final table is written."
    tell("ended", winner=best.run if best else None, adapter=adapter, reason=ended)
    status = "limited" if state["status"] == "limited" else "finished"
    update = {"winner": best.run if best else None, "adapter": adapter, "status": status, "ended": ended}
    return Command(goto="__end__", update=update)

"""Where a spent budget leads: the search's own ends it, an attempt's ends that attempt."""

from __future__ import annotations

from typing import Any

from langgraph.types import Command

from graphs.reviewer.budget import BudgetReached


def over_budget(reached: BudgetReached) -> Command[Any]:
    """The way on. An attempt that the search's budget broke off stays open: with a higher one it goes on."""
    if reached.whole:
        return Command(goto="finish", update={"reason": f"{reached}.", "status": "limited"})
    return Command(goto="settle", update={"status": "stopped", "reason": f"{reached}."})

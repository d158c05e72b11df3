"""APPROVE: with --approve a person is asked before a candidate is evaluated; without, the way is free."""

from __future__ import annotations

from typing import Literal

from langgraph.types import Command

from graphs.reviewer.approval import candidate_approved
from graphs.reviewer.search import read_search
from graphs.reviewer.state import State


def approve(state: State) -> Command[Literal["evaluate", "settle"]]:
    """Ask before money is spent on the candidate. A refusal ends the attempt; its reason is told to the next one."""
    search = read_search(state["out"])
    if search.approve:
        episodes = len(search.pairs(search.seeds))
        yes, reason = candidate_approved(
            search,
            state["attempt"],
            "evaluate",
            question=f"Evaluate the candidate {state['attempt']} on {episodes} episodes?",
            yes="It is played on the gate seeds by the same model as the best version, and judged by the gate.",
            facts={"episodes": episodes},
        )
        if not yes:
            why = f"A person refused to have it evaluated: {reason or 'no reason was given'}"
            return Command(goto="settle", update={"status": "refused", "reason": why})
    return Command(goto="evaluate")

"""GATE: is the candidate kept? The verdict, with all its figures, is written beside the candidate."""

from __future__ import annotations

from typing import Literal

from langgraph.types import Command

from graphs.reviewer.events import tell
from graphs.reviewer.judging import judge_attempt
from graphs.reviewer.search import read_search
from graphs.reviewer.state import State
from traces.plain_json import write_file


def gate(state: State) -> Command[Literal["confirm", "adopt", "settle"]]:
    """Judge by the search's rule. A rule that wants to see both on fresh seeds gets them, and is asked again."""
    search = read_search(state["out"])
    folder = search.folder.attempt(state["attempt"])
    verdict = judge_attempt(search, state["attempt"], folder)
    if verdict.needs_fresh:
        return Command(goto="confirm")
    write_file(folder.verdict, verdict.to_plain())
    tell("verdict", name=state["attempt"], verdict=verdict.to_plain(), control=False)
    if verdict.accepted:
        return Command(goto="adopt", update={"reason": verdict.sentence})
    return Command(goto="settle", update={"status": "rejected", "reason": verdict.sentence})

"""ADOPT: the candidate becomes the next version, if a person who asked to be asked agrees."""

from __future__ import annotations

from typing import Literal

from langgraph.types import Command

from graphs.reviewer.approval import candidate_approved
from graphs.reviewer.check_node import checks
from graphs.reviewer.laying_out import copy_scaffold
from graphs.reviewer.position import position
from graphs.reviewer.search import read_search
from graphs.reviewer.state import State
from scaffolds import Scaffold
from traces.plain_json import read_file


def adopt(state: State) -> Command[Literal["settle"]]:
    """Copy the very files that were checked and played to versions/vN."""
    search = read_search(state["out"])
    folder = search.folder.attempt(state["attempt"])
    number = (position(search).incumbent.version or 0) + 1
    if search.approve:
        yes, reason = candidate_approved(
            search,
            state["attempt"],
            "adopt",
            question=f"Adopt the candidate {state['attempt']} as version {number}?",
            yes=f"It becomes version {number}, which later candidates start from and have to beat.",
            facts={"verdict": read_file(folder.verdict)},
        )
        if not yes:
            why = f"A person refused to have it adopted: {reason or 'no reason was given'}"
            return Command(goto="settle", update={"status": "refused", "reason": why})
    target = search.folder.version(number)
    copy_scaffold(folder.candidate, target)
    digest = Scaffold.load(target).digest
    if digest != checks(folder)[-1]["digest"]:
        why = "Its files were changed after it was evaluated."
        return Command(goto="settle", update={"status": "crashed", "reason": why})
    return Command(goto="settle", update={"status": "accepted"})

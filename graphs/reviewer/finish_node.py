"""FINISH: the search is over, with the best version so far and why it ended."""

from __future__ import annotations

from typing import Literal

from langgraph.types import Command

from graphs.reviewer import lineage
from graphs.reviewer.events import tell
from graphs.reviewer.lineage import LineageRecord
from graphs.reviewer.search import read_search
from graphs.reviewer.state import State


def finish(state: State) -> Command[Literal["__end__"]]:
    """Write the end into the lineage. A search that goes on later, with a higher budget, ends once more."""
    search = read_search(state["out"])
    records = lineage.read(search.folder.path)
    best = lineage.best(records)
    version = (best.version if best else 0) or 0
    ends = [one for one in records if one.kind == "end"]
    if not (ends and ends[-1] is records[-1] and ends[-1].reason == state["reason"]):
        record = LineageRecord(
            name=f"end {len(ends) + 1}",
            kind="end",
            parent=f"v{version}",
            status="stopped",
            reason=state["reason"],
        )
        lineage.append(search.folder.path, record)
    scaffold = str(search.folder.version(version))
    tell("ended", version=version, scaffold=scaffold, reason=state["reason"])
    status = "limited" if state["status"] == "limited" else "finished"
    ended = {"version": version, "scaffold": scaffold, "status": status, "ended": state["reason"]}
    return Command(goto="__end__", update=ended)

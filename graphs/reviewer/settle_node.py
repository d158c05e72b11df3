"""SETTLE: an attempt is over: what became of it goes into the lineage, and beside it for the next reviewer to read."""

from __future__ import annotations

from typing import Any, Literal, cast

from langgraph.types import Command

from graphs.evaluation.playing import played_whole
from graphs.reviewer import lineage
from graphs.reviewer.check_node import checks
from graphs.reviewer.evaluating import figures
from graphs.reviewer.events import tell
from graphs.reviewer.folders import AttemptFolder
from graphs.reviewer.lineage import LineageRecord, Status
from graphs.reviewer.position import position
from graphs.reviewer.search import Search, read_search
from graphs.reviewer.spending import spent_in
from graphs.reviewer.state import State
from traces.plain_json import read_file, write_file


def settle(state: State) -> Command[Literal["next_attempt"]]:
    """Record how the attempt ended."""
    search = read_search(state["out"])
    folder = search.folder.attempt(state["attempt"])
    record = _record(search, state, folder)
    verdict = read_file(folder.verdict) if folder.verdict.exists() else {}
    write_file(folder.verdict, {**verdict, "status": state["status"], "reason": state["reason"]})
    if lineage.append(search.folder.path, record):
        tell("settled", name=record.name, status=record.status, reason=record.reason)
    return Command(goto="next_attempt")


def _record(search: Search, state: State, folder: AttemptFolder) -> LineageRecord:
    incumbent = position(search).incumbent
    accepted = state["status"] == "accepted"
    played = played_whole(folder.evaluation)
    measured: dict[str, Any] = figures(search, folder.evaluation, search.seeds) if played else {}
    version = (incumbent.version or 0) + 1 if accepted else None
    scaffold = search.folder.version(version) if version is not None else folder.candidate
    verdict = read_file(folder.verdict) if folder.verdict.exists() else None
    found = checks(folder)
    return LineageRecord(
        name=state["attempt"],
        kind="attempt",
        parent=f"v{incumbent.version}",
        version=version,
        status=cast(Status, state["status"]),
        reason=state["reason"],
        scaffold=search.folder.relative(scaffold),
        evaluation=search.folder.relative(folder.evaluation.path) if played else None,
        **measured,
        verdict=verdict if verdict and "differences" in verdict else None,
        changes=found[-1]["changes"] if found else {},
        spent=spent_in(search, folder),
    )

"""The nodes after a verdict: ADOPT, SETTLE, HOLDOUT (the final table), FINISH."""

from __future__ import annotations

import asyncio
from typing import Any, Literal, cast

from langgraph.types import Command

from graphs.evaluation.playing import played_whole
from graphs.evaluation.statistics import pair_up, read_scores
from graphs.events import emit
from graphs.reviewer import lineage
from graphs.reviewer.evaluate_nodes import candidate_approved
from graphs.reviewer.evaluating import play_episodes, spent_in
from graphs.reviewer.folders import AttemptFolder
from graphs.reviewer.lineage import LineageRecord, Status, position
from graphs.reviewer.review_nodes import checks
from graphs.reviewer.search import Search, copy_scaffold
from graphs.reviewer.state import State
from graphs.reviewer.verdict_text import gain_words
from graphs.spending import CeilingReached, spent_playing
from scaffolds import Scaffold
from traces.plain_json import read_file, write_file


def adopt(state: State, search: Search) -> Command[Literal["settle"]]:
    """Copy the files that were checked and played to versions/vN."""
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


def settle(state: State, search: Search) -> Command[Literal["next_attempt"]]:
    """Record how the attempt ended."""
    folder = search.folder.attempt(state["attempt"])
    record = _record(search, state, folder)
    verdict = read_file(folder.verdict) if folder.verdict.exists() else {}
    write_file(folder.verdict, {**verdict, "status": state["status"], "reason": state["reason"]})
    if lineage.append(search.folder.path, record):
        emit("settled", name=record.name, status=record.status, reason=record.reason)
    return Command(goto="next_attempt")


def _record(search: Search, state: State, folder: AttemptFolder) -> LineageRecord:
    incumbent = position(search).incumbent
    accepted = state["status"] == "accepted"
    played = played_whole(folder.evaluation)
    measured: dict[str, Any] = search.figures(folder.evaluation, search.seeds) if played else {}
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


ERROR = 0.05
"""Probability with which an end of the interval on the hold-out seeds may be wrong: it is looked at once."""


async def holdout(state: State, search: Search) -> Command[Literal["finish"]]:
    """Play both, if there are hold-out seeds."""
    best = (await asyncio.to_thread(position, search)).incumbent.version or 0
    rows = []
    for version in sorted({0, best}) if search.holdout_seeds else []:
        scaffold, out = search.folder.version(version), search.folder.holdout(version)
        try:
            crashed = await play_episodes(search, f"holdout v{version}", scaffold, out, search.holdout_seeds)
        except CeilingReached as reached:
            why = f"{state['reason']} The hold-out seeds were not played to their end: {reached}."
            return Command(goto="finish", update={"reason": why, "status": "limited"})
        rows.append(await asyncio.to_thread(_record_holdout, search, version, crashed))
    if rows:
        emit("holdout", rows=rows)
    return Command(goto="finish")


def _record_holdout(search: Search, version: int, crashed: str | None) -> dict[str, object]:
    run = search.folder.holdout(version)
    measured = search.figures(run, search.holdout_seeds)
    gain = gained(search, version) if version and not crashed else None
    record = LineageRecord(
        name=f"holdout v{version}",
        kind="holdout",
        parent=f"v{version}",
        status="crashed" if crashed else "measured",
        reason=crashed or (gain_words(gain) if gain else ""),
        scaffold=search.folder.relative(search.folder.version(version)),
        evaluation=search.folder.relative(run.path),
        **measured,
        verdict=gain,
        spent={"player": spent_playing([run])},
    )
    lineage.append(search.folder.path, record)
    return {"version": version, **measured, "reason": record.reason}


def gained(search: Search, version: int) -> dict[str, Any]:
    """How far a version is from the start on the hold-out seeds, seed by seed."""
    pairs = search.pairs(search.holdout_seeds)
    before, after = (read_scores(search.folder.holdout(one), pairs) for one in (0, version))
    paired = pair_up(before, after, error=ERROR, seed=search.seed)
    found = {"mean_difference": paired.mean_difference, "interval": list(paired.interval), "chance": paired.chance}
    return {**found, "confidence": 1 - ERROR}


def finish(state: State, search: Search) -> Command[Literal["__end__"]]:
    """Write the end into the lineage. A search that is resumed with a higher budget ends again."""
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
    emit("ended", version=version, scaffold=scaffold, reason=state["reason"])
    status = "limited" if state["status"] == "limited" else "finished"
    ended = {"version": version, "scaffold": scaffold, "status": status, "ended": state["reason"]}
    return Command(goto="__end__", update=ended)

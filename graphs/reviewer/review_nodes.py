"""The nodes before an evaluation: NEXT_ATTEMPT, REVIEW (the reviewer revises the scaffold), CHECK."""

from __future__ import annotations

import asyncio
from dataclasses import asdict
from pathlib import Path
from typing import Any, Literal

from langgraph.types import Command

from graphs.agent.loop import AgentRun, agent_model
from graphs.agent.tools import watched
from graphs.evaluation.playing import broken_off
from graphs.events import emit
from graphs.outer_loop import read_rounds
from graphs.reviewer import agent
from graphs.reviewer.check import Checked, check_candidate
from graphs.reviewer.evaluating import budgets, review_limits, spent_in
from graphs.reviewer.folders import AttemptFolder
from graphs.reviewer.lineage import Position, position, scaffold_of
from graphs.reviewer.probe import probe, probe_run
from graphs.reviewer.search import Search, copy_scaffold
from graphs.reviewer.state import State
from graphs.reviewer.workspace import what_became, workspace_of
from graphs.spending import check_all, left_of, raise_reached
from scaffolds import Scaffold, ScaffoldError
from traces import RunFolder
from traces.plain_json import write_file


def next_attempt(state: State, search: Search) -> Command[Literal["review", "control", "holdout", "finish"]]:
    """Open the next attempt's folder with its working copy, unless it is open already."""
    now = position(search)
    if now.uncontrolled is not None:
        return Command(goto="control")
    if now.attempt is None:
        return Command(goto="holdout", update={"reason": now.reason})
    folder = search.folder.attempt(now.attempt)
    check_all(budgets(search, spent_in(search, folder), whole_only=True))
    if not folder.candidate.exists():
        copy_scaffold(_source(search, now), folder.candidate)
    emit("attempt", name=now.attempt, parent=now.incumbent.name, continues=now.continues)
    sent_back = sum(bool(one["faults"]) for one in checks(folder))
    update = {"attempt": now.attempt, "round": min(sent_back, ROUNDS), "status": "", "reason": ""}
    return Command(goto="review", update=update)


def _source(search: Search, now: Position) -> Path:
    """What the working copy begins as: the best version, or for a continuation what was turned down."""
    if now.continues is not None:
        return search.folder.attempt(now.continues).candidate
    return scaffold_of(search, now.incumbent)


async def review(state: State, search: Search) -> Command[Literal["check", "settle", "finish"]]:
    """Ask the reviewer, unless this review has finished already; one that was broken off goes on where it stopped."""
    name, asked = state["attempt"], state["round"]
    folder = search.folder.attempt(name)
    done = await asyncio.to_thread(read_rounds, folder.reviews)
    if len(done) > asked and done[asked]["finished"]:
        return Command(goto="check")
    ended = await _review(search, name, asked, folder)
    kept = {"finished": ended.finished, "reason": ended.reason, **asdict(ended.spent)}
    await asyncio.to_thread(write_file, folder.reviews, [*done[:asked], kept])
    emit("reviewed", name=name, finished=ended.finished, reason=ended.reason)
    if not ended.finished:
        await asyncio.to_thread(lambda: check_all(budgets(search, spent_in(search, folder))))
        why = f"The reviewer did not come to an end: {ended.reason}."
        return Command(goto="settle", update={"status": "stopped", "reason": why})
    return Command(goto="check")


async def _review(search: Search, name: str, asked: int, folder: AttemptFolder) -> AgentRun:
    limits = await asyncio.to_thread(review_limits, search, folder)
    workspace = await asyncio.to_thread(workspace_of, search, name)
    continues = await asyncio.to_thread(what_became, search)
    faults = (await asyncio.to_thread(checks, folder))[asked - 1]["faults"] if asked else []
    model = await asyncio.to_thread(
        agent_model, search.reviewer_model, "reviewer", search.world, search.context.reviewer_base_url
    )
    emit("reviewing", name=name, round=asked, faults=faults)
    return await watched(
        name,
        f"{search.folder.path.name} {name} review",
        lambda: agent.review(workspace, model, faults, limits=limits, round=asked, continues=continues),
    )


ROUNDS = 3
"""Times that faults go back to the reviewer before the attempt is lost."""


async def check(state: State, search: Search) -> Command[Literal["approve", "review", "settle", "finish"]]:
    """Look at the working copy; faults go back to the reviewer as its next message, at most ROUNDS times."""
    folder = search.folder.attempt(state["attempt"])
    found = await asyncio.to_thread(_known, folder, state["round"])
    if found is None:
        emit("checking", name=state["attempt"])
        found = await _look(search, folder)
        await asyncio.to_thread(_keep_check, folder, state["round"], found)
        emit("checked", name=state["attempt"], faults=found["faults"], changes=found["changes"])
    if not found["faults"]:
        return Command(goto="approve")
    if state["round"] < ROUNDS:
        return Command(goto="review", update={"round": state["round"] + 1})
    more = f" (and {len(found['faults']) - 1} more)" if len(found["faults"]) > 1 else ""
    reason = f"After {ROUNDS} repairs there is still: {found['faults'][0]}{more}"
    return Command(goto="settle", update={"status": "check failed", "reason": reason})


def checks(folder: AttemptFolder) -> list[dict[str, Any]]:
    """What the checks of an attempt have found, round by round: faults, changes by area, digest of what was seen."""
    return read_rounds(folder.check)


def digest_of(folder: AttemptFolder) -> str:
    """The digest of a working copy as it is now; empty if it cannot be loaded."""
    try:
        return Scaffold.load(folder.candidate).digest
    except ScaffoldError:
        return ""


def _known(folder: AttemptFolder, round_: int) -> dict[str, Any] | None:
    """What the check of this round found, if the files are still those it looked at."""
    found = checks(folder)
    if len(found) <= round_ or found[round_]["digest"] != digest_of(folder):
        return None
    return found[round_]


async def _look(search: Search, folder: AttemptFolder) -> dict[str, Any]:
    """Check the files, and if they are in order play the probe."""
    digest = await asyncio.to_thread(digest_of, folder)
    checked = await asyncio.to_thread(_checked, search, folder)
    faults = checked.faults or await _probed(search, folder, probe_run(folder.probe, digest))
    return {**asdict(checked), "faults": faults, "digest": digest}


async def _probed(search: Search, folder: AttemptFolder, run: RunFolder) -> list[str]:
    """The faults that a probe shows. CeilingReached where it could not be played to its end."""
    left = await asyncio.to_thread(lambda: left_of(budgets(search, spent_in(search, folder)), run))
    faults = await probe(folder.candidate, search, folder.probe, ceilings=left)
    if not faults and await asyncio.to_thread(broken_off, run):
        await asyncio.to_thread(lambda: raise_reached(budgets(search, spent_in(search, folder))))
    return faults


def _checked(search: Search, folder: AttemptFolder) -> Checked:
    shown = workspace_of(search, folder.path.name)
    return check_candidate(shown.parent, folder.candidate, folder.notes, runs=shown.runs)


def _keep_check(folder: AttemptFolder, round_: int, found: dict[str, Any]) -> None:
    write_file(folder.check, [*checks(folder)[:round_], found])

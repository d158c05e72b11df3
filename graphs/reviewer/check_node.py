"""CHECK: before any evaluation is paid for: does the revision load, keep the rules, and survive a short episode?"""

from __future__ import annotations

import asyncio
from dataclasses import asdict
from typing import Any, Literal

from langgraph.types import Command

from graphs.evaluation.playing import broken_off
from graphs.evaluation.spending import Amounts
from graphs.reviewer.budget import BudgetReached
from graphs.reviewer.check import Checked, check_candidate
from graphs.reviewer.events import tell
from graphs.reviewer.folders import AttemptFolder
from graphs.reviewer.over_budget import over_budget
from graphs.reviewer.probe import probe, probe_run
from graphs.reviewer.search import Search, read_search
from graphs.reviewer.shown import workspace_of
from graphs.reviewer.spending import check_budget, left_for, raise_reached, spent_in
from graphs.reviewer.state import State
from scaffolds import Scaffold, ScaffoldError
from traces import RunFolder
from traces.plain_json import read_file, write_file

ROUNDS = 3
"""Times that faults go back to the reviewer before the attempt is lost."""


async def check(state: State) -> Command[Literal["approve", "review", "settle", "finish"]]:
    """Look at the working copy; faults go back to the reviewer as its next message, at most ROUNDS times."""
    search = await asyncio.to_thread(read_search, state["out"])
    folder = search.folder.attempt(state["attempt"])
    found = await asyncio.to_thread(_known, folder, state["round"])
    if found is None:
        tell("checking", name=state["attempt"])
        try:
            found = await _look(search, folder)
        except BudgetReached as reached:
            return over_budget(reached)
        await asyncio.to_thread(_keep, folder, state["round"], found)
        tell("checked", name=state["attempt"], faults=found["faults"], changes=found["changes"])
    if not found["faults"]:
        return Command(goto="approve")
    if state["round"] < ROUNDS:
        return Command(goto="review", update={"round": state["round"] + 1})
    more = f" (and {len(found['faults']) - 1} more)" if len(found["faults"]) > 1 else ""
    reason = f"After {ROUNDS} repairs there is still: {found['faults'][0]}{more}"
    return Command(goto="settle", update={"status": "check failed", "reason": reason})


def checks(folder: AttemptFolder) -> list[dict[str, Any]]:
    """What the checks of an attempt have found, round by round: faults, changes by area, digest of what was seen."""
    found: list[dict[str, Any]] = read_file(folder.check) if folder.check.exists() else []
    return found


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
    """The faults that a probe shows. BudgetReached where it could not be played to its end."""

    def left() -> Amounts:
        spent = spent_in(search, folder)
        check_budget(search, spent)
        return left_for(search, spent, run)

    faults = await probe(folder.candidate, search, folder.probe, ceilings=await asyncio.to_thread(left))
    if not faults and await asyncio.to_thread(broken_off, run):
        await asyncio.to_thread(lambda: raise_reached(search, spent_in(search, folder)))
    return faults


def _checked(search: Search, folder: AttemptFolder) -> Checked:
    shown = workspace_of(search, folder.path.name)
    return check_candidate(shown.parent, folder.candidate, folder.notes, runs=shown.runs)


def _keep(folder: AttemptFolder, round_: int, found: dict[str, Any]) -> None:
    write_file(folder.check, [*checks(folder)[:round_], found])

"""REVIEW: the reviewer reads the traces and revises the working copy, or mends what the check found."""

from __future__ import annotations

import asyncio
from dataclasses import asdict
from typing import Any, Literal

from langgraph.types import Command

from graphs.agent_model import agent_model
from graphs.reviewer import agent
from graphs.reviewer.agent import Review, ReviewLimits
from graphs.reviewer.budget import BudgetReached
from graphs.reviewer.check_node import checks
from graphs.reviewer.events import tell
from graphs.reviewer.folders import AttemptFolder
from graphs.reviewer.over_budget import over_budget
from graphs.reviewer.search import Search, read_search
from graphs.reviewer.shown import what_became, workspace_of
from graphs.reviewer.spending import check_budget, review_limits, spent_in
from graphs.reviewer.state import State
from graphs.tool_watching import watched
from traces.plain_json import read_file, write_file


async def review(state: State) -> Command[Literal["check", "settle", "finish"]]:
    """Ask the reviewer, unless this review has finished already; one that was broken off goes on where it stopped."""
    search = await asyncio.to_thread(read_search, state["out"])
    name, asked = state["attempt"], state["round"]
    folder = search.folder.attempt(name)
    done = await asyncio.to_thread(reviews, folder)
    if len(done) > asked and done[asked]["finished"]:
        return Command(goto="check")
    try:
        limits = await asyncio.to_thread(review_limits, search, folder)
        ended = await _review(search, state, folder, limits)
        await asyncio.to_thread(_keep, folder, done[:asked], ended)
        tell("reviewed", name=name, finished=ended.finished, reason=ended.reason)
        if not ended.finished:
            await asyncio.to_thread(lambda: check_budget(search, spent_in(search, folder)))
    except BudgetReached as reached:
        return over_budget(reached)
    if not ended.finished:
        why = f"The reviewer did not come to an end: {ended.reason}."
        return Command(goto="settle", update={"status": "stopped", "reason": why})
    return Command(goto="check")


def reviews(folder: AttemptFolder) -> list[dict[str, Any]]:
    """The reviews of an attempt, one for each round; the last may have been broken off by a budget."""
    found: list[dict[str, Any]] = read_file(folder.reviews) if folder.reviews.exists() else []
    return found


async def _review(search: Search, state: State, folder: AttemptFolder, limits: ReviewLimits) -> Review:
    asked = state["round"]
    workspace = await asyncio.to_thread(workspace_of, search, state["attempt"])
    continues = await asyncio.to_thread(what_became, search)
    faults = (await asyncio.to_thread(checks, folder))[asked - 1]["faults"] if asked else []
    model = await asyncio.to_thread(
        agent_model, search.reviewer_model, "reviewer", search.world, search.context.reviewer_base_url
    )
    tell("reviewing", name=state["attempt"], round=asked, faults=faults)
    return await watched(
        state["attempt"],
        f"{search.folder.path.name} {state['attempt']} review",
        lambda: agent.review(workspace, model, faults, limits=limits, round=asked, continues=continues),
    )


def _keep(folder: AttemptFolder, done: list[dict[str, Any]], ended: Review) -> None:
    write_file(folder.reviews, [*done, asdict(ended)])

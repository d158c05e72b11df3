"""CURATE: the curator selects examples and writes a recipe, or mends what was found wrong with them."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any, Literal

from langgraph.types import Command

from graphs.agent_model import agent_model
from graphs.curator import curate as curating
from graphs.curator.certify_node import sent_back
from graphs.curator.curate import Curation, Task
from graphs.curator.desk import Desk
from graphs.curator.events import tell
from graphs.curator.folders import IterationFolder
from graphs.curator.laying_out import no_language_model
from graphs.curator.position import earlier
from graphs.curator.specialization import Specialization, read_specialization
from graphs.curator.spending import check_budget, curator_limits
from graphs.curator.state import State
from graphs.inner_agent.ceilings import CeilingReached
from graphs.tool_watching import watched
from traces.plain_json import read_file, write_file


async def curate(state: State) -> Command[Literal["certify", "record", "finish"]]:
    """Ask the curator, unless this round has ended already; one that was broken off goes on where it stopped."""
    run = await asyncio.to_thread(read_specialization, state["out"])
    iteration, asked = state["iteration"], state["round"]
    folder = run.folder.iteration(iteration)
    done = await asyncio.to_thread(_curations, folder)
    if len(done) > asked and done[asked]["finished"]:
        return Command(goto="certify")
    try:
        ended = await _curate(run, iteration, asked)
        kept = {"finished": ended.recipe is not None, "reason": ended.reason}
        await asyncio.to_thread(write_file, folder.curations, [*done[:asked], kept])
        tell("curated", iteration=iteration, **kept)
        if ended.recipe is None:
            await asyncio.to_thread(check_budget, run)
    except CeilingReached as reached:
        return Command(goto="finish", update={"reason": f"{reached}.", "status": "limited"})
    if ended.recipe is None:
        why = f"The curator did not come to an end: {ended.reason}."
        return Command(goto="record", update={"reason": why})
    return Command(goto="certify")


async def _curate(run: Specialization, iteration: int, asked: int) -> Curation:
    folder, before = run.folder.iteration(iteration), await asyncio.to_thread(earlier, run, iteration)
    limits = await asyncio.to_thread(curator_limits, run, folder.transcript)
    desk = await asyncio.to_thread(_desk, run, folder, before)
    faults = await asyncio.to_thread(sent_back, folder, asked)
    task = Task(
        iteration=iteration,
        iterations=run.iterations,
        player=f"{run.model}{no_language_model(run.model)}",
        base=run.base,
        gameplay=f"{run.gameplay}{no_language_model(run.gameplay)}",
        minimum=run.minimum_examples,
        recipe=Path(run.recipe).stem,
        start=run.start,
    )
    model = await asyncio.to_thread(agent_model, run.curator_model, "curator", run.world, run.context.curator_base_url)
    tell("curating", iteration=iteration, round=asked, faults=faults[-1:])
    paths = {number: one.path for number, one in before.items()}
    name = f"iteration {iteration}"
    return await watched(
        name,
        f"curate {name}",
        lambda: curating.curate(desk, task, run.folder.ledger, paths, model, limits, faults),
    )


def _desk(run: Specialization, folder: IterationFolder, before: dict[int, IterationFolder]) -> Desk:
    """The desk of an iteration; a new one begins with the policy of the last."""
    policy = folder.path / "selection" / "policy.toml"
    if before and not policy.exists():
        policy.parent.mkdir(parents=True, exist_ok=True)
        last = before[max(before)].path / "selection"
        for name in ("policy.py", "policy.toml"):  # the one whose presence is looked for comes last
            if (last / name).exists():
                (policy.parent / name).write_bytes((last / name).read_bytes())
    return Desk(folder.path, run.folder.collect, run.folder.candidates, seed=run.seed)


def _curations(folder: IterationFolder) -> list[dict[str, Any]]:
    """How each round ended; the last may have been broken off by a budget."""
    found: list[dict[str, Any]] = read_file(folder.curations) if folder.curations.exists() else []
    return found

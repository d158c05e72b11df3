"""CONTROLS: with --controls, a specialist of the winner's recipe and size is trained on turns chosen by chance."""

from __future__ import annotations

import asyncio
from typing import Literal

import orjson
from langgraph.types import Command

from graphs.curator.folders import LETTERS
from graphs.curator.position import winner
from graphs.curator.specialization import Specialization, read_specialization
from graphs.curator.spending import check_budget
from graphs.curator.state import State
from graphs.curator.train_node import train_one
from graphs.inner_agent.ceilings import CeilingReached
from training.candidates import read_candidates
from training.certificate import build_dataset, certify
from training.dataset import read_dataset
from training.errors import TrainingError
from training.selection import Policy, Quotas, select

NAME = "random turns"


async def controls(state: State) -> Command[Literal["approve_final", "finish"]]:
    """Select by chance, cut, certify and train, unless that is done."""
    run = await asyncio.to_thread(read_specialization, state["out"])
    best = await asyncio.to_thread(winner, run)
    if not run.controls or best is None or best.configuration is None:
        return Command(goto="approve_final")
    folder = run.folder.random_turns
    try:
        await asyncio.to_thread(check_budget, run)
        if not folder.certified.exists():
            await asyncio.to_thread(_choose, run, best.examples)
        await train_one(run, NAME, folder, LETTERS[0], best.configuration)
    except CeilingReached as reached:
        return Command(goto="finish", update={"reason": f"{reached}.", "status": "limited"})
    return Command(goto="approve_final")


def _choose(run: Specialization, count: int) -> None:
    """A dataset of so many turns, chosen by chance among all that post-processing keeps; all, where there are fewer."""
    folder, collect = run.folder.random_turns, run.folder.collect
    everything = list(read_candidates(run.folder.candidates))
    # Twice as many places as candidates, half of them for each routine: no quota is ever full.
    policy = Policy(summary="by chance", total=2 * len(everything), order="random", quotas=Quotas())
    order = list(select(everything, policy, seed=run.seed).chosen)
    kept: list[str] = []
    while order and len(kept) < count:
        drawn, order = order[:count], order[count:]
        made = build_dataset(collect, drawn, folder.dataset, evaluation_seeds=run.never_trained_on)
        sound = {one.id for one in read_dataset(folder.dataset)} if made.examples else set()
        kept += [one for one in drawn if one in sound]
    build_dataset(collect, kept[:count], folder.dataset, evaluation_seeds=run.never_trained_on)
    if faults := certify(folder.dataset, collect, evaluation_seeds=run.never_trained_on):
        raise TrainingError(f"The turns chosen by chance cannot be certified: {faults[0]}")
    folder.selected.parent.mkdir(parents=True, exist_ok=True)
    folder.selected.write_bytes(b"".join(orjson.dumps({"id": one, "why": "by chance"}) + b"\n" for one in kept[:count]))
    folder.certified.write_bytes(orjson.dumps([{"examples": len(kept[:count]), "faults": []}]))

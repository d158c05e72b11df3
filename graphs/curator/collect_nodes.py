"""The nodes before curation: COLLECT, FEATURISE, BASELINE, NEXT_ITERATION."""

from __future__ import annotations

import asyncio
import os
import shutil
from typing import Literal

from langgraph.types import Command

from graphs.curator.evaluating import append, evaluation, play_episodes, progression
from graphs.curator.position import BASE, best, budgets, winner
from graphs.curator.position import next_iteration as upcoming
from graphs.curator.run import Specialization
from graphs.curator.specialist_server import clear
from graphs.curator.state import State
from graphs.evaluation.playing import Halted, summary
from graphs.events import emit
from graphs.spending import check_all
from memory_fs.results import plural
from training.candidates import candidates, read_candidates, update_candidates, write_candidates
from training.ledger import LedgerEntry, read


async def collect(state: State, run: Specialization) -> Command[Literal["featurise", "finish"]]:
    """Play what is not played yet, on seeds that nothing else is played on; or copy the traces that were given."""
    await asyncio.to_thread(clear, run)  # of a run that was killed
    if run.traces:
        await asyncio.to_thread(_copy_traces, run)
        return Command(goto="featurise")
    collecting = run.context.collecting()
    job = await asyncio.to_thread(
        evaluation, run, "collect", run.folder.collect, run.train_seeds, run.model, collecting
    )
    await play_episodes(run, job)
    return Command(goto="featurise")


def _copy_traces(run: Specialization) -> None:
    """Copy the given evaluation to where a run collects, whole or not at all. Halted where it cannot be read."""
    if run.folder.collect.run.exists():
        return
    part = run.folder.collect.path.with_name("collect.part")
    shutil.rmtree(part, ignore_errors=True)
    emit("copying", traces=run.traces)
    try:
        shutil.copytree(run.traces, part, symlinks=True)
        part.rename(run.folder.collect.path)
    except OSError as error:
        raise Halted(f"The traces in {run.traces} cannot be copied to {part}: {error}") from error


SIDE_BY_SIDE = 5_000
"""Steps from which episodes are read by several processes: below, starting those takes longer."""


def featurise(state: State, run: Specialization) -> Command[Literal["baseline"]]:
    """Write candidates.jsonl, whole or not at all. Halted where nothing was collected."""
    path = run.folder.candidates
    if not path.exists():
        path.parent.mkdir(exist_ok=True)
        write_candidates(candidates(run.folder.collect, workers=_workers(run)), path)
    routines = {"LOG": 0, "PLAN": 0}
    for candidate in read_candidates(path):
        routines[candidate.routine] += 1
    if not any(routines.values()):
        raise Halted(f"{run.folder.collect.path} holds no turn to learn from: every episode failed.")
    emit("candidates", count=sum(routines.values()), routines=routines)
    return Command(goto="baseline")


def _workers(run: Specialization) -> int:
    steps = sum(int(one["steps"]) for one in summary(run.folder.collect)["episodes"])
    return (os.cpu_count() or 1) if steps >= SIDE_BY_SIDE else 1


async def baseline(state: State, run: Specialization) -> Command[Literal["next_iteration", "finish"]]:
    """Play the untrained base on the validation seeds; the ledger's first line."""
    out = run.folder.baseline
    context = run.context.evaluating(run.gameplay)
    job = await asyncio.to_thread(evaluation, run, "base", out, run.validation_seeds, run.base, context)
    await play_episodes(run, job)
    entry = LedgerEntry(
        run="base",
        iteration=0,
        role=BASE,
        artifacts={"evaluation": run.folder.relative(out.path)},
        **await asyncio.to_thread(progression, run, out, run.validation_seeds),
    )
    await asyncio.to_thread(append, run, entry)
    return Command(goto="next_iteration")


def next_iteration(state: State, run: Specialization) -> Command[Literal["curate", "controls", "finish"]]:
    """Open the next iteration, with what was judged and measured by now; after the last, the final table if any won."""
    number = upcoming(run)
    if number is None:
        if winner(run) is None:
            return Command(goto="finish", update={"reason": "No iteration came to a training: see the ledger."})
        return Command(goto="controls", update={"reason": _over(run)})
    check_all(budgets(run))
    update_candidates(run.folder.candidates, run.folder.collect)
    emit("iteration", iteration=number, iterations=run.iterations)
    return Command(goto="curate", update={"iteration": number, "round": 0, "reason": ""})


def _over(run: Specialization) -> str:
    """That the search for a recipe is over, and how the best specialist and the base did on the validation seeds."""
    entries = read(run.folder.ledger)
    found, base = best(entries), next((one for one in entries if one.role == BASE), None)
    sentence = "The only iteration is over." if run.iterations == 1 else f"All {run.iterations} iterations are over."
    if found is None or base is None:
        return sentence
    episodes = plural(len(run.pairs(run.validation_seeds)), "validation episode")
    sentence += f" On {episodes} the best specialist, {found.run}, reached {100 * (found.mean or 0.0):.1f} %, "
    sentence += f"the untrained base {100 * (base.mean or 0.0):.1f} %."
    if (found.mean or 0.0) <= (base.mean or 0.0):
        sentence += " It is the best of the specialists, and not better than the base on these."
    return sentence

"""FEATURISE: every LOG and every consulting half of a PLAN that was collected, with its features and credit."""

from __future__ import annotations

import os
from typing import Literal

from langgraph.types import Command

from graphs.curator.events import tell
from graphs.curator.specialization import Specialization, read_specialization
from graphs.curator.state import State
from graphs.evaluation.playing import Halted, summary
from training.candidates import candidates, read_candidates, write_candidates

SIDE_BY_SIDE = 5_000
"""Steps from which episodes are read by several processes: below, starting those takes longer."""


def featurise(state: State) -> Command[Literal["baseline"]]:
    """Write candidates.jsonl, whole or not at all. Halted where nothing was collected."""
    run = read_specialization(state["out"])
    path = run.folder.candidates
    if not path.exists():
        path.parent.mkdir(exist_ok=True)
        beside = path.parent.with_name("candidates.jsonl.tmp")
        write_candidates(candidates(run.folder.collect, workers=_workers(run)), beside)
        beside.replace(path)
    routines = {"LOG": 0, "PLAN": 0}
    for candidate in read_candidates(path):
        routines[candidate.routine] += 1
    if not any(routines.values()):
        raise Halted(f"{run.folder.collect.path} holds no turn to learn from: every episode failed.")
    tell("candidates", count=sum(routines.values()), routines=routines)
    return Command(goto="baseline")


def _workers(run: Specialization) -> int:
    steps = sum(int(one["steps"]) for one in summary(run.folder.collect)["episodes"])
    return (os.cpu_count() or 1) if steps >= SIDE_BY_SIDE else 1

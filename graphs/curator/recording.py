"""Lines of the ledger: what was played, by task and seed, and what its traces show."""

from __future__ import annotations

from typing import Any

from graphs.curator.events import tell
from graphs.curator.measures import measures
from graphs.curator.specialization import Specialization
from graphs.evaluation.scores import read_scores
from traces import RunFolder
from training import ledger
from training.ledger import LedgerEntry


def progression(run: Specialization, out: RunFolder, seeds: list[int], *, measured: bool = True) -> dict[str, Any]:
    """The fields of a ledger's line that an evaluation fills; a failed episode counts 0.

    `measured`: with what the traces show, which takes reading them.
    """
    scores: dict[str, dict[int, float]] = {task: {} for task in run.tasks}
    for (task, seed), value in read_scores(out, run.pairs(seeds)).items():
        scores[task][seed] = value
    return {"progression": scores} | ({"measures": measures(out)} if measured else {})


def append(run: Specialization, entry: LedgerEntry) -> None:
    """Write a line, unless it is there already from before a kill, and tell of it."""
    if any(one.run == entry.run for one in ledger.read(run.folder.ledger)):
        return
    ledger.append(run.folder.ledger, entry)
    tell("recorded", name=entry.run, note=entry.note, mean=entry.mean)

"""A sweep: the operations of a run, measured one after the other until each is decided or the budget is spent."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from graphs.spending import Spending
from lab.counterfactual import ERROR, FEWEST, Experiment
from lab.folder import LabFolder, Sweep, newest_effects, write_sweep
from lab.operations import Change, operations_of
from traces import EpisodeFolder
from traces.effects import Effect, MemoryKind

FIRST_LOOK = FEWEST + 1
"""Samples after which a sweep looks for the first time: with half of the error an interval needs one more."""


def experiments(
    episodes: Iterable[EpisodeFolder], kind: MemoryKind, lab: LabFolder, horizon: int, servers: dict[str, Any]
) -> list[Experiment]:
    """What a sweep drops, in its order: the writes recalled most first; the recalls that showed most lines first."""
    found = [(one, operation) for one in episodes for operation in operations_of(one, kind)]
    return [
        Experiment(episode, operation, Change(), lab.path, horizon, servers)
        for episode, operation in sorted(found, key=lambda each: -each[1].lines)
    ]


class SweepClock:
    """Keeps in a sweep's file how long it was played."""

    def __init__(self, file: Path, sweep: Sweep) -> None:
        self.sweep = sweep
        self.began = time.monotonic()
        self._file = file
        self.write()

    def write(self, **facts: Any) -> None:
        """Write the file, with other facts. TraceFailure for a disk error."""
        minutes = self.sweep.minutes + (time.monotonic() - self.began) / 60
        write_sweep(self._file, replace(self.sweep, minutes=round(minutes, 4), **facts))


def spending_of(
    queue: Sequence[Experiment], samples: int, ceilings: Mapping[str, float], clock: SweepClock
) -> Spending:
    """The budget of a sweep, with what was spent on its samples before."""
    spending = Spending(ceilings, "run", began=clock.began)
    spending.add(minutes=clock.sweep.minutes)
    for experiment in queue:
        before = experiment.spent(samples)
        spending.add(calls=int(before["calls"]), tokens=int(before["tokens"]), cost=before["cost"])
    return spending


def is_measured(experiment: Experiment, samples: int) -> bool:
    """Whether it has an effect of so many samples, or of fewer that decide it."""
    found = newest_effects(experiment.source).get((experiment.operation.name, "drop", experiment.horizon))
    if found is None:
        return False
    return found.samples >= samples or (found.samples >= FIRST_LOOK and found.progression.verdict != "undecided")


async def decided(experiment: Experiment, samples: int, spending: Spending) -> Effect:
    """The effect after as few samples as decide it: two looks, each with half of the error, where there are enough.

    Raises as `Experiment.measure`.
    """
    if samples <= FIRST_LOOK:
        return await experiment.measure(samples, spending)
    few = await experiment.measure(FIRST_LOOK, spending, ERROR / 2)
    if few.progression.verdict != "undecided":
        return few
    return await experiment.measure(samples, spending, ERROR / 2)

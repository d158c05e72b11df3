"""Finds the runs and episodes that a reviewer names; a sentence where there is none of that name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from traces import EpisodeFolder, EpisodeResult, RunFolder, TraceReader, read_result

_NAMED = 20
"""Names that a sentence lists."""


class NotThere(Exception):
    """What the model asked for does not exist, or cannot be asked so; one sentence, with what there is."""


@dataclass(frozen=True, slots=True)
class Episode:
    """One episode of a run, finished or not."""

    run: str
    folder: EpisodeFolder

    @property
    def world(self) -> str:
        """The world's name."""
        return self.folder.path.parts[-3]

    @property
    def task(self) -> str:
        """The task's name."""
        return self.folder.path.parts[-2]

    @property
    def seed(self) -> int:
        """The seed."""
        return int(self.folder.path.name.removeprefix("seed-"))

    @property
    def name(self) -> str:
        """As citations name it."""
        return f"{self.task}/seed-{self.seed}"

    def result(self) -> EpisodeResult | None:
        """How it ended, "damaged" where its files changed since; None while it is played. Raises TraceFailure."""
        return read_result(self.folder)

    def open(self) -> TraceReader:
        """Its trace. NotThere where not one step was recorded, or its files changed since it ended."""
        if not self.folder.steps.exists():
            raise NotThere(f"{self.name} of {self.run} has no step: it failed before the first, or has not begun.")
        result = read_result(self.folder, content=True)
        if result is not None and result.status == "damaged" and result.failure is not None:
            raise NotThere(f"{self.name} of {self.run} is damaged and cannot be relied on: {result.failure.sentence}.")
        return TraceReader(self.folder)


def run_named(runs: Mapping[str, Path], name: str) -> RunFolder:
    """The run of that name. NotThere if there is none."""
    if name not in runs:
        raise NotThere(f"There is no run {name!r}; there are: {', '.join(runs) or 'none yet'}.")
    return RunFolder(runs[name])


def episodes_of(runs: Mapping[str, Path], name: str) -> list[Episode]:
    """All episodes of a run begun, by world, task and seed. NotThere if there is no such run."""
    run = run_named(runs, name)
    numbered = (one for one in run.episodes() if one.path.name.removeprefix("seed-").lstrip("-").isdecimal())
    return [Episode(name, folder) for folder in numbered]


def episode_named(runs: Mapping[str, Path], run: str, task: str, seed: int) -> Episode:
    """The episode of a run with that task ("TASK", or "WORLD/TASK") and seed. NotThere if there is none."""
    there = episodes_of(runs, run)
    ours = [one for one in there if task in (one.task, f"{one.world}/{one.task}")]
    if not ours:
        tasks = list(dict.fromkeys(one.task for one in there))
        raise NotThere(f"Run {run} has no task {task!r}; it has: {_listed(tasks)}.")
    found = [one for one in ours if one.seed == seed]
    if not found:
        raise NotThere(f"Run {run} has no seed {seed} of {task}; it has: {_listed([str(one.seed) for one in ours])}.")
    if len(found) > 1:
        worlds = " or ".join(f"{one.world}/{one.task}" for one in found)
        raise NotThere(f"Several worlds of run {run} have a task {task!r}: ask for {worlds}.")
    return found[0]


def _listed(names: list[str]) -> str:
    more = len(names) - _NAMED
    return ", ".join(names[:_NAMED]) + (f" and {more} more" if more > 0 else "") if names else "no episode"

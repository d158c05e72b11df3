"""An episode without a result: what its trace holds so far, counted again only where it has grown."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterable
from copy import copy
from dataclasses import dataclass, field

from traces.folders import EpisodeFolder, RunFolder, TraceFailure
from traces.outline import StepOutline
from traces.reader import TraceReader
from traces.records import Tokens, total_tokens


@dataclass(slots=True)
class UnderWay:
    """An episode that is being played, or was stopped or killed."""

    world: str
    task: str
    seed: int
    steps: int = 0
    progression: float = 0.0
    episode_return: float = 0.0
    tokens: Tokens = field(default_factory=lambda: total_tokens(()))
    model_calls: int = 0
    wall_s: float = 0.0
    """Seconds of its recorded steps."""
    actions: Counter[str] = field(default_factory=Counter)
    """Steps by action outcome."""
    curve: list[tuple[int, float]] = field(default_factory=list)
    """Steps after which progression had changed."""
    damage: str | None = None
    """Why its trace cannot be read on, in a sentence."""

    def add(self, step: StepOutline) -> None:
        """Count the next step."""
        self.steps = step.step
        now = float(step.info.get("progression", self.progression))
        if now != self.progression or not self.curve:
            self.curve.append((step.step, now))
        self.progression = now
        self.episode_return += step.reward
        self.tokens = total_tokens((self.tokens, step.tokens))
        self.model_calls += step.model_calls
        self.wall_s += step.latency_s
        self.actions[step.action_outcome] += 1


class Counting:
    """Counts the episodes of runs that have no result. `read` is to be called again: it reads what was added."""

    def __init__(self) -> None:
        self._known: dict[EpisodeFolder, tuple[tuple[int, int], UnderWay]] = {}
        """Of each trace its inode and size when it was counted."""
        self._closed = False
        self._lock = threading.Lock()
        """Of all that is known: two requests at once would count the same steps twice."""

    def close(self) -> None:
        """Read no further, in any thread: an episode that is not counted whole is left out."""
        self._closed = True

    def read(self, folders: Iterable[EpisodeFolder]) -> list[UnderWay]:
        """Return what these episodes have recorded; those that have a result, or no step yet, are left out."""
        with self._lock:
            return [copy(found) for folder in folders if (found := self._one(folder)) is not None]

    def _one(self, folder: EpisodeFolder) -> UnderWay | None:
        try:
            facts = folder.steps.stat()
        except OSError:
            return None
        if any(path.exists() for path in (folder.result, folder.failure, folder.limited)):
            self._known.pop(folder, None)
            return None
        (inode, size), found = self._known.get(folder, ((0, 0), None))
        if found is None or inode != facts.st_ino or size > facts.st_size or found.damage:
            world, task, seed = folder.path.parts[-3:]
            found, size = UnderWay(world, task, int(seed.removeprefix("seed-"))), 0
        if size != facts.st_size:
            try:
                with TraceReader(folder) as reader:
                    for step in reader.outlines(found.steps + 1):
                        if self._closed:
                            return None
                        found.add(step)
            except TraceFailure as failure:
                found.damage = str(failure)
        self._known[folder] = (facts.st_ino, facts.st_size), found
        return found if found.steps or found.damage else None


def under_way(run: RunFolder) -> list[UnderWay]:
    """Return the episodes of a run that have steps and no result."""
    return Counting().read(run.episodes())

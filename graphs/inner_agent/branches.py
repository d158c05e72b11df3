"""Branches of an episode's world that are kept while it is open, so that a fork need not replay it from its start."""

from __future__ import annotations

import threading
from typing import NamedTuple

from traces import EpisodeFolder, TraceReader
from worlds import Observation, World

KEPT = 2
"""Branches that are kept: where the episode's last runs began. Each is a copy of the world, for NetHack a process."""


class Living(NamedTuple):
    """A world that is where an episode's trace ends already: nothing is replayed in it."""

    world: World
    observation: Observation
    """What it shows now."""


class Branches:
    """The branches of one episode's world, by the step that begins in each. Thread-safe."""

    def __init__(self) -> None:
        self._kept: dict[int, Living] = {}
        self._closed = False
        self._lock = threading.Lock()

    def keep(self, step: int, world: World, shown: Observation) -> None:
        """Keep a branch of a world that shows this, in which `step` begins, and close the oldest one beyond KEPT.

        Nothing is kept of a world that cannot be branched. The world must not be stepped meanwhile.
        """
        with self._lock:
            if self._closed or step in self._kept:
                return
            try:
                branch = world.branch()
            except RuntimeError:  # it cannot be branched; or its process has ended, which its next step reports
                return
            self._kept[step] = Living(branch, shown)
            oldest = [self._kept.pop(one) for one in sorted(self._kept)[:-KEPT]]
        for living in oldest:
            living.world.close()

    def begin(self, fork: EpisodeFolder, step: int) -> tuple[Living, int] | None:
        """A world where `step` begins in a fork of the episode, and the actions that were replayed in it.

        None where no branch is kept from before that step. RuntimeError where branching fails.
        """
        with self._lock:
            first = max((one for one in self._kept if one <= step), default=None)
            if first is None:
                return None
            world, shown = self._kept[first].world.branch(), self._kept[first].observation
        try:
            with TraceReader(fork) as reader:
                actions = [one.action for one in reader.outlines(first, step - 1)] if first < step else []
            for _ in world.replay(actions[:-1]):
                pass
            if actions:
                shown = world.step(actions[-1])[0]
        except BaseException:
            world.close()
            raise
        return Living(world, shown), len(actions)

    def close(self) -> None:
        """Close them all; none is kept from then on."""
        with self._lock:
            self._closed = True
            branches = list(self._kept.values())
            self._kept.clear()
        for living in branches:
            living.world.close()

"""One episode of 100,000 steps in one process: does anything grow with the steps taken?

    python benchmarks/soak.py [STEPS]

Promises, each against the state after the first 5,000 steps: memory grows by less than 50 MB, no file is left open, and
a step costs no more trace or journal than 1.2 x what it did, and no more CPU than 1.5 x (the machine is not quiet for
that long). The world is an endless corridor; its scripted player
(rules, no language model) searches and appends in every step, so its file grows with the episode.
"""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import paths  # noqa: F401 - before anything of the repository
from endless_world import register, scaffold

STEPS, WARM = 100_000, 5_000
MEMORY_MB, GROWTH, CPU_GROWTH = 50, 1.2, 1.5


@dataclass(frozen=True)
class State:
    """What the process and its files amount to at a step."""

    step: int
    memory_mb: float
    open_files: int
    cpu_s: float
    trace: int
    journal: int


def look(step: int, folder: Any) -> State:
    """The state now."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return State(
        step,
        pages * os.sysconf("SC_PAGE_SIZE") / 2**20,
        len(list(Path("/proc/self/fd").iterdir())),
        time.process_time(),
        folder.steps.stat().st_size,
        folder.journal.stat().st_size,
    )


async def play(steps: int, place: Path) -> list[State]:
    """Play, and look ten times on the way."""
    from graphs.evaluation.episode import step_config
    from graphs.inner_agent.graph import graph
    from graphs.inner_agent.sessions import SESSIONS
    from graphs.inner_agent.state import Input
    from graphs.settings import EpisodeSettings
    from traces import RunFolder

    settings = EpisodeSettings(
        world="endless", task="default", seed=1, model="scripted", scaffold=scaffold(), max_steps=steps
    )
    folder = RunFolder(place / "run").episode("endless", "default", 1)
    session = SESSIONS.hold(settings, folder)
    marks = {WARM // 2, WARM, steps - WARM // 2, steps} | {steps * tenth // 10 for tenth in range(1, 10)}
    states = []
    for step in range(1, steps + 1):
        await graph.ainvoke(Input(episode=str(folder.path), steps=1), step_config(session))
        if step in marks:
            states.append(look(step, folder))
    SESSIONS.close(folder)
    return states


def main() -> bool:
    """Print the figures; whether the promises are kept."""
    steps = int(sys.argv[1]) if len(sys.argv) > 1 else STEPS
    register(steps)
    with tempfile.TemporaryDirectory(prefix="automem-soak-") as place:
        states = {state.step: state for state in asyncio.run(play(steps, Path(place)))}
    half, warm, before, end = (states[mark] for mark in (WARM // 2, WARM, steps - WARM // 2, steps))
    ratios = {
        name: (getattr(end, name) - getattr(before, name)) / (getattr(warm, name) - getattr(half, name))
        for name in ("cpu_s", "trace", "journal")
    }
    grown = end.memory_mb - warm.memory_mb
    print(
        f"memory: {warm.memory_mb:.0f} MB after {WARM:,} steps, {grown:+.1f} MB after {steps:,} (promise < {MEMORY_MB})"
    )
    print(f"open files: {warm.open_files}, then {end.open_files}")
    limits = {"cpu_s": CPU_GROWTH, "trace": GROWTH, "journal": GROWTH}
    for name, what in (("cpu_s", "CPU"), ("trace", "trace bytes"), ("journal", "journal bytes")):
        figure = f"{ratios[name]:.2f} x steps {WARM // 2:,}-{WARM:,}"
        print(f"{what} per step, last {WARM // 2:,} steps: {figure} (promise <= {limits[name]})")
    kept = all(ratios[name] <= limit for name, limit in limits.items())
    return grown < MEMORY_MB and end.open_files <= warm.open_files and kept


if __name__ == "__main__":
    raise SystemExit(not main())

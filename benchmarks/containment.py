"""What containing a scaffold's code costs: the shipped example, run directly and in a contained process.

    python benchmarks/containment.py

A step is what an episode asks of hooks in one: observe, maintain (with its requests to the notebook) and act, plus one
operation of the scaffold's own. The observations are Crafter's, of a fixed play. Promise: at most 2 ms of wall time per
step more than directly. Starting and ending a process, once per episode, is printed beside it.
"""

from __future__ import annotations

import shutil
import statistics
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from memory_fs import MemoryFS
from scaffolds import SHIPPED, Scaffold, View
from worlds import make_world

PROMISE_MS = 2.0
STEPS, ROUNDS = 300, 5


def views() -> list[View]:
    """What hooks are shown of the first steps of an episode."""
    with closing(make_world("crafter")) as world:
        observation, _ = world.reset(seed=1)
        action, shown = None, []
        for step in range(1, STEPS + 1):
            texts = {"long": observation["long"], "short": observation["short"]}
            shown.append(View(step, texts, action, world.actions.names, world.name, world.task))
            action = world.actions.names[step % 6]
            observation, _, terminated, truncated, _ = world.step(action)
            if terminated or truncated:
                observation, _ = world.reset(seed=step)
    return shown


def step_ms(scaffold: Scaffold, shown: list[View], folder: Path) -> list[float]:
    """Milliseconds of each step of an episode."""
    world = make_world("crafter")
    with closing(world), MemoryFS(folder) as notebook:
        hooks = scaffold.hooks()
        if hooks is None:
            raise RuntimeError("the example has hooks")
        upsert = scaffold.vocabulary("LOG", world.actions, hooks=hooks).get("upsert_map")
        if upsert is None or upsert.run is None:
            raise RuntimeError("the example has an operation")
        taken = []
        for view in shown:
            arguments = upsert.arguments(coordinate=f"{view.step % 50},0", description=f"step {view.step}")
            began = time.perf_counter()
            hooks.observe(view)
            hooks.maintain(view, notebook)
            hooks.act("go left", view)
            upsert.run(notebook, arguments)
            taken.append(1e3 * (time.perf_counter() - began))
        hooks.close()
    return taken


def best_ms(action: Callable[[], object]) -> float:
    """Milliseconds of the fastest of ten."""
    taken = []
    for _ in range(10):
        began = time.perf_counter()
        action()
        taken.append(1e3 * (time.perf_counter() - began))
    return min(taken)


def main() -> bool:
    """Print the figures; whether the promise is kept."""
    with tempfile.TemporaryDirectory(prefix="automem-benchmark-") as folder:
        copy = Path(folder, "mine")
        shutil.copytree(SHIPPED / "examples" / "every_entry_point", copy)
        direct, contained = Scaffold.load("examples/every_entry_point"), Scaffold.load(copy)
        shown = views()
        pairs = []
        for number in range(ROUNDS):
            figures = [step_ms(one, shown, Path(folder, f"{number}-{one.contained}")) for one in (direct, contained)]
            pairs.append(tuple(map(statistics.mean, figures)))

        def start_and_end() -> None:
            hooks = contained.hooks()
            if hooks is not None:
                hooks.close()

        started = best_ms(start_and_end)
    more, directly, inside = sorted((inside - directly, directly, inside) for directly, inside in pairs)[ROUNDS // 2]
    print(f"a step of every hook and one operation: {directly:.2f} ms directly, {inside:.2f} ms contained")
    print(f"containment: {more:.2f} ms per step, {inside / directly:.1f} x (promise <= {PROMISE_MS} ms)")
    print(f"containment: {started:.0f} ms per episode to start and end a process")
    return more <= PROMISE_MS


if __name__ == "__main__":
    raise SystemExit(not main())

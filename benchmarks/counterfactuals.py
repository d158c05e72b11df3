"""How often the interval of an effect excludes 0 where the write truly does nothing.

    python benchmarks/counterfactuals.py [OPERATIONS]     (300 by default)

A player of the vault with sampling noise notes something that it never reads. Dropping the note changes its prompts and
so its luck, but not its chances. Each operation is of another episode; both arms of 7 samples are played by the real
code. Then the same estimate over simulated luck, with more samples. Exits 1 where 95 % intervals exclude 0 in more than
6.5 %.
"""

from __future__ import annotations

import asyncio
import random
import sys
import time

import paths
from noisy_player import UNREAD, noisy

from graphs.evaluation import graph
from graphs.inner_agent import Context
from graphs.spending import Spending
from lab.counterfactual import Experiment, estimate
from lab.operations import Change, operations_of
from traces import EpisodeFolder, RunFolder
from traces.effects import Effect

OPERATIONS, SAMPLES, AT_MOST = 300, 7, 0.065
SIDE_BY_SIDE = 8
DRAWN = {7: 4_000, 12: 1_000, 16: 200}
"""Samples, and how many estimates are simulated."""
CHANCES = (0.1, 0.5, 0.8)
"""That an episode of a simulated arm succeeds."""
DECIDED = ("helpful", "harmful")


async def played(operations: int) -> list[Effect]:
    """The effects of dropping an unread note, each of another seed."""
    run = RunFolder(paths.scratch() / "run")
    request = {"world": "vault", "tasks": ["one-door"], "seeds": list(range(operations)), "out": str(run.path)}
    await graph.ainvoke(request, context=Context())  # type: ignore[arg-type]
    places = asyncio.Semaphore(SIDE_BY_SIDE)  # most of the time is waiting for the disk

    async def measured(episode: EpisodeFolder) -> Effect:
        write = next(one for one in operations_of(episode, "write") if one.record.file == UNREAD)
        one = Experiment(episode, write, Change(), paths.scratch(), horizon=10)
        async with places:
            return await one.measure(SAMPLES, Spending({}, "run"))

    return await asyncio.gather(*map(measured, run.episodes()))


def simulated(samples: int, chance: float, estimates: int) -> float:
    """The share of estimates of no effect that exclude 0."""
    luck = random.Random(f"{samples} {chance}")
    wrong = 0
    for _ in range(estimates):
        differences = [float((luck.random() < chance) - (luck.random() < chance)) for _ in range(samples)]
        wrong += estimate(differences).verdict in DECIDED
    return wrong / estimates


def main() -> int:
    """Play, simulate, print; 1 if the promise is broken."""
    operations = int(sys.argv[1]) if len(sys.argv) > 1 else OPERATIONS
    began = time.perf_counter()
    with noisy():
        effects = asyncio.run(played(operations))
    wrong = sum(one.progression.verdict in DECIDED for one in effects) / len(effects)
    moved = sum(one.progression.verdict != "no effect" for one in effects)
    mean = sum(one.unchanged for one in effects) / len(effects)
    print(
        f"played: {len(effects)} operations that do nothing, {SAMPLES} samples each, {mean:.0%} of the doors open; the "
        f"arms differ in {moved}; {wrong:.1%} of the intervals exclude 0 ({time.perf_counter() - began:.0f} s)"
    )
    shares = [wrong]
    for samples, estimates in DRAWN.items():
        found = [simulated(samples, chance, estimates) for chance in CHANCES]
        shares += found
        listed = ", ".join(f"{share:.1%} at {chance}" for share, chance in zip(found, CHANCES, strict=True))
        print(f"simulated: {samples} samples, {estimates} estimates: {listed}")
    return int(max(shares) > AT_MOST)


if __name__ == "__main__":
    raise SystemExit(main())

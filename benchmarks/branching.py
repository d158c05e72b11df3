"""What a branch of a NetHack episode costs, and the process that makes branches possible.

Run: python benchmarks/branching.py [STEPS]      (20,000 by default)

A world in a process of its own plays STEPS cautious steps. Then: branches of it, against a replay of the same actions
with words (as a reader needs them) and without (as a resumed episode needs them); 64 branches that live side by side;
and, before it all, steps of two worlds in turns, one in this process and one in its own. Exits 1 for a broken promise.
"""

import random
import statistics
import sys
import time

import paths  # noqa: F401  # puts the repository on the path
import psutil

from worlds import World, make_world, open_world

SEED, STEPS, BRANCHES, COMPARED = 42, 20_000, 64, 3_000
NETHACK = ("nethack", "NetHackChallenge-v0", 10**9)
KEYS = ("look", "esc")
"""What a cautious hero does, with a search in a hundred actions: 20,000 are 200 turns, and it lives."""
FASTER, BRANCH_S, BRANCH_MB, STEP_RATIO = 100, 0.2, 15, 1.25


def actions(steps: int) -> list[str]:
    """The same for every world."""
    chosen = random.Random(SEED).choices(KEYS, k=steps)
    return ["search" if number % 100 == 0 else action for number, action in enumerate(chosen)]


def busy(steps: int) -> list[str]:
    """Steps as a player takes them: it walks about. Enough for one episode."""
    return random.Random(SEED).choices(("north", "east", "south", "west", "search", "far east"), k=steps)


def start(*, apart: bool) -> World:
    """A new game in this process or in its own."""
    name, task, limit = NETHACK
    world = open_world(name, task, max_steps=limit) if apart else make_world(name, task, max_steps=limit)
    world.reset(seed=SEED)
    return world


def seconds_in_turns(steps: list[str]) -> tuple[float, float]:
    """Wall seconds of a step in this process and in a process of its own, some steps of each in turns.

    The first quartile of all steps: what else the machine does takes turns with two processes more often than with one.
    """
    spent: dict[bool, list[float]] = {False: [], True: []}
    worlds = {apart: start(apart=apart) for apart in spent}
    for first in range(0, len(steps), 50):
        for apart, world in worlds.items():
            for action in steps[first : first + 50]:
                began = time.perf_counter()
                ended = any(world.step(action)[2:4])
                spent[apart].append(time.perf_counter() - began)
                if ended:
                    world.reset(seed=SEED)
    for world in worlds.values():
        world.close()
    here, apart = (statistics.quantiles(spent[own], n=4)[0] for own in (False, True))
    return here, apart


def replayed(steps: list[str], *, words: bool) -> float:
    """Seconds until a new world is where the steps end."""
    world, began = start(apart=True), time.perf_counter()
    for _ in map(world.step, steps) if words else world.replay(steps):
        pass
    took = time.perf_counter() - began
    world.close()
    return took


def side_by_side(world: World, count: int) -> float:
    """Megabytes that a branch adds, each having played a little: its share of all memory in use."""
    before = set(psutil.Process().children(recursive=True))
    branches = [world.branch() for _ in range(count)]
    for branch in branches:
        for action in KEYS:
            branch.step(action)
    new = set(psutil.Process().children(recursive=True)) - before
    megabytes = sum(process.memory_full_info().pss for process in new) / len(new) / 2**20
    for branch in branches:
        branch.close()
    return float(megabytes)


def main() -> int:
    """Print each figure beside its promise."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else STEPS
    here, apart = seconds_in_turns(busy(COMPARED))
    worded, wordless = replayed(actions(count), words=True), replayed(actions(count), words=False)
    world = start(apart=True)
    for _ in world.replay(actions(count)):
        pass
    times = []
    for _ in range(20):
        began = time.perf_counter()
        branch = world.branch()
        times.append(time.perf_counter() - began)
        branch.close()
    branch_s, megabytes = statistics.median(times), side_by_side(world, BRANCHES)
    world.close()
    print(
        f"a step in its own process: {apart * 1e6:.0f} µs, "
        f"{apart / here:.2f} x one in this process (promise: {STEP_RATIO})"
    )
    print(f"replay of {count:,} steps: {count / worded:,.0f} steps/s with words, {count / wordless:,.0f} without")
    print(f"a branch: {branch_s * 1000:.1f} ms (promise: {BRANCH_S * 1000:.0f}), at step {count:,}")
    print(f"  {worded / branch_s:,.0f} x faster than the replay with words (promise: {FASTER}), ", end="")
    print(f"{wordless / branch_s:,.0f} x than the one without")
    print(f"{BRANCHES} branches side by side: {megabytes:.1f} MB each (promise: {BRANCH_MB})")
    kept = apart <= here * STEP_RATIO, branch_s <= BRANCH_S, worded >= branch_s * FASTER, megabytes <= BRANCH_MB
    return 0 if all(kept) else 1


if __name__ == "__main__":
    sys.exit(main())

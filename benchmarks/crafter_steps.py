"""Steps per CPU second of Crafter: the package, which draws a picture at every step, against ours, which draws none.

Run: python benchmarks/crafter_steps.py [STEPS]      (300 by default: a day and its night)

All play the same random actions with the same seed, in turns of a few steps, so that a busy machine slows them alike;
the player is kept alive. Ours includes BALROG's text, which the package's figures do not. Exits 1 below the promised
ratio.
"""

import random
import sys
import time
from collections.abc import Callable

import crafter

from worlds import make_world
from worlds.world import World

SEED = 42
TURN = 10
PROMISED = 5.0
"""Ours against the package with BALROG's two pictures of 256 × 256, the game our episodes equal."""

Play = Callable[[int], None]


def package_alone() -> Play:
    """`crafter.Env` as it comes: one picture of 64 × 64 per step."""
    env = crafter.Env(seed=SEED)
    env.reset()

    def play(action: int) -> None:
        env.step(action)
        env._player.health = 9

    return play


def package_as_in_balrog() -> Play:
    """Two pictures of 256 × 256 per step: one the package draws, one the benchmark's wrapper."""
    env = crafter.Env(seed=SEED, size=(256, 256))
    env.reset()

    def play(action: int) -> None:
        env.step(action)
        env.render()
        env._player.health = 9

    return play


def ours(look: bool = False) -> Play:
    """A step with its text; with `look`, a frame after each."""
    world: World = make_world("crafter", max_steps=10**9)
    world.reset(seed=SEED)
    names = world.actions.names

    def play(action: int) -> None:
        world.step(names[action])
        world._engine.player.health = 9  # type: ignore[attr-defined]
        world._running = True  # lava kills at once, and the package plays on
        if look:
            world.frame()

    return play


def cpu_per_step(players: dict[str, Play], steps: int) -> dict[str, float]:
    """Milliseconds of CPU per step of each player, taking turns over the same actions."""
    chance = random.Random(SEED)
    spent = dict.fromkeys(players, 0.0)
    for _ in range(steps // TURN):
        actions = [chance.randrange(17) for _ in range(TURN)]
        for name, play in players.items():
            start = time.process_time()
            for action in actions:
                play(action)
            spent[name] += time.process_time() - start
    return {name: 1_000 * seconds / (steps // TURN * TURN) for name, seconds in spent.items()}


def main() -> int:
    """Measure, print a line per way of playing, and say whether the promise holds."""
    steps = int(sys.argv[1]) if len(sys.argv) > 1 else 300
    cost = cpu_per_step(
        {
            "package, 64 x 64 picture": package_alone(),
            "package as in BALROG, 2 x 256 x 256": package_as_in_balrog(),
            "ours with text": ours(),
            "ours with text, looked at": ours(look=True),
        },
        steps,
    )
    best = cost["ours with text"]
    for name, milliseconds in cost.items():
        rate = 1_000 / milliseconds
        print(f"{name:<38} {rate:7.0f} steps/s {milliseconds:7.3f} ms/step {milliseconds / best:6.1f} x ours")
    ratio = cost["package as in BALROG, 2 x 256 x 256"] / best
    print(f"ratio {ratio:.1f}, promised {PROMISED}")
    return 0 if ratio >= PROMISED else 1


if __name__ == "__main__":
    sys.exit(main())

"""What NetHack's text costs: CPU per step of nle alone, and of our world on it, which adds the whole observation.

Run: python benchmarks/nethack_text.py [STEPS]      (2,000 by default)

Both play the same keys of the same seed in turns of a few steps, so that a busy machine slows them alike. Beside it the
three wordings of one moment's text. Exits 1 if an observation costs more than the promised millisecond.
"""

import random
import sys
import time
from collections.abc import Callable, Iterator

import paths  # noqa: F401  # puts the repository on the path

from worlds import make_world
from worlds.nethack_engine import keys
from worlds.nethack_game import NetHackGame
from worlds.nethack_text import Wording, observation

SEED = 42
TURN = 50
PROMISED_MS = 1.0
KEYS = ("far north", "far east", "far south", "far west", "north", "east", "south", "west", "search", "down", "esc")


def game() -> NetHackGame:
    """A NetHack world."""
    made = make_world("nethack", max_steps=10**9)
    assert isinstance(made, NetHackGame)
    return made


def episode(step: Callable[[str], bool], reset: Callable[[int], object]) -> Iterator[None]:
    """Plays for ever, one step per item; an episode that ends is followed by that of the next seed."""
    chance = random.Random(SEED)
    for seed in range(SEED, sys.maxsize):
        reset(seed)
        while not step(chance.choice(KEYS)):
            yield
        yield


def bare() -> Iterator[None]:
    """nle's own step, of the environment the world makes."""
    world = game()

    def step(action: str) -> bool:
        engine = world._engine
        return bool(engine._env.step(engine._index[keys()[action]])[2])

    return episode(step, lambda seed: world.reset(seed=seed))


def ours() -> Iterator[None]:
    """Our world's step."""
    world = game()

    def step(action: str) -> bool:
        return any(world.step(action)[2:4])

    return episode(step, lambda seed: world.reset(seed=seed))


def texts(steps: int) -> dict[str, float]:
    """Milliseconds of CPU per observation of each wording, and of the slowest single one, over a played game."""
    world = game()
    spent = dict.fromkeys([*Wording, "slowest"], 0.0)

    def step(action: str) -> bool:
        over = any(world.step(action)[2:4])
        for wording in Wording:
            start = time.process_time()
            observation(world._engine.screen, wording)
            took = time.process_time() - start
            spent[wording] += took
            spent["slowest"] = max(spent["slowest"], took * steps)
        return over

    playing = episode(step, lambda seed: world.reset(seed=seed))
    for _ in range(steps):
        next(playing)
    return {name: 1_000 * seconds / steps for name, seconds in spent.items()}


def main() -> int:
    """Measure, print a line each, and say whether the promise holds."""
    steps = int(sys.argv[1]) if len(sys.argv) > 1 else 2_000
    players = {"nle alone": bare(), "our world": ours()}
    spent = dict.fromkeys(players, 0.0)
    for _ in range(steps // TURN):
        for name, player in players.items():
            start = time.process_time()
            for _ in range(TURN):
                next(player)
            spent[name] += time.process_time() - start
    cost = {name: 1_000 * seconds / (steps // TURN * TURN) for name, seconds in spent.items()}
    for name, milliseconds in cost.items():
        print(f"{name:<28} {milliseconds:7.3f} ms/step {milliseconds / cost['nle alone']:6.2f} x nle alone")
    wordings = texts(steps // 4)
    for name, milliseconds in wordings.items():
        print(f"text, {name:<22} {milliseconds:7.3f} ms      {milliseconds / cost['nle alone']:6.2f} x a step of nle")
    worst = max(wordings[wording] for wording in Wording)
    print(f"text {worst:.3f} ms, promised at most {PROMISED_MS}")
    return 0 if worst <= PROMISED_MS else 1


if __name__ == "__main__":
    sys.exit(main())

"""What a world says over 200 random actions, as one hash, to compare processes by.

Run: PYTHONPATH=. python tests/kit/episode_hash.py [reversed]
"""

import hashlib
import json
import random
import sys
from typing import Any

from worlds import World, make_world, world_entry, world_names

STEPS = 200


def registered_tasks() -> list[tuple[str, str]]:
    """(world, task) of everything registered."""
    return [(name, task) for name in world_names() for task in world_entry(name).tasks]


def told(answer: tuple[Any, ...]) -> bytes:
    """What a reset or a step answered, as bytes: any difference shows."""
    return json.dumps(answer, sort_keys=True).encode()


def play(world: World, seed: int, steps: int = STEPS, *, look: bool = False) -> str:
    """The hash of `steps` random actions; an episode that ends is followed by that of the next seed.

    With `look`, a frame and tiles are asked for after every step.
    """
    chance = random.Random(seed)
    digest = hashlib.sha256(told(world.reset(seed=seed)))
    for _ in range(steps):
        answer = world.step(chance.choice(world.actions.names))
        digest.update(told(answer))
        if look:
            world.frame()
            world.truth()
            world.tiles()
        if answer[2] or answer[3]:
            seed += 1
            digest.update(told(world.reset(seed=seed)))
    return digest.hexdigest()


def main() -> None:
    """Print the hash of every registered task, played in order or, to move every object in memory, backwards."""
    tasks = registered_tasks()
    if sys.argv[1:] == ["reversed"]:
        tasks.reverse()
    json.dump({f"{name}/{task}": play(make_world(name, task), seed=7) for name, task in tasks}, sys.stdout)


if __name__ == "__main__":
    main()

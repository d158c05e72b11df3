"""Our engine against the package itself, stepping with its pictures drawn: every creature and random number equal."""

import random
from collections import defaultdict
from typing import Any

import crafter
import opensimplex
from crafter import engine

from worlds.crafter_engine import CrafterEngine, Noise


class Ordered(dict[Any, None]):
    def add(self, item: Any) -> None:
        self[item] = None

    def remove(self, item: Any) -> None:
        del self[item]


class OrderedWorld(engine.World):  # type: ignore[misc]
    """The package's world; only the order of a chunk's creatures is fixed, as it is in BALROG's ordered recordings."""

    def reset(self, seed: int | None = None) -> None:
        super().reset(seed)
        self._chunks: defaultdict[Any, Ordered] = defaultdict(Ordered)


def package(seed: int) -> Any:
    env = crafter.Env(size=(256, 256), seed=seed)
    env._world.__class__ = OrderedWorld
    env.reset()
    step(env, 0)
    return env


def step(env: Any, action: int) -> None:
    """As BALROG does: the package's step draws one picture, and a second is drawn after it."""
    env.step(action)
    env.render()


def state(env: Any) -> tuple[Any, ...]:
    """Everything that can tell two episodes apart."""
    _, key, position, *_ = env._world.random.get_state()
    creatures = [(type(item).__name__, *item.pos.tolist(), item.health) for item in env._world._objects if item]
    player = env._player
    return (
        (key.tobytes(), position, env._world._mat_map.tobytes(), creatures),
        (player.inventory, player.achievements, tuple(player.facing), player.sleeping, player._hunger, player._recover),
    )


def test_every_creature_and_random_number_equals_the_packages_through_dusk_and_night() -> None:
    theirs, ours, chance = package(3), CrafterEngine.start(3), random.Random(3)
    assert state(ours) == state(theirs)
    for number in range(190):
        action = chance.choice((0, 1, 1, 1, 2, 3, 4, 5, 5, 5, 6))
        for env in (theirs, ours):
            env._player.health = 9  # kept alive, to see the night
        step(theirs, action)
        ours.step(action)
        assert state(ours) == state(theirs), f"step {number + 1}"
    assert ours.daylight < 0.4


def test_an_engine_made_from_copied_land_equals_one_made_from_nothing() -> None:
    CrafterEngine.start(6).step(5)  # whatever is done with a copy leaves the land as it was
    copied, made = CrafterEngine.start(6), CrafterEngine(6)
    for action in [1, 1, 5, 3, 5, 4] * 8:
        copied.step(action)
        made.step(action)
    assert state(copied) == state(made)


def test_a_step_costs_no_more_however_many_objects_there_were() -> None:
    env = CrafterEngine.start(6)
    near = len(env._world.objects)
    env._world._objects.extend([None] * 100_000)  # what a long episode leaves behind
    assert len(env._world.objects) == near


def test_its_noise_is_the_packages_bit_for_bit() -> None:
    chance = random.Random(0)
    ours, theirs = Noise(123_456_789), opensimplex.OpenSimplex(123_456_789)
    for _ in range(3_000):
        place = chance.uniform(-9, 33), chance.uniform(-9, 33), chance.choice((0, 1, 2, 3, 4, 5, 6, 7, 8))
        assert ours.noise3(*place).hex() == float(theirs.noise3(*place)).hex()

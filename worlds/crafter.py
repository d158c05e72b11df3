"""Crafter as a world: the PyPI package's game, seventeen named actions, BALROG's text.

One task, `default`: 64 × 64 cells, unlock as many of 22 achievements as 2,000 steps allow.
"""

from copy import deepcopy
from typing import cast

from worlds.crafter_engine import ACHIEVEMENTS, CrafterEngine
from worlds.crafter_text import long_text, short_text, truth_text
from worlds.world import Actions, Frame, Observation, Turn, World

ACTIONS = Actions(
    {
        "Noop": "do nothing",
        "Move West": "face west, and step there if it is free flat ground",
        "Move East": "face east, and step there if it is free flat ground",
        "Move North": "face north, and step there if it is free flat ground",
        "Move South": "face south, and step there if it is free flat ground",
        "Do": "use what you face: gather a material, drink water, hit a creature, eat a ripe plant",
        "Sleep": "sleep, when energy is below its maximum",
        "Place Stone": "put a stone in front of you",
        "Place Table": "put a table in front of you, from wood",
        "Place Furnace": "put a furnace in front of you, from stone",
        "Place Plant": "plant a sapling in the grass in front of you",
        "Make Wood Pickaxe": "craft a wood pickaxe near a table, from wood",
        "Make Stone Pickaxe": "craft a stone pickaxe near a table, from wood and stone",
        "Make Iron Pickaxe": "craft an iron pickaxe near a table and a furnace, from wood, coal and iron",
        "Make Wood Sword": "craft a wood sword near a table, from wood",
        "Make Stone Sword": "craft a stone sword near a table, from wood and stone",
        "Make Iron Sword": "craft an iron sword near a table and a furnace, from wood, coal and iron",
    },
    default="Noop",
)
"""In the order of the package's own indices."""


class CrafterWorld(World):
    """Crafter under BALROG's protocol. Statistics hold the achievements unlocked so far and what people want to see."""

    name = "crafter"
    tasks = ("default",)
    actions = ACTIONS

    _engine: CrafterEngine

    def _reset(self, seed: int) -> Turn:
        self._engine = CrafterEngine.start(seed)
        return self._turn(0.0)

    def _step(self, action: str) -> Turn:
        _, reward, _, _ = self._engine.step(ACTIONS.names.index(action))
        return self._turn(float(reward))

    def _turn(self, reward: float) -> Turn:
        player = self._engine.player
        dead = player.health <= 0
        unlocked = [name for name in ACHIEVEMENTS if player.achievements[name] > 0]
        return Turn(
            Observation(
                long=long_text(self._engine.seen(), player.facing, sleeping=player.sleeping, dead=dead),
                short=short_text(player.inventory),
            ),
            reward,
            progression=len(unlocked) / len(ACHIEVEMENTS),
            statistics={
                "achievements": sorted(unlocked),
                "position": player.pos.tolist(),
                "daylight": round(self._engine.daylight, 3),
            },
            end_reason="died" if dead else None,
        )

    def truth(self) -> str:
        """The nearest place of each kind on the whole map, by steps and direction."""
        return truth_text(self._engine.map(), self._engine.player.pos.tolist())

    def branch(self) -> World:
        """An exact copy of the running episode."""
        twin = cast(CrafterWorld, self._twin())
        twin._engine = deepcopy(self._engine)
        return twin

    def frame(self) -> Frame:
        """The package's picture: RGB of shape (256, 256, 3)."""
        return self._engine.frame()

"""MiniHack's Boxoban with one level given to it.

The package's own environment reads all levels there are for every episode (half a million), draws one with the
process's random numbers, in an order that hangs on the file system, and cannot be reset with nle 1.3.0.
"""

from typing import Any

from minihack import LevelGenerator, MiniHackNavigation
from minihack.envs.boxohack import MOVE_ACTIONS, BoxoHack


class BoxobanLevel(BoxoHack):  # type: ignore[misc]  # the package is untyped
    """The level as the package builds it; goals, endings and rewards are the package's."""

    def __init__(self, level: str, **settings: Any) -> None:
        self._level = level
        self._goal_pos_set: set[tuple[int, int]] = set()
        self._flags = ()
        self._time_penalty, self._reward_shaping_coefficient = -0.001, 0.1  # as in the package's Medium and Hard
        # Not the package's constructor: it wants the levels.
        MiniHackNavigation.__init__(self, des_file=self.get_lvl_gen().get_des(), actions=MOVE_ACTIONS, **settings)

    def get_lvl_gen(self) -> LevelGenerator:
        """The level in MiniHack's terms."""
        grid, places = self.get_env_map([*self._level.split("\n"), ""])
        generator = LevelGenerator(map=grid, lit=True, flags=["noteleport", "premapped"], solidfill=" ")
        for boulder in places["boulders"]:
            generator.add_boulder(boulder)
        for goal in places["fountains"]:
            generator.add_fountain(goal)
        generator.set_start_pos(places["player"])
        return generator

    def reset(self, **settings: Any) -> Any:
        """The first moment of the level."""
        answer = MiniHackNavigation.reset(self, **settings)
        self._goal_pos_set = self._object_positions(self.last_observation, "{")
        return answer

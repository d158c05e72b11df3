"""MiniHack as a world: the paper's eight tasks on NetHack's engine, BALROG's text, solved or not."""

import warnings
from importlib import import_module
from pathlib import Path
from typing import Any

import gymnasium

from worlds import boxoban
from worlds.nethack import ending
from worlds.nethack_engine import NO_LIMIT, OBSERVED, Answer, key_actions, only
from worlds.nethack_game import NetHackGame
from worlds.nethack_text import Wording
from worlds.world import Actions, Observation, Turn

with warnings.catch_warnings():
    warnings.filterwarnings("ignore", "pkg_resources is deprecated as an API", UserWarning)
    import minihack.base  # reads its files' places through pkg_resources
    from minihack import LevelGenerator, MiniHackNavigation
    from minihack.envs.boxohack import MOVE_ACTIONS, BoxoHack

TASKS = (
    "MiniHack-Boxoban-Hard-v0",
    "MiniHack-Boxoban-Medium-v0",
    "MiniHack-MazeWalk-9x9-v0",
    "MiniHack-MazeWalk-15x15-v0",
    "MiniHack-Corridor-R3-v0",
    "MiniHack-CorridorBattle-Dark-v0",
    "MiniHack-Quest-Easy-v0",
    "MiniHack-Quest-Medium-v0",
)

_PUSHES = ("north", "east", "south", "west")
_MOVES = (*_PUSHES, "northeast", "southeast", "southwest", "northwest")
_LISTED_IN_QUESTS = (
    *_MOVES,
    *(f"far {direction}" for direction in _MOVES),
    *("down", "wait", "more", "apply", "close", "eat", "force", "kick", "loot", "open", "pickup", "pray", "puton"),
    *("quaff", "search", "zap"),
)
"""BALROG's names for quests."""


def task_actions(task: str) -> Actions:
    """The actions of a task: BALROG's, and in quests every other name whose key the task accepts.

    BALROG offers `zap` in a quest but not the letters that say what to zap, nor `esc` to cancel.
    """
    if "Boxoban" in task:
        return only(_PUSHES, default="north")
    if "Quest" in task:
        accepted = {int(key) for key in minihack.base.MH_FULL_ACTIONS}
        return key_actions("north", accepted, first=_LISTED_IN_QUESTS)
    return only((*_MOVES, "open", "kick", "search") if "Corridor-R3" in task else _MOVES, "north")


class MiniHackWorld(NetHackGame):
    """MiniHack under BALROG's protocol. Statistics hold the figures of the status line and whether the task is solved.

    Progression is the paper's: 1 only if the last reward is at least 1. A task solved by an action that costs no game
    turn pays 0.99, and so has `solved` true and progression 0.

    Options: `wording`, see worlds.nethack_text.
    """

    name = "minihack"
    tasks = TASKS

    def __init__(self, task: str, max_steps: int, wording: str = Wording.NUMERIC) -> None:
        if task in TASKS:  # the base class refuses any other
            self.actions = task_actions(task)
            self._levels = task.split("-")[2].lower() if "Boxoban" in task else None
            if self._levels is not None:
                boxoban.level_files(self._levels)  # missing levels are reported before anything is played
        super().__init__(task, max_steps, wording)

    def _environment(self, seed: int) -> Any:
        settings = {
            "observation_keys": OBSERVED,
            "character": "@",
            "max_episode_steps": NO_LIMIT,
            "penalty_step": -0.01,
            "penalty_time": 0.0,
            "penalty_mode": "constant",
            "autopickup": True,
            "fix_moon_phase": True,
        }
        if self._levels is not None:
            env: Any = BoxobanLevel(boxoban.level_of(self._levels, seed), **settings)
        else:
            module, _, name = str(gymnasium.spec(self.task).entry_point).partition(":")
            env = getattr(import_module(module), name)(**settings)
        if (Path(env.nethack._vardir) / "nhdat").is_symlink():  # still NetHack's own; the package does not look
            env.close()
            raise RuntimeError("MiniHack's script mh_patch_nhdat.sh could not compile the level")
        return env

    def _judge(self, answer: Answer) -> Turn:
        solved = answer.status == "TASK_SUCCESSFUL"
        return Turn(
            Observation(long="", short=""),
            answer.reward,
            progression=float(answer.over and answer.reward >= 1.0),
            statistics={"solved": solved, "last_reward": answer.reward},
            end_reason=("solved" if solved else ending(self._engine.last_words())) if answer.over else None,
        )


class BoxobanLevel(BoxoHack):  # type: ignore[misc]  # the package is untyped
    """MiniHack's Boxoban with one level given to it; goals, endings and rewards are the package's.

    The package's own environment reads all levels there are for every episode (half a million), draws one with the
    process's random numbers, in an order that depends on the file system, and cannot be reset with nle 1.3.0.
    """

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
        """The first observation of the level."""
        answer = MiniHackNavigation.reset(self, **settings)
        self._goal_pos_set = self._object_positions(self.last_observation, "{")
        return answer

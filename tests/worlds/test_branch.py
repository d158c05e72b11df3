"""Worlds branch: a copy of a running episode goes on by itself, as a replay of the same actions would."""

import random
import re
import signal
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import gymnasium
import pytest
from episode_hash import told
from processes import wait_until_ended

from worlds import CannotBranch, EngineFailure, UnknownWorld, World, make_world, open_world, world_process
from worlds.gymnasium_world import GymnasiumWorld
from worlds.world import Actions

NETHACK = ("nethack", "NetHackChallenge-v0")
DOWN = re.findall(
    r"\S+",
    "west west south west southwest east east east south far_southeast east south south east east east east "
    "south east east east east far_north north north north north north north west north north north north "
    "north north east east east north north northeast northeast north west west west 2 0 search down ",
)
"""Down to the second level on seed 104, as the scripted player went."""


def play(world: World, actions: list[str]) -> list[bytes]:
    """What each action was answered, up to the end of the episode."""
    answers = []
    for action in actions:
        answer = world.step(action.replace("_", " "))
        answers.append(told(answer))
        if answer[2] or answer[3]:
            break
    return answers


def replayed(actions: list[str], seed: int = 104, *, world: tuple[str, str] = NETHACK) -> list[bytes]:
    """The answers of a new world in this process."""
    alone = make_world(*world)
    alone.reset(seed=seed)
    answers = play(alone, actions)
    alone.close()
    return answers


class Opened:
    """Worlds in processes of their own, and their branches; the fixture closes them."""

    def __init__(self) -> None:
        self.worlds: list[World] = []

    def __call__(self, name: str, task: str, seed: int) -> World:
        self.worlds.append(world := open_world(name, task, max_steps=1_000))
        world.reset(seed=seed)
        return world

    def branch(self, world: World) -> World:
        self.worlds.append(branch := world.branch())
        return branch


@pytest.fixture
def opened() -> Iterator[Opened]:
    opened = Opened()
    yield opened
    for world in opened.worlds:
        world.close()


@pytest.mark.parametrize(("name", "task"), [("crafter", "default"), ("vault", "six-doors")])
def test_a_branch_in_memory_goes_on_as_the_world_it_was_taken_from(name: str, task: str) -> None:
    world = make_world(name, task, max_steps=1_000)
    chance = random.Random(1)
    world.reset(seed=3)
    play(world, chance.choices(world.actions.names[:3], k=30))
    branch = world.branch()
    other = chance.choices(world.actions.names, k=100)
    play(branch.branch(), other[50:])  # what a branch of a branch does changes neither
    assert play(world, other) == play(branch, other)
    assert told((world.steps,)) == told((branch.steps,))


@pytest.mark.parametrize(
    ("name", "task"), [NETHACK, ("minihack", "MiniHack-MazeWalk-9x9-v0"), ("minihack", "MiniHack-Boxoban-Hard-v0")]
)
def test_a_world_in_its_own_process_is_the_same_world(opened: Opened, name: str, task: str) -> None:
    apart = opened(name, task, 7)
    actions = random.Random(2).choices([*apart.actions.names[:8]], k=60)
    branch = opened.branch(apart)
    assert play(apart, actions) == play(branch, actions) == replayed(actions, 7, world=(name, task))
    assert told((apart.frame(),)) == told((branch.frame(),))


def test_branches_on_the_second_level_keep_first_levels_of_their_own(opened: Opened) -> None:
    one = opened(*NETHACK, 104)
    play(one, DOWN)
    other = opened.branch(one)
    # One goes up, drops a scalpel and goes down and up again; the other then goes up to a floor without it.
    leaving = ["up", "east", "drop", "a", "look", "west", "down", "up", "east", "look"]
    looking = ["search", "up", "east", "look", "west", "down"]
    left, found = play(one, leaving), play(other, looking)
    assert [*replayed([*DOWN, *leaving])[len(DOWN) :]] == left
    assert [*replayed([*DOWN, *looking])[len(DOWN) :]] == found
    assert all(b"You see here a +0 scalpel" in looked for looked in (left[4], left[-1]))
    assert b'"dlvl": 1' in found[3]
    assert b"scalpel" not in found[3].partition(b"inventory")[0]


def test_a_branch_lives_on_when_its_origin_has_died_and_the_other_way_round(opened: Opened) -> None:
    one = opened(*NETHACK, 5)
    play(one, ["search"] * 3)
    other = opened.branch(one)
    third = opened.branch(other)
    end = ["pray", "y", "more", "more"] * 8  # a god that is asked too often kills
    assert b'"end_reason": "died: killed by the wrath' in play(one, end)[-1]
    one.close()
    assert play(other, ["search"] * 5) == replayed(["search"] * 8, 5)[3:]
    assert b'"end_reason": "died: killed by the wrath' in play(other, end)[-1]
    assert play(third, ["search"] * 5) == replayed(["search"] * 8, 5)[3:]


def test_a_replay_leaves_out_words_and_counts_the_same(opened: Opened) -> None:
    apart, actions = opened(*NETHACK, 104), [action.replace("_", " ") for action in DOWN]
    alone = make_world(*NETHACK)
    alone.reset(seed=104)
    stepped = [alone.step(action)[1:] for action in actions]
    assert list(apart.replay(actions)) == stepped
    alone.reset(seed=104)
    assert list(alone.replay(actions)) == stepped
    assert told(alone.step("search")) == told(apart.step("search"))


LAMP = """
import os, signal
from worlds.registry import WorldEntry
from worlds.world import Actions, Observation, Turn, World

ENTRY = WorldEntry("fragile", "a lamp", ("one",), (1,), 9, "their_lamp:Lamp", own_process=True)

class Lamp(World):
    name, tasks = "fragile", ("one",)
    actions = Actions({"Wait": "", "Break": "", "Raise": ""}, default="Wait")
    def _reset(self, seed):
        return Turn(Observation(long="lit", short=""), 0.0, 0.0, {})
    def _step(self, action):
        if action == "Break":
            os.kill(os.getpid(), signal.SIGKILL)
        if action == "Raise":
            raise ValueError("no oil")
        return Turn(Observation(long="lit", short=""), 1.0, 0.5, {})
    def frame(self):
        return "*"
"""


@pytest.fixture
def fragile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A user's world whose action Break kills its process."""
    info = tmp_path / "their_lamp-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: their-lamp\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[automem.worlds]\nfragile = their_lamp:ENTRY\n")
    (tmp_path / "their_lamp.py").write_text(textwrap.dedent(LAMP))
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "their_lamp", raising=False)


@pytest.mark.usefixtures("fragile")
def test_an_engine_that_kills_its_process_ends_its_own_episode_only(opened: Opened) -> None:
    one, other = opened("fragile", "one", 1), opened("fragile", "one", 1)
    branch = opened.branch(one)
    with pytest.raises(EngineFailure, match=r"broke in step 1 .Break.: .*its engine crashed, or it was killed"):
        one.step("Break")
    assert other.step("Wait")[1] == branch.step("Wait")[1] == 1.0
    with pytest.raises(EngineFailure, match=r"ValueError\('no oil'\)"):
        other.step("Raise")


def test_what_is_wrong_with_a_world_is_said_as_in_this_process() -> None:
    with pytest.raises(UnknownWorld, match="did you mean"):
        open_world("nethack", "NetHackChalenge-v0")
    with pytest.raises(ValueError, match="max_steps must be at least 1"):
        open_world("nethack", "NetHackChallenge-v0", max_steps=0)


def test_a_world_that_cannot_be_copied_says_so() -> None:
    lake = GymnasiumWorld(
        gymnasium.make("FrozenLake-v1"),
        name="lake",
        task="one",
        max_steps=5,
        actions=Actions({"L": ""}, "L"),
        send={"L": 0},
    )
    with pytest.raises(CannotBranch, match="its actions are replayed instead"):
        lake.branch()
    lake.close()


def test_no_process_outlives_the_one_that_plays() -> None:
    script = """
import os, psutil, signal
from worlds import open_world
world = open_world("nethack", "NetHackChallenge-v0", max_steps=10)
world.reset(seed=1)
branch = world.branch()
print(*(process.pid for process in psutil.Process().children(recursive=True)), flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    pids = [int(word) for word in ran.stdout.split()]
    assert (ran.returncode, len(pids)) == (-signal.SIGKILL, 3)
    assert all(wait_until_ended(pid) for pid in pids)


def test_a_server_of_worlds_that_dies_while_one_is_opened_is_the_machines_failure(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(world_process._Server, "hand", lambda _, far: far.close())
    with pytest.raises(EngineFailure, match=r"has ended|cannot be opened"):
        open_world("minihack", "MiniHack-Corridor-R3-v0", max_steps=5)

"""The contract every registered world keeps, a user's own included: install it, then run this file."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from itertools import pairwise
from pathlib import Path

import episode_hash
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

from worlds import World, make_policy, make_world, world_entry
from worlds.players import Prompt

ROOT = Path(__file__).parents[2]
TASKS = episode_hash.registered_tasks()


@pytest.fixture(params=TASKS, ids=["/".join(task) for task in TASKS])
def world(request: pytest.FixtureRequest) -> Iterator[World]:
    name, task = request.param
    made = make_world(name, task)
    yield made
    made.close()


def test_gymnasiums_own_checker_finds_nothing(world: World) -> None:
    check_env(world, skip_render_check=True)  # frames have no render modes to choose from; they are tested below


def test_an_entry_describes_the_world_it_makes(world: World) -> None:
    entry = world_entry(world.name)
    assert world.task in entry.tasks
    assert world.max_steps == entry.max_steps
    assert entry.seeds
    assert entry.summary


def test_actions_are_distinct_described_and_hold_the_default(world: World) -> None:
    assert len(set(world.actions)) == len(world.actions) == len(world.actions.names)
    assert world.actions.default in world.actions
    assert all(world.actions.find(name) == name and "\n" not in world.actions.help(name) for name in world.actions)


def test_reset_and_step_answer_in_gymnasiums_form(world: World) -> None:
    observation, info = world.reset(seed=1)
    assert observation in world.observation_space
    told = {"progression", "statistics", "end_reason", *(["clock"] if world.clock else [])}
    assert set(info) == told
    observation, reward, terminated, truncated, info = world.step(world.actions.default)
    assert observation in world.observation_space
    assert isinstance(reward, float)
    assert (type(terminated), type(truncated)) == (bool, bool)
    assert set(info) == told


def test_what_is_answered_survives_json(world: World) -> None:
    for answer in (world.reset(seed=1), world.step(world.actions.default)):
        assert json.loads(json.dumps(answer)) == list(answer)


def test_progression_starts_at_nothing_and_stays_in_the_unit_interval(world: World) -> None:
    _, info = world.reset(seed=3)
    seen = [info["progression"]]
    for _ in range(150):
        _, _, terminated, truncated, info = world.step(world.action_space.sample())
        seen.append(info["progression"])
        assert (info["end_reason"] is not None) == terminated
        if terminated or truncated:
            break
    assert seen[0] == 0.0
    assert all(isinstance(share, float) and 0.0 <= share <= 1.0 for share in seen)
    assert all(before <= after for before, after in pairwise(seen)), "progress once made is not lost"


def test_an_episode_is_truncated_at_its_step_limit_and_then_refuses_steps(world: World) -> None:
    short = make_world(world.name, world.task, max_steps=3)
    short.reset(seed=1)
    ends = [short.step(short.actions.default)[2:4] for _ in range(3)]
    assert ends == [(False, False), (False, False), (False, True)]
    with pytest.raises(RuntimeError, match="reset it first"):
        short.step(short.actions.default)
    short.reset(seed=1)
    assert short.step(short.actions.default)[2:4] == (False, False)
    short.close()


def test_no_step_before_the_first_reset(world: World) -> None:
    with pytest.raises(RuntimeError, match="reset it first"):
        world.step(world.actions.default)


@pytest.mark.parametrize("action", ["", "no such action", "\x00", None, 0])
def test_an_illegal_action_is_refused_and_changes_nothing(world: World, action: object) -> None:
    world.reset(seed=1)
    with pytest.raises(ValueError, match="no action of world"):
        world.step(action)  # type: ignore[arg-type]
    after = world.step(world.actions.default)
    world.reset(seed=1)
    assert world.step(world.actions.default) == after


def test_an_unseeded_reset_follows_from_the_last_seed(world: World) -> None:
    world.reset(seed=5)
    first = world.reset()
    world.reset(seed=5)
    assert world.reset() == first


def test_two_worlds_played_in_turns_do_not_disturb_each_other(world: World) -> None:
    def played(beside: World | None) -> list[object]:
        """Every action in turn, until the episode ends."""
        answers: list[object] = [world.reset(seed=1)]
        for name in world.actions.names:
            answer = world.step(name)
            answers.append(answer)
            if beside is not None and beside.step(beside.actions.default)[2:4] != (False, False):
                beside.reset(seed=2)
            if beside is not None:
                beside.frame()
                beside.tiles()
            if answer[2] or answer[3]:
                break
        return answers

    alone = played(None)
    other = make_world(world.name, world.task)
    other.reset(seed=2)
    assert played(other) == alone
    other.close()


@cache
def unlooked(name: str, task: str) -> str:
    """The hash of an episode of which no picture is asked for."""
    world = make_world(name, task)
    played = episode_hash.play(world, seed=7)
    world.close()
    return played


def test_looking_changes_nothing(world: World) -> None:
    assert episode_hash.play(world, seed=7, look=True) == unlooked(world.name, world.task)


def test_a_frame_is_a_picture_or_text_and_looking_twice_shows_the_same(world: World) -> None:
    world.reset(seed=1)
    first, second = world.frame(), world.frame()
    if isinstance(first, str):
        assert first == second != ""
    else:
        assert first.dtype == np.uint8
        assert (first.ndim, first.shape[2]) == (3, 3)
        np.testing.assert_array_equal(first, second)


def test_tiles_are_a_picture_if_there_are_any(world: World) -> None:
    world.reset(seed=1)
    tiles = world.tiles()
    if tiles is not None:
        assert tiles.dtype == np.uint8
        assert (tiles.ndim, tiles.shape[2]) == (3, 3)
        assert isinstance(world.frame(), str), "a world whose frame is a picture needs no other"


def test_closing_twice_is_harmless(world: World) -> None:
    world.reset(seed=1)
    world.close()
    world.close()
    with pytest.raises(RuntimeError, match="reset it first"):
        world.step(world.actions.default)


def test_the_stand_in_decides_on_operations_it_may_use(world: World) -> None:
    if world_entry(world.name).player is None:
        pytest.skip("this world has no rule-based player")
    observation, _ = world.reset(seed=1)
    text = f"PLAN step 1\n\n## Now\n{observation['long']}\n\n{observation['short']}\n"
    decided = make_policy(world.name).decide(Prompt("PLAN", 1, text, (), frozenset({"act"})))
    assert [name for name, _ in decided] == ["act"]
    assert decided[0][1]["action"] in world.actions


def test_same_seed_same_episode_in_fresh_processes() -> None:
    processes = [
        subprocess.Popen(
            [sys.executable, ROOT / "tests/kit/episode_hash.py", *order],
            env={**os.environ, "PYTHONHASHSEED": hash_seed, "PYTHONPATH": str(ROOT)},
            stdout=subprocess.PIPE,
        )
        for order, hash_seed in (([], "1"), (["reversed"], "2"))
    ]
    first, second = (json.loads(process.communicate(timeout=120)[0]) for process in processes)
    assert first == second
    assert first == {f"{name}/{task}": unlooked(name, task) for name, task in TASKS}

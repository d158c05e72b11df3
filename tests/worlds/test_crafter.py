import gzip
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import crafter
import numpy as np
import pytest

from worlds import World, make_world

ROOT = Path(__file__).parents[2]
PARITY = Path(__file__).parent / "data" / "parity"
RECORDING = Path(__file__).parent / "data" / "crafter_recording.jsonl.gz"


def episodes(file: Path) -> Iterator[dict[str, Any]]:
    with gzip.open(file, "rt", encoding="utf-8") as lines:
        yield from map(json.loads, lines)


def answers(world: World, seed: int, actions: list[str]) -> Iterator[list[Any]]:
    """What the world says to a reset and to each action: [long, short, reward, terminated, progression]."""
    observation, info = world.reset(seed=seed)
    yield [observation["long"], observation["short"], 0.0, False, info["progression"]]
    for action in actions:
        observation, reward, terminated, _, info = world.step(action)
        yield [observation["long"], observation["short"], reward, terminated, info["progression"]]


def assert_replays(episode: dict[str, Any], expected: list[list[Any]]) -> None:
    """Entry by entry, so that a failure names the first step that differs."""
    said = answers(make_world("crafter"), episode["seed"], episode["actions"])
    compared = 0
    for step, (ours, theirs) in enumerate(zip(said, expected, strict=False)):
        assert ours == theirs, f"seed {episode['seed']}, after {step} actions"
        compared += 1
    assert compared == len(expected)


def balrog(episode: dict[str, Any]) -> list[list[Any]]:
    keys = ("long_term_context", "short_term_context", "reward", "done", "progression")
    return [[step[key] for key in keys] for step in episode["steps"]]


def test_episodes_equal_our_recording() -> None:
    """Five episodes of record_crafter.py: both nights, caves, sleep, death; 11 achievements at best."""
    recorded = list(episodes(RECORDING))
    assert sum(len(episode["actions"]) for episode in recorded) > 1_500
    for episode in recorded:
        assert len(episode["answers"]) == len(episode["actions"]) + 1
        assert_replays(episode, episode["answers"])


def test_episodes_equal_balrogs_in_full_where_its_chunks_are_ordered() -> None:
    for episode in episodes(PARITY / "crafter_ordered.jsonl.gz"):
        expected = balrog(episode)
        assert len(expected) == len(episode["actions"]) + 1 > 200
        assert_replays(episode, expected)


def test_episodes_equal_unmodified_balrogs_as_far_as_it_is_reproducible() -> None:
    for episode in episodes(PARITY / "crafter.jsonl.gz"):
        assert_replays(episode, balrog(episode)[: episode["stable_upto"]])


def test_a_picture_in_daylight_is_the_packages_own() -> None:
    package = crafter.Env(size=(256, 256), seed=5)
    package.reset()
    theirs = package.step(0)[0]
    world = make_world("crafter")
    world.reset(seed=5)
    np.testing.assert_array_equal(world.frame(), theirs)
    for name, index in (("Move West", 1), ("Do", 5), ("Move North", 3)):
        theirs = package.step(index)[0]
        world.step(name)
        np.testing.assert_array_equal(world.frame(), theirs)


def test_looking_in_the_dark_neither_changes_the_episode_nor_shows_two_pictures() -> None:
    (episode,) = (episode for episode in episodes(RECORDING) if episode["seed"] == 103)
    world = make_world("crafter")
    for step, answer in enumerate(answers(world, 103, episode["actions"])):
        assert answer == episode["answers"][step]
        if 180 <= step < 230:
            first, second = world.frame(), world.frame()
            assert isinstance(first, np.ndarray)
            np.testing.assert_array_equal(first, second)


def test_statistics_say_what_is_unlocked_and_the_text_not_where_the_player_is() -> None:
    (episode,) = (episode for episode in episodes(RECORDING) if episode["seed"] == 103)
    world = make_world("crafter")
    for observation, info in replay(world, episode):
        statistics = info["statistics"]
        assert info["progression"] == len(statistics["achievements"]) / 22
        assert statistics["achievements"] == sorted(statistics["achievements"])
        assert str(statistics["position"]) not in observation["long"] + observation["short"]
    assert {"collect_wood", "place_table", "make_wood_pickaxe"} <= set(statistics["achievements"])


def replay(world: World, episode: dict[str, Any]) -> Iterator[tuple[Any, dict[str, Any]]]:
    yield world.reset(seed=episode["seed"])
    for action in episode["actions"]:
        observation, _, _, _, info = world.step(action)
        yield observation, info


def test_death_ends_an_episode_with_its_reason() -> None:
    died = next(episode for episode in episodes(RECORDING) if episode["answers"][-1][0].startswith("You died."))
    world = make_world("crafter")
    *_, (before, info_before), (observation, info) = replay(world, died)
    assert (info_before["end_reason"], info["end_reason"]) == (None, "died")
    assert observation["long"].startswith("You died.\n\n\n\nYou see")
    assert "You died" not in before["long"]
    with pytest.raises(RuntimeError, match="reset it first"):
        world.step("Noop")


def test_the_seventeen_actions_stand_in_the_packages_order() -> None:
    ours = [name.lower().replace(" ", "_") for name in make_world("crafter").actions]
    compass = {"move_west": "move_left", "move_east": "move_right", "move_north": "move_up", "move_south": "move_down"}
    assert [compass.get(name, name) for name in ours] == crafter.Env(seed=0).action_names


def test_an_episode_repeated_in_one_process_is_the_same_though_its_land_is_copied() -> None:
    world, actions = make_world("crafter"), ["Move West", "Do", "Noop"] * 20
    first = list(answers(world, 77, actions))
    assert list(answers(world, 77, actions)) == first
    assert list(answers(make_world("crafter"), 77, actions)) == first


def test_the_truth_names_the_nearest_of_each_kind_on_the_whole_map() -> None:
    world = make_world("crafter")
    observation, _ = world.reset(seed=42)
    place = re.compile(r"^(?:- |nearest )(\w+):? (\d+) steps? to your", re.MULTILINE)
    true = {kind: int(steps) for kind, steps in place.findall(str(world.truth()))}
    seen = {kind: int(steps) for kind, steps in place.findall(observation["long"])}
    assert seen.keys() < true.keys() >= {"iron", "diamond", "coal"}
    assert all(true[kind] == steps if steps <= 4 else true[kind] <= steps for kind, steps in seen.items())
    assert world.truth() == world.truth()

import json
import os
import random
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nethack_episodes
import pytest

from worlds import UnknownWorld, World, make_world, world_entry
from worlds.nethack import DLVL, XP, progression
from worlds.nethack_engine import Answer
from worlds.nethack_text import Wording

ROOT = Path(__file__).parents[2]
EPISODES = nethack_episodes.recorded()


@pytest.fixture
def world() -> Iterator[World]:
    made = make_world("nethack")
    yield made
    made.close()


def message(answer: tuple[Any, ...]) -> str:
    told: str = answer[0]["long"]
    return told.partition("\n\nlanguage observation:")[0].removeprefix("message:\n")


def until_death(world: World, seed: int) -> list[Any]:
    """An episode of prayers: the gods lose patience soon."""
    said: list[Any] = [world.reset(seed=seed)]
    for _ in range(60):
        for action in ("pray", "y"):
            said.append(world.step(action))
            if said[-1][2]:
                return said
    raise AssertionError("the gods are patient")


@pytest.mark.parametrize("episode", EPISODES, ids=[f"{e['task']}-{e['options']['wording']}" for e in EPISODES])
def test_recorded_episodes_replay_byte_for_byte(episode: dict[str, Any]) -> None:
    world = make_world(episode["world"], episode["task"], **episode["options"])
    said = nethack_episodes.answers(world, episode["seed"], episode["actions"])
    world.close()
    assert said == episode["answers"]


def test_a_game_ends_the_same_when_its_world_has_seen_others_end(world: World) -> None:
    first = until_death(world, 5)
    until_death(world, 7)
    assert until_death(world, 5) == first
    assert "top ten" in first[-1][0]["long"] or "Points" in first[-1][0]["long"]


def test_an_end_says_what_killed_and_keeps_the_last_figures(world: World) -> None:
    terminated, truncated, info = until_death(world, 5)[-1][2:]
    assert (terminated, truncated) == (True, False)
    assert info["end_reason"].startswith("died: killed by the wrath of ")
    assert info["statistics"]["dlvl"] == 1
    assert info["statistics"]["max_hp"] > 0


SIDE_BY_SIDE = 50


def test_fifty_games_side_by_side_do_not_disturb_each_other() -> None:
    def actions(seed: int) -> list[str]:
        return random.Random(seed).choices(("far east", "far south", "search", "pray", "y", "i", "esc"), k=8)

    worlds = [make_world("nethack") for _ in range(SIDE_BY_SIDE)]
    alone = []
    for seed, world in enumerate(worlds):
        alone.append([world.reset(seed=seed), *(world.step(action) for action in actions(seed))])
    together: list[list[Any]] = [[world.reset(seed=seed)] for seed, world in enumerate(worlds)]
    for i in range(8):
        for seed, world in enumerate(worlds):
            together[seed].append(world.step(actions(seed)[i]))
    for world in worlds:
        world.close()
    assert together == alone


DAYS = {"2026-11-24": 1795521600, "2026-11-13": 1794571200, "2031-05-07": 1935921600}
"""A full moon, a Friday the 13th, another year: noon, in seconds since 1970."""


@pytest.mark.skipif(shutil.which("cc") is None, reason="no C compiler to build the clock of another day with")
def test_the_calendar_changes_nothing(tmp_path: Path) -> None:
    library = tmp_path / "other_day.so"
    source = ROOT / "tests" / "kit" / "other_day.c"
    subprocess.run(["cc", "-shared", "-fPIC", "-O1", "-o", library, source, "-ldl"], check=True)
    program = (
        "import json, time, episode_hash; from worlds import make_world;"
        "tasks = ('nethack', 'NetHackChallenge-v0'), ('minihack', 'MiniHack-CorridorBattle-Dark-v0');"
        "told = [episode_hash.play(make_world(*task), seed=42) for task in tasks];"
        "print(json.dumps([time.strftime('%F', time.gmtime()), told]))"
    )
    paths = os.pathsep.join((str(ROOT), str(ROOT / "tests" / "kit")))
    children = [
        subprocess.Popen(
            [sys.executable, "-c", program],
            env={**os.environ, "PYTHONPATH": paths, "LD_PRELOAD": str(library), "AUTOMEM_TODAY": str(noon)},
            stdout=subprocess.PIPE,
        )
        for noon in DAYS.values()
    ]
    told = [json.loads(child.communicate(timeout=120)[0]) for child in children]
    assert [day for day, _ in told] == list(DAYS)
    assert len({tuple(hashes) for _, hashes in told}) == 1


def test_the_names_balrog_lists_but_refuses_are_played_and_numbers_are_typed_digit_by_digit(world: World) -> None:
    world.reset(seed=3)
    assert message(world.step("travel")).startswith("Where do you want to travel to?")
    world.step("esc")
    assert message(world.step("overview")).startswith("The Dungeons of Doom:")
    world.step("esc")
    assert message(world.step("annotate")) == "What do you want to call this dungeon level?"
    world.step("esc")
    assert message(world.step("throw")).startswith("What do you want to throw?")
    assert message(world.step("minus")).startswith("You mime throwing something.")
    assert "20" not in world.actions
    before = world.step("esc")[4]["statistics"]["turn"]
    for action in ("2", "0"):
        world.step(action)
    # Searching twenty times; a creature coming into view would end it early.
    assert world.step("search")[4]["statistics"]["turn"] > before + 9


def test_a_question_is_answered_by_the_next_action(world: World) -> None:
    world.reset(seed=3)
    assert message(world.step("kick")) == "In what direction?"
    assert message(world.step("east")) == "You kick at empty space."


def test_pages_of_a_message_are_shown_as_one(world: World) -> None:
    said = [message(answer) for answer in until_death(world, 5)[1:]]
    assert not [text for text in said if "--More--" in text]
    assert "\n" in next(text for text in said if text.startswith("You begin praying"))


def test_a_turn_in_which_nothing_happens_differs_by_the_clock_alone(world: World) -> None:
    world.reset(seed=42)
    before, after = [world.step("search")[0]["long"] for _ in range(3)][1:]
    assert before != after
    assert re.sub(world.clock, "", before) == re.sub(world.clock, "", after)
    status = "Dlvl:1 HP:9(9) T:{} Hungry"
    lines = [f"|..|{' ' * 76}\n{status.format(turn).ljust(80)}\n" for turn in (9, 10, 99_999)]
    assert {re.sub(world.clock, "", line) for line in lines} == {"|..|\nDlvl:1 HP:9(9)  Hungry\n"}


def test_every_action_can_be_played(world: World) -> None:
    world.reset(seed=8)
    for action in world.actions:
        answer = world.step(action)
        for _ in range(2):
            if not answer[2]:
                answer = world.step("esc")
        if answer[2]:
            world.reset(seed=8)


def test_an_episode_without_game_turns_is_given_up(world: World) -> None:
    world.reset(seed=3)
    ends = [world.step("esc")[2] for _ in range(150)]
    assert ends == [*[False] * 149, True]
    world.reset(seed=3)
    for _ in range(149):
        world.step("esc")
    world.step("search")
    _, _, terminated, _, info = world.step("esc")
    assert not terminated
    assert info["statistics"]["stalled"] == 1
    assert [world.step("esc")[4]["end_reason"] for _ in range(149)][-1] == "aborted: 150 actions without a game turn"


def test_progression_is_the_larger_of_two_tables() -> None:
    assert (len(DLVL), len(XP)) == (50, 30)
    assert list(DLVL) == sorted(DLVL)
    assert list(XP) == sorted(XP)
    assert progression(1, 1) == 0.0
    assert progression(10, 1) == 0.125586
    assert progression(2, 9) == 0.117050
    assert progression(50, 30) == progression(99, 99) == 0.806796
    assert progression(0, 0) == progression(-3, 1) == 0.0


def test_progression_counts_the_deepest_and_highest_reached(world: World) -> None:
    world.reset(seed=3)
    going = Answer("", 0.0, False, "RUNNING")

    def judged(dlvl: int, xp: int) -> float:
        world._status |= {"dlvl": dlvl, "xp": xp}  # type: ignore[attr-defined]
        share: float = world._judge(going).progression  # type: ignore[attr-defined]
        return share

    assert judged(4, 1) == 0.021221
    assert judged(2, 1) == 0.021221
    assert judged(2, 6) == 0.036888
    assert judged(1, 1) == 0.036888
    assert world.reset(seed=3)[1]["progression"] == 0.0


def test_a_wording_is_an_option_of_the_world() -> None:
    for name in ("nethack", "minihack"):
        assert world_entry(name).options["wording"] == tuple(Wording)
        assert world_entry(name).protocol == {"wording": "paper"}
    texts = []
    for wording in ("numeric", "balrog", "paper"):
        world = make_world("nethack", wording=wording)
        texts.append(world.reset(seed=42)[0]["long"])
        world.close()
    assert [text.count("steps away") > 0 for text in texts] == [True, False, True]
    assert len(set(texts)) == 3
    with pytest.raises(UnknownWorld, match="There is no wording 'papers' of world 'nethack'; did you mean paper"):
        make_world("nethack", wording="papers")
    with pytest.raises(UnknownWorld, match="There is no option 'wording' of world 'crafter'; there are: none"):
        make_world("crafter", wording="paper")

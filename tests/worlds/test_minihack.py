import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boxoban_levels
import pytest

from worlds import EngineFailure, MissingEngine, World, make_world, world_entry
from worlds.nethack_engine import Answer, keys

CARDINAL = ("north", "east", "south", "west")
COMPASS = (*CARDINAL, "northeast", "southeast", "southwest", "northwest")
TASKS = world_entry("minihack").tasks
NAMES = Path(__file__).parent / "data" / "parity" / "minihack_actions.json"


@pytest.fixture
def boxoban(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """Boxoban with a single level, solved by one step east."""
    monkeypatch.setenv("AUTOMEM_DATA", str(tmp_path))
    file = tmp_path / "boxoban-levels" / "medium" / "train" / "000.txt"
    file.parent.mkdir(parents=True)
    file.write_text(boxoban_levels.ONE_PUSH)
    made = make_world("minihack", "MiniHack-Boxoban-Medium-v0")
    yield made
    made.close()


@pytest.mark.parametrize(
    ("task", "names"),
    [
        ("MiniHack-Boxoban-Hard-v0", CARDINAL),
        ("MiniHack-MazeWalk-9x9-v0", COMPASS),
        ("MiniHack-Corridor-R3-v0", (*COMPASS, "open", "kick", "search")),
        ("MiniHack-CorridorBattle-Dark-v0", COMPASS),
    ],
)
def test_a_tasks_actions_are_balrogs(task: str, names: tuple[str, ...]) -> None:
    actions = make_world("minihack", task).actions
    assert actions.names == names
    assert actions.default == "north"


def test_quests_offer_what_answers_their_questions_too() -> None:
    world = make_world("minihack", "MiniHack-Quest-Easy-v0")
    assert world.actions.names[:8] == COMPASS
    assert world.actions.names[31] == "zap"  # the last of BALROG's
    assert {"esc", "wear", "a", "f", "Z"} <= set(world.actions.names[32:])
    assert "up" not in world.actions


def test_balrogs_names_come_first_and_mean_the_same_keys() -> None:
    recorded = json.loads(NAMES.read_text())["minihack"]
    assert tuple(recorded) == TASKS
    for task, known in recorded.items():
        actions = make_world("minihack", task).actions
        assert list(actions.names[: len(known["actions"])]) == known["actions"], task
        assert actions.default == known["default_action"]
        assert {name: keys()[name] for name in known["actions"]} == known["keycodes"]
        assert {keys()[name] for name in actions} <= set(known["env_action_keycodes"])
    offered = make_world("nethack").actions
    known = json.loads(NAMES.read_text())["nethack"]["NetHackChallenge-v0"]
    assert set(offered.names) == {
        *(name for name in known["actions"] if known["keycodes"][name] is not None),
        *known["prompt_listed_but_not_accepted"],
    }
    assert all(keys()[name] == key for name, key in known["keycodes"].items() if key is not None)
    assert offered.default == known["default_action"]


@pytest.mark.parametrize("task", TASKS)
def test_every_action_has_a_key_the_task_accepts(task: str) -> None:
    world = make_world("minihack", task)
    world.reset(seed=1)
    for action in world.actions:
        answer = world.step(action)
        if answer[2] or answer[3]:
            world.reset(seed=1)
    world.close()


def test_a_wand_is_zapped_letter_by_letter() -> None:
    world = make_world("minihack", "MiniHack-Quest-Easy-v0", wording="balrog")
    world.reset(seed=42)
    said = [world.step(action)[0]["long"].split("\n")[1] for action in ("zap", "f", "east")]
    world.close()
    assert said == ["What do you want to zap? [f or ?*]", "In what direction?", "The lava cools and solidifies."]


def test_a_solved_task_is_solved_and_counts(boxoban: World) -> None:
    boxoban.reset(seed=3)
    _, reward, terminated, truncated, info = boxoban.step("east")
    assert (reward, terminated, truncated) == (1.0, True, False)
    assert info["end_reason"] == "solved"
    assert info["progression"] == 1.0
    assert info["statistics"]["solved"] is True


def test_a_win_that_costs_no_turn_is_solved_but_scores_nothing(boxoban: World) -> None:
    boxoban.reset(seed=3)
    turn = boxoban._judge(Answer("", 0.99, True, "TASK_SUCCESSFUL"))  # type: ignore[attr-defined]
    assert (turn.end_reason, turn.progression) == ("solved", 0.0)
    assert turn.statistics == {"solved": True, "last_reward": 0.99}


def test_a_death_is_told_and_scores_nothing() -> None:
    world = make_world("minihack", "MiniHack-Quest-Easy-v0")
    world.reset(seed=42)
    said: tuple[Any, ...] = ()
    for _ in range(30):  # into the lava, and yes, really
        said = world.step("far east")
        if said[2]:
            break
    world.close()
    assert said[4]["end_reason"] == "died: burned by molten lava"
    assert said[4]["progression"] == 0.0
    assert said[4]["statistics"]["solved"] is False


def test_boxoban_leaves_the_processs_random_numbers_alone() -> None:
    world = make_world("minihack", "MiniHack-Boxoban-Hard-v0")
    random.seed(1)
    before = random.getstate()
    first = world.reset(seed=9)
    assert random.getstate() == before
    random.seed(2)
    assert world.reset(seed=9) == first
    world.close()


def test_seeds_mean_different_levels() -> None:
    world = make_world("minihack", "MiniHack-Boxoban-Hard-v0")
    maps = {world.reset(seed=seed)[0]["long"].partition("map:\n")[2].rpartition("\nAgent")[0] for seed in range(12)}
    assert len(maps) == 4  # all there are
    world.close()


def test_a_level_that_was_not_compiled_is_an_engine_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    world = make_world("minihack", "MiniHack-MazeWalk-9x9-v0")
    monkeypatch.setattr("minihack.base.PATCH_SCRIPT", "/bin/false")
    with pytest.raises(EngineFailure, match="could not compile the level"):
        world.reset(seed=1)
    monkeypatch.undo()
    world.reset(seed=1)
    world.close()


def test_without_levels_one_line_says_how_to_get_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AUTOMEM_DATA", str(tmp_path))
    for task in TASKS[:2]:
        with pytest.raises(MissingEngine, match="automem worlds boxoban --from") as raised:
            make_world("minihack", task)
        assert "\n" not in str(raised.value)
    make_world("minihack", TASKS[2]).close()

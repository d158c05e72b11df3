"""The solver of Boxoban's levels, and the rules that keep its plan in the notebook."""

from __future__ import annotations

from pathlib import Path

import boxoban_levels
import pytest
from dungeon_words import logged, planned, shown
from policy_episode import play

from memory_fs import MemoryFS
from worlds import World, make_world
from worlds.map_reading import read_map
from worlds.players.boxoban import Puzzle, read_puzzle, solve
from worlds.players.dungeon_notes import PLAN
from worlds.players.dungeon_player import DungeonPolicy

NO_CLOCK = "Dlvl:1 $:0 HP:16(16) Pw:5(5) AC:3 Xp:1/0"
TASK = "MiniHack-Boxoban-Medium-v0"


def level(*rows: str) -> str:
    return shown(*rows, status=NO_CLOCK)


def puzzle_of(*rows: str) -> Puzzle:
    found = read_puzzle(read_map(level(*rows).partition("\n\ninventory")[0]))
    assert found is not None
    return found


@pytest.fixture
def easy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    monkeypatch.setenv("AUTOMEM_DATA", str(tmp_path))
    folder = tmp_path / "boxoban-levels/medium/train"
    folder.mkdir(parents=True)
    rows = ("##########", "#    #   #", "#@ $    .#", "#   #    #", "#  $   . #", "##########")
    (folder / "000.txt").write_text("; 0\n" + "\n".join(rows) + "\n\n")
    return make_world("minihack", TASK)


def test_its_solutions_solve_levels_of_the_published_form(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("AUTOMEM_DATA", str(tmp_path))
    boxoban_levels.write_levels(tmp_path / "boxoban-levels")
    for seed in range(3):
        world = make_world("minihack", TASK)
        observation, info = world.reset(seed=seed)
        puzzle = read_puzzle(read_map(observation["long"]))
        assert puzzle is not None
        moves = solve(puzzle, 5_000)
        assert moves
        for number, move in enumerate(moves, 1):
            *_, over, _, info = world.step(move)
            assert over == (number == len(moves))
        assert info["statistics"]["solved"]


def test_it_walks_round_and_pushes() -> None:
    round_it = solve(puzzle_of("#######", "#.....#", "#.@`..#", "#..{..#", "#######"), 100)
    assert round_it == ["north", "east", "south"]
    assert solve(puzzle_of("######", "#@`.{#", "######"), 100) == ["east", "east"]


def test_what_cannot_be_solved_or_not_within_the_bound_has_no_solution() -> None:
    assert solve(puzzle_of("######", "#`@.{#", "######"), 10_000) == []
    assert solve(puzzle_of("######", "#@`.{#", "######"), 1) == []


def test_a_map_with_stairs_or_without_boulders_is_no_puzzle() -> None:
    for rows in (("#####", "#@`{>", "#####"), ("#####", "#@.{#", "#####"), ("#####", "#@`.#", "#####")):
        assert read_puzzle(read_map(level(*rows).partition("\n\ninventory")[0])) is None


def test_log_notes_the_whole_plan_once() -> None:
    before, now = level("######", "#@.`{#", "######"), level("######", "#.@`{#", "######")
    [plan, *_] = logged(before, "east", now, step=2)
    assert plan == ("append", {"file": PLAN, "text": "D01 2,2 plan at step 2: e"})
    later = logged(before, "east", now, step=3, files=f"- {PLAN} (1 line)")
    assert not [one for one in later if one[1]["file"] == PLAN]


def test_a_goal_the_player_stands_on_is_not_forgotten() -> None:
    before, now = level("#######", "#@{.`{#", "#.....#", "#######"), level("#######", "#.@.`{#", "#.....#", "#######")
    [plan, *_] = logged(before, "east", now, step=2)
    assert plan[1]["text"].endswith("(found none)")  # one box for two goals: with one goal there were a plan


def test_a_noted_plan_is_followed_while_the_player_stands_where_it_says() -> None:
    rows = ("#######", "#..@..#", "#.`..{#", "#..`.{#", "#######")
    here = level(*rows)
    assert planned(here, "D01 2,2 plan at step 2: ees", step=3) == "east"
    assert planned(here, "D01 2,2 plan at step 2: ewwn", step=3) == "west"
    off_the_plan = planned(here, "D01 1,2 plan at step 2: nnn", step=3)
    assert off_the_plan != "north"


def test_with_its_notebook_it_solves_what_it_does_not_without(easy: World, tmp_path: Path) -> None:
    with MemoryFS(tmp_path / "memory") as notebook:
        on = play(DungeonPolicy, 1, 100, notebook, world_name="minihack", task=TASK)
        assert "plan at step 2" in notebook.read(PLAN).text
    off = play(DungeonPolicy, 1, 100, None, world_name="minihack", task=TASK)
    assert (on.progression, off.progression) == (1, 0)

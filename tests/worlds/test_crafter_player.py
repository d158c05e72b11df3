"""How the rule-based player of Crafter plays: forgetful, with a notebook and without."""

from __future__ import annotations

from pathlib import Path

import pytest
from crafter_words import carrying, planned, seen
from policy_episode import ACT_ONLY, LOG, play

from memory_fs import MemoryFS
from worlds import make_policy, world_entry
from worlds.players import Prompt
from worlds.players.crafter_notes import read_notes
from worlds.players.crafter_player import ACHIEVEMENTS, GOALS, MAP, CrafterPolicy
from worlds.players.crafter_sight import DIRECTIONS, WALKABLE, read_sight


def test_a_new_player_for_every_call_plays_the_same_episode_as_one_player(tmp_path: Path) -> None:
    kept = CrafterPolicy()
    with MemoryFS(tmp_path / "a") as first, MemoryFS(tmp_path / "b") as second:
        other = iter(range(10_000))

        def disturb(step: int) -> None:
            """Between any two calls the kept player is asked about another episode altogether."""
            text = f"PLAN step {next(other) % 400 + 1}\n\n## Now\n{seen('cow 2 steps to your west')}"
            kept.decide(Prompt("PLAN", 1, text, (), ACT_ONLY))

        anew = play(CrafterPolicy, seed=5, steps=150, notebook=first)
        again = play(lambda: kept, seed=5, steps=150, notebook=second, each_step=disturb)
        assert anew.actions == again.actions
        assert first.at(first.revision) == second.at(second.revision)
    assert vars(kept) == {}


def test_with_its_notebook_it_unlocks_at_least_eight_goals_and_more_than_without(tmp_path: Path) -> None:
    on, off = [], []
    for seed in (42, 43, 44, 45):
        with MemoryFS(tmp_path / str(seed)) as notebook:
            on.append(len(play(CrafterPolicy, seed, 300, notebook).unlocked))
        off.append(len(play(CrafterPolicy, seed, 300, None).unlocked))
    assert sum(on) / len(on) >= 10
    assert min(on) >= 8
    assert sum(on) >= sum(off) + len(on)


def test_goals_it_writes_down_are_goals_it_reached(tmp_path: Path) -> None:
    with MemoryFS(tmp_path / "memory") as notebook:
        played = play(CrafterPolicy, seed=0, steps=250, notebook=notebook)
        written = {goal for goal in ACHIEVEMENTS if goal in notebook.read(GOALS).text}
    assert len(written) >= 8
    assert written <= set(played.unlocked)


def test_files_of_its_own_are_added_to_a_notebook_of_other_files(tmp_path: Path) -> None:
    with MemoryFS(tmp_path / "memory") as notebook:
        notebook.seed({"tech_tree.md": "wood, then stone", "goals.md": ""})
        play(CrafterPolicy, seed=0, steps=40, notebook=notebook)
        assert {MAP, GOALS} <= notebook.index().keys()
        assert notebook.at(notebook.revision)["tech_tree.md"] == "wood, then stone"


@pytest.mark.parametrize("recall", ["tail", "search"])
def test_it_makes_do_with_another_way_to_recall(tmp_path: Path, recall: str) -> None:
    with MemoryFS(tmp_path / "memory") as notebook:
        allowed = frozenset({recall})
        played = play(CrafterPolicy, 0, 60, notebook, log=allowed | {"append", "done"}, plan=allowed | {"act"})
        assert read_notes(notebook.read(MAP).text).at == played.positions[-2]


def test_without_records_there_is_nothing_to_log() -> None:
    frozen = LOG - {"append", "write", "create"}
    text = f"LOG step 3\n\n## Before\n{seen()}\n\n## Action sent\nNoop\n\n## Now\n{seen()}"
    assert CrafterPolicy().decide(Prompt("LOG", 3, text, (), frozen)) == [("done", {})]


@pytest.mark.parametrize("lava", DIRECTIONS)
@pytest.mark.parametrize("facing", DIRECTIONS)
def test_it_never_steps_into_lava_that_is_in_view(lava: str, facing: str) -> None:
    diamonds = "diamond 32,31 31,32 33,32 32,33 30,30"  # a lie that makes every way look worth a step
    others = [f"{'grass' if way != facing else 'path'} 1 step to your {way}" for way in DIRECTIONS if way != lava]
    text = seen(f"lava 1 step to your {lava}", *others, front="lava" if lava == facing else "path")
    rich = text.replace("You have nothing in your inventory.", carrying(iron_pickaxe=1, stone_pickaxe=1))
    for notes in (None, f"step 9: at 32,32 facing {facing}", f"step 9: at 32,32 facing {facing}; {diamonds}"):
        for step in range(1, 320, 7):
            for sight in (text, rich):
                assert (
                    planned(sight, notes=notes, step=step, sent=f"Move {facing.capitalize()}")
                    != f"Move {lava.capitalize()}"
                )


def test_a_cell_that_may_be_lava_is_not_entered_for_all_the_hunger_in_the_world() -> None:
    text = seen("lava 1 step to your west", "cow 4 steps to your east").replace("food: 8", "food: 0")
    assert read_sight(text).around["east"] == ("lava",)
    assert planned(text, notes="step 9: at 32,32 facing south") != "Move East"


def test_it_looks_after_itself() -> None:
    water = seen("grass 1 step to your west", "water 1 step to your north", front="water").replace(
        "drink: 7", "drink: 1"
    )
    assert planned(water) == "Do"
    zombie = seen("grass 1 step to your west", "zombie 1 step to your east", front="grass")
    assert planned(zombie) == "Move East"
    assert planned(zombie.replace("face grass", "face zombie")) == "Do"
    assert (
        planned("You are sleeping, and will not be able take actions until energy is full.\n\n\n\n" + seen()) == "Noop"
    )


def test_landmarks_out_of_view_are_known_from_the_notes_alone() -> None:
    thirsty = seen("grass 1 step to your west").replace("drink: 7", "drink: 2")
    notes = "step 49: at 32,32 facing south; water {}"
    assert planned(thirsty, notes=notes.format("20,32")) == "Move West"
    assert planned(thirsty, notes=notes.format("44,32")) == "Move East"


def test_a_table_far_away_is_not_needed_when_there_is_wood_for_another() -> None:
    rich = seen("grass 1 step to your west", inventory=carrying(wood=9, wood_pickaxe=1, wood_sword=1, stone=9))
    notes = "step 49: at 32,32 facing south; table {}"
    assert planned(rich, notes=notes.format("60,60")) == "Place Table"
    assert planned(rich, notes=notes.format("32,38")) == "Move South"


def test_the_registry_names_it() -> None:
    assert world_entry("crafter").player == "worlds.players.crafter_player:CrafterPolicy"
    assert isinstance(make_policy("crafter"), CrafterPolicy)
    assert {"grass", "sand", "path"} == WALKABLE

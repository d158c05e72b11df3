"""The scripted reviewer's plays: data that makes of any first scaffold one that loads and is built otherwise."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

import pytest

from chat_models.playbook import Play, plays
from scaffolds import SHIPPED, Scaffold, View, compare

WORLDS = ("crafter", "nethack", "minihack", "vault")


def start(world: str) -> Path:
    return SHIPPED / world / "v0"


def known(world: str) -> Sequence[Play]:
    return plays((start(world) / "scaffold.toml").read_text(encoding="utf-8"))


def put(folder: Path, *played: Play) -> Path:
    """Write what plays, one after the other, make of a scaffold."""
    for play in played:
        files = {path.name: path.read_text(encoding="utf-8") for path in folder.iterdir() if path.is_file()}
        for name, text in play.edits(files).items():
            (folder / name).write_text(text, encoding="utf-8")
    return folder


def copied(world: str, to: Path) -> Path:
    return Path(shutil.copytree(start(world), to / "scaffold", ignore=shutil.ignore_patterns("__pycache__")))


@pytest.mark.parametrize(("world", "name"), [(world, play.name) for world in WORLDS for play in known(world)])
def test_each_play_changes_the_structure_of_a_first_scaffold_and_it_still_loads(
    tmp_path: Path, world: str, name: str
) -> None:
    play = next(one for one in known(world) if one.name == name)
    revised = Scaffold.load(put(copied(world, tmp_path), play), trust_code=True)
    changed = compare(Scaffold.load(start(world)), revised)
    assert changed.structural
    assert play.summary in revised.settings.summary


@pytest.mark.parametrize("world", WORLDS)
@pytest.mark.parametrize("backwards", [False, True])
def test_plays_can_follow_one_another_in_any_order(tmp_path: Path, world: str, backwards: bool) -> None:
    played = known(world)[::-1] if backwards else known(world)
    revised = Scaffold.load(put(copied(world, tmp_path), *played), trust_code=True)
    assert set(revised.settings.vocabulary.log) >= {name for play in played for name in play.log}
    assert revised.hooks() is not None


def test_hooks_of_one_play_leave_those_of_another_their_say(tmp_path: Path) -> None:
    scaffold = Scaffold.load(put(copied("crafter", tmp_path), *known("crafter")), trust_code=True)
    hooks = scaffold.hooks()
    assert hooks is not None
    text = {
        "long": "You see:\n- grass 1 step to your west\n\nYou face grass at your front.",
        "short": "Your status:\n- food: 9/9",
    }
    told = [hooks.observe(View(step, text, "Noop", (), "crafter", "default")) for step in (1, 2)]
    assert [any("changed nothing" in notice for notice in one) for one in told] == [False, True]
    assert all(any(notice.startswith("Land not seen yet:") for notice in one) for one in told)


def test_a_play_for_one_world_is_offered_there_alone() -> None:
    names = {world: {play.name for play in known(world)} for world in WORLDS}
    own = {path.stem for path in (SHIPPED / "crafter" / "plays").glob("*.toml")}
    assert own
    assert own <= names["crafter"]
    assert all(not own & names[world] for world in WORLDS if world != "crafter")


@pytest.mark.parametrize("toml", ["", 'world = "../crafter"', "world = 7", 'world = "no_such_world"'])
def test_a_scaffold_whose_world_is_none_is_offered_what_fits_any(toml: str) -> None:
    assert {play.name for play in plays(toml)} == {play.name for play in known("vault")}

"""The scripted reviewer's edits: data that makes of any first scaffold one that loads and is built otherwise."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

import pytest

from chat_models.scaffold_edits import Edit, known_edits
from scaffolds import SHIPPED, Scaffold, View, compare

WORLDS = ("crafter", "nethack", "minihack", "vault")


def start(world: str) -> Path:
    return SHIPPED / world / "v0"


def known(world: str) -> Sequence[Edit]:
    return known_edits((start(world) / "scaffold.toml").read_text(encoding="utf-8"))


def put(folder: Path, *edits: Edit) -> Path:
    """Write what edits, one after the other, make of a scaffold."""
    for edit in edits:
        files = {path.name: path.read_text(encoding="utf-8") for path in folder.iterdir() if path.is_file()}
        for name, text in edit.apply(files).items():
            (folder / name).write_text(text, encoding="utf-8")
    return folder


def copied(world: str, to: Path) -> Path:
    return Path(shutil.copytree(start(world), to / "scaffold", ignore=shutil.ignore_patterns("__pycache__")))


@pytest.mark.parametrize(("world", "name"), [(world, edit.name) for world in WORLDS for edit in known(world)])
def test_each_edit_changes_the_structure_of_a_first_scaffold_and_it_still_loads(
    tmp_path: Path, world: str, name: str
) -> None:
    edit = next(one for one in known(world) if one.name == name)
    revised = Scaffold.load(put(copied(world, tmp_path), edit), trust_code=True)
    changed = compare(Scaffold.load(start(world)), revised)
    assert changed.structural
    assert edit.summary in revised.settings.summary


@pytest.mark.parametrize("world", WORLDS)
@pytest.mark.parametrize("backwards", [False, True])
def test_edits_can_follow_one_another_in_any_order(tmp_path: Path, world: str, backwards: bool) -> None:
    edits = known(world)[::-1] if backwards else known(world)
    revised = Scaffold.load(put(copied(world, tmp_path), *edits), trust_code=True)
    assert set(revised.settings.vocabulary.log) >= {name for edit in edits for name in edit.log}
    assert revised.hooks() is not None


def test_hooks_of_one_edit_leave_those_of_another_their_say(tmp_path: Path) -> None:
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


def test_a_edit_for_one_world_is_offered_there_alone() -> None:
    names = {world: {edit.name for edit in known(world)} for world in WORLDS}
    own = {path.stem for path in (SHIPPED / "crafter" / "edits").glob("*.toml")}
    assert own
    assert own <= names["crafter"]
    assert all(not own & names[world] for world in WORLDS if world != "crafter")


@pytest.mark.parametrize("toml", ["", 'world = "../crafter"', "world = 7", 'world = "no_such_world"'])
def test_a_scaffold_whose_world_is_none_is_offered_what_fits_any(toml: str) -> None:
    assert {edit.name for edit in known_edits(toml)} == {edit.name for edit in known("vault")}

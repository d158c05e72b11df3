"""The notices of the first dungeon scaffolds: what the map says, on real moments, by either runner."""

import shutil
from collections.abc import Iterator

import nethack_episodes
import pytest

from scaffolds import SHIPPED, HooksRunner, Scaffold, View


def views(world: str) -> Iterator[View]:
    for episode in nethack_episodes.recorded():
        if episode["world"] == world:
            for step, (long, short, *_) in enumerate(episode["answers"], 1):
                yield View(step, {"long": long, "short": short}, None, (), world, episode["task"])


def told(hooks: HooksRunner | None, long: str) -> list[str]:
    assert hooks is not None
    return hooks.observe(View(1, {"long": long, "short": ""}, None, (), "nethack", "t"))


def drawn(*rows: str, beside: str = "", cursor: str = "Yourself a knight\n(x=2, y=2)", message: str = "") -> str:
    grid = "".join(row.ljust(80) + "\n" for row in (*rows, *[""] * (23 - len(rows))))
    return f"message:\n{message}\n\nlanguage observation:\n{beside}\n\ncursor:\n{cursor}\n\nmap:\n{grid}\n"


@pytest.mark.parametrize("name", ["nethack/v0", "minihack/v0"])
def test_the_map_is_told_in_words(name):
    long = drawn("-------", "|.@d..+", "|<..>F|", "-------", beside="tame little dog 1 step away east")
    assert told(Scaffold.load(name).hooks(), long) == [
        "Free to step: east, south, west, southeast, southwest.",
        "Stairs down: 2 east and 1 south at (4, 3).",
        "Stairs up: 1 southwest at (1, 3).",
        "Doors: a closed door 4 east at (6, 2).",
        "Near you: tame little dog 1 east at (3, 2); F 3 east and 1 south at (5, 3).",
    ]


def test_boulders_are_told_as_what_can_be_pushed():
    said = told(Scaffold.load("minihack/v0").hooks(), drawn("-----", "|.@`.|", "-----"))
    assert said == ["Free to step: west.", "Boulders (moving into one pushes it): 1 east at (3, 2)."]


def test_a_menu_a_question_and_the_end_of_a_game_are_no_map():
    hooks = Scaffold.load("nethack/v0").hooks()
    assert told(hooks, drawn("(end)")) == [
        "A menu or a page of text lies over the map: answer it, or leave it with esc."
    ]
    assert told(hooks, drawn("", "  @ @", cursor="\n(x=35, y=0)"))[0].startswith("The cursor is not on you")
    assert told(hooks, "You die...") == []


@pytest.mark.parametrize("world", ["nethack", "minihack"])
def test_a_copy_says_the_same_contained_on_recorded_games(world, begin, needs_containment, tmp_path):
    shutil.copytree(SHIPPED / world / "v0", tmp_path / "copy", ignore=shutil.ignore_patterns("__pycache__"))
    ours, copy = begin(Scaffold.load(f"{world}/v0")), begin(Scaffold.load(tmp_path / "copy"))
    said = [(ours.observe(view), copy.observe(view)) for view in views(world)]
    assert len(said) > 100
    assert all(one == other for one, other in said)
    assert sum(notices != [] and notices[0].startswith("Free to step") for notices, _ in said) > 50

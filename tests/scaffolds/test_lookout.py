"""What the lookout tells along played episodes of Crafter is so: positions, unseen land, sources, ripe plants."""

from __future__ import annotations

import random
import re
from typing import Any

import pytest

from scaffolds import View
from scaffolds.crafter.edits.lookout import _BESIDE, _RIPE, Lookout
from worlds import make_world

WAYS = {"east": (1, 0), "west": (-1, 0), "south": (0, 1), "north": (0, -1)}
MOVES = ("Move East", "Move North", "Move South", "Move West")


def view(step: int, observation: Any, action: str | None) -> View:
    return View(step, observation, action, (), "crafter", "default")


def offset(way: str) -> tuple[int, int]:
    x = y = 0
    for steps, name in re.findall(r"(\d+) (east|west|north|south)", way):
        x, y = x + int(steps) * WAYS[name][0], y + int(steps) * WAYS[name][1]
    return x, y


def meadow(*things: str, front: str = "grass", food: int = 9, sapling: int = 0) -> dict[str, str]:
    carried = f"Your inventory:\n- sapling: {sapling}" if sapling else "You have nothing in your inventory."
    listed = "".join(f"- {thing}\n" for thing in ("grass 1 step to your west", *things))
    return {
        "long": f"You see:\n{listed}\nYou face {front} at your front.",
        "short": f"Your status:\n- food: {food}/9\n- drink: 9/9\n\n{carried}",
    }


@pytest.mark.parametrize("seed", [3, 8])
def test_along_a_walk_it_knows_where_it_is_and_what_it_has_not_seen(seed: int) -> None:
    world, lookout, chance = make_world("crafter", max_steps=400), Lookout(), random.Random(seed)
    observation, info = world.reset(seed=seed)
    seen: set[tuple[int, int]] = set()
    action, way, astray, new = None, "Move East", [], []
    for step in range(1, 250):
        x, y = info["statistics"]["position"]
        seen |= {(x + dx, y + dy) for dx in range(-4, 5) for dy in range(-3, 4)}
        told = lookout.notices(view(step, observation, action))
        astray.append(abs(lookout.at[0] - x) + abs(lookout.at[1] - y))
        for place in re.findall(r"past \w+ ([^;.]*)", "".join(told)):
            dx, dy = offset(place)
            there = {(x + dx + i, y + dy + j) for i in range(-4, 5) for j in range(-3, 4)}
            new.append(len(there - seen))
        way = chance.choice(MOVES) if chance.random() < 0.2 else way
        action = way
        observation, _, over, *_, info = world.step(action)
        if over:
            break
    assert sorted(astray)[int(0.9 * len(astray))] <= 2
    assert len(new) > 100
    assert sum(cells >= 6 for cells in new) >= 0.9 * len(new)


def test_a_low_vital_is_told_with_the_nearest_place_where_it_can_be_mended() -> None:
    lookout = Lookout()
    lookout.notices(view(1, meadow("cow 4 steps to your west", food=6), None))
    for step in range(2, 8):
        told = lookout.notices(view(step, meadow(food=6), "Move East"))
    assert told[-1] == "food is down to 6: cow last seen 10 west, 6 steps ago."
    assert not any("cow" in one for one in lookout.notices(view(8, meadow(food=7), "Noop")))


def test_what_is_no_longer_where_it_was_is_forgotten() -> None:
    lookout = Lookout()
    lookout.notices(view(1, meadow("cow 2 steps to your north", food=2), None))
    assert not any("cow" in one for one in lookout.notices(view(2, meadow(food=2), "Noop")))


def test_a_plant_is_told_as_ripe_after_its_time_beside_the_player_and_not_before() -> None:
    lookout, planted = Lookout(), meadow("plant 1 step to your south", front="plant")
    lookout.notices(view(1, meadow(sapling=1), None))
    told = [lookout.notices(view(step, planted, "Place Plant" if step == 2 else "Noop")) for step in range(2, 400)]
    ripe = [any("is ripe" in one for one in told_then) for told_then in told]
    assert ripe.index(True) == _RIPE
    assert all(ripe[_RIPE:])
    eaten = lookout.notices(view(400, meadow("plant 1 step to your south", front="plant", food=9), "Noop"))
    assert eaten[-1] == "The plant 1 south is ripe: it can be eaten."


def test_a_plant_grows_for_nobody_who_is_far_away() -> None:
    lookout = Lookout()
    lookout.plants[lookout.at[0] - _BESIDE - 1, lookout.at[1]] = 7
    lookout.notices(view(1, meadow(), None))
    assert set(lookout.plants.values()) == {7}


@pytest.mark.parametrize("text", ["", "- cow 99 steps to your north-west\n" * 50, "You are sleeping", "\x00- x 1 step"])
def test_any_text_leaves_it_standing(text: str) -> None:
    lookout = Lookout()
    for step in range(1, 6):
        lookout.notices(view(step, {"long": text, "short": text}, random.choice(MOVES)))
    assert lookout.notices(view(6, meadow(), "Move West"))[0].startswith("Land not seen yet:")

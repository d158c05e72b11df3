import gzip
import json
from pathlib import Path

import numpy as np
import pytest

from worlds.crafter_text import NAMES, long_text, short_text, window

STATES = Path(__file__).parent / "data" / "parity" / "crafter_state.npz"
RECORDING = STATES.with_name("crafter.jsonl.gz")

GRASS, STONE, WATER, TREE, COW, PLAYER = map(NAMES.index, ("grass", "stone", "water", "tree", "cow", "player"))
EAST = (1, 0)


def field(*things: tuple[int, int, int]) -> list[list[int]]:
    """Grass all around the player, and (column, row, id) of what else is there."""
    seen = [[GRASS] * 7 for _ in range(9)]
    seen[4][3] = PLAYER
    for column, row, kind in things:
        seen[column][row] = kind
    return seen


def lines(seen: list[list[int]]) -> list[str]:
    return long_text(seen, EAST, sleeping=False, dead=False).split("\n\n")[0].splitlines()


def test_text_equals_balrogs_for_every_recorded_state() -> None:
    with gzip.open(RECORDING, "rt", encoding="utf-8") as file:
        said = [step for episode in map(json.loads, file) for step in episode["steps"]]
    states = np.load(STATES)
    columns = {name: states[name].tolist() for name in ("player_pos", "facing", "sleeping", "health_le_0", "inventory")}
    items = states["inventory_names"].tolist()
    semantic = states["semantic"]
    assert len(said) == len(semantic) > 1_000
    for row, expected in enumerate(said):
        seen = semantic[row][window(*columns["player_pos"][row])].tolist()
        long = long_text(
            seen, tuple(columns["facing"][row]), sleeping=columns["sleeping"][row], dead=columns["health_le_0"][row]
        )
        assert long == expected["long_term_context"], row
        inventory = dict(zip(items, columns["inventory"][row], strict=True))
        assert short_text(inventory) == expected["short_term_context"], row


def test_the_nearest_of_each_kind_is_named_in_the_order_the_kinds_are_met() -> None:
    seen = field((0, 0, TREE), (4, 1, TREE), (8, 6, COW), (4, 6, WATER))
    assert lines(seen) == [
        "You see:",
        "- tree 2 steps to your north",
        "- grass 1 step to your west",
        "- water 3 steps to your south",
        "- cow 7 steps to your south-east",
    ]


def test_the_first_met_of_two_as_near_is_named() -> None:
    assert lines(field((2, 3, TREE), (6, 3, TREE)))[2] == "- tree 2 steps to your west"
    assert lines(field((4, 1, TREE), (4, 5, TREE)))[2] == "- tree 2 steps to your north"


@pytest.mark.parametrize(
    ("facing", "faced"), [((-1, 0), "stone"), ((1, 0), "grass"), ((0, -1), "water"), ((0, 1), "cow")]
)
def test_what_is_faced_is_named(facing: tuple[int, int], faced: str) -> None:
    seen = field((3, 3, STONE), (4, 2, WATER), (4, 4, COW))
    assert long_text(seen, facing, sleeping=False, dead=False).endswith(f"\n\nYou face {faced} at your front.")


@pytest.mark.parametrize(("x", "y"), [(3, 30), (30, 2), (0, 0)])
def test_nothing_is_seen_near_the_west_and_north_borders(x: int, y: int) -> None:
    seen = np.full((64, 64), GRASS, np.uint8)[window(x, y)].tolist()
    text = long_text(seen, EAST, sleeping=False, dead=False)
    assert text == "You see nothing away from you.\n\nYou face nothing at your front."


def test_the_view_is_cut_at_the_east_and_south_borders() -> None:
    seen = np.full((64, 64), GRASS, np.uint8)[window(63, 62)].tolist()
    assert (len(seen), len(seen[0])) == (5, 5)
    assert long_text(seen, EAST, sleeping=False, dead=False).endswith("You face nothing at your front.")
    assert long_text(seen, (0, 1), sleeping=False, dead=False).endswith("You face grass at your front.")


def test_sleep_is_said_before_death_and_either_before_the_sight() -> None:
    asleep = "You are sleeping, and will not be able take actions until energy is full.\n\n\n\nYou see:\n"
    assert long_text(field(), EAST, sleeping=True, dead=True).startswith(asleep)
    assert long_text(field(), EAST, sleeping=False, dead=True).startswith("You died.\n\n\n\nYou see:\n")


def test_status_lists_four_vitals_and_what_is_carried() -> None:
    inventory = {"health": 9, "food": 0, "drink": 3, "energy": 1, "sapling": 0, "wood": 2, "iron_sword": 1}
    vitals = "Your status:\n- health: 9/9\n- food: 0/9\n- drink: 3/9\n- energy: 1/9\n\n"
    assert short_text(inventory) == f"{vitals}Your inventory:\n- wood: 2\n- iron_sword: 1"
    bare = inventory | {"wood": 0, "iron_sword": 0}
    assert short_text(bare) == f"{vitals}You have nothing in your inventory."

"""Crafter's observations in BALROG's words: what lies around the player, what it faces, its status and inventory.

The player sees 9 columns × 7 rows around itself; of each kind of thing, only the nearest is listed. BALROG cuts that
window out of the map with a slice whose start turns negative near the west and north borders, so there nothing is seen
at all; this is kept, because published results were made that way.
"""

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

NAMES = (
    *("None", "water", "grass", "stone", "path", "sand", "tree", "lava", "coal", "iron", "diamond", "table", "furnace"),
    *("player", "cow", "zombie", "skeleton", "arrow", "plant"),
)
"""Names of the ids on Crafter's semantic map: materials from 0, then objects from 13."""

REACH_X, REACH_Y = 4, 3
"""Columns and rows seen to each side of the player."""

VITALS = ("health", "food", "drink", "energy")

Window: TypeAlias = Sequence[Sequence[int]]
"""Semantic ids around the player, [column][row] from the north-west corner; short at the east and south borders."""


def window(x: int, y: int) -> tuple[slice, slice]:
    """The part of a map indexed [x, y] that is seen from (x, y): nothing at all when x < 4 or y < 3."""
    if x < REACH_X or y < REACH_Y:
        return slice(0, 0), slice(0, 0)
    return slice(x - REACH_X, x + REACH_X + 1), slice(y - REACH_Y, y + REACH_Y + 1)


def long_text(seen: Window, facing: tuple[int, int], *, sleeping: bool, dead: bool) -> str:
    """The `long` section: surroundings, nearest of each kind, and the cell at `facing` (dx, dy; north is (0, -1))."""
    if sleeping:
        state = "You are sleeping, and will not be able take actions until energy is full.\n\n\n\n"
    elif dead:
        state = "You died.\n\n\n\n"
    else:
        state = ""
    lines = _nearest(seen)
    sight = "\n".join(("You see:", *lines)) if lines else "You see nothing away from you."
    x, y = REACH_X + facing[0], REACH_Y + facing[1]
    faced = NAMES[seen[x][y]] if x < len(seen) and y < len(seen[x]) else "nothing"
    return f"{state}{sight}\n\nYou face {faced} at your front."


def short_text(inventory: Mapping[str, int]) -> str:
    """The `short` section: the four vitals of 9, then what is carried, in Crafter's order of items."""
    vitals = "\n".join([f"- {name}: {inventory[name]}/9" for name in VITALS])
    items = [f"- {name}: {count}" for name, count in inventory.items() if count and name not in VITALS]
    carried = "\n".join(("Your inventory:", *items)) if items else "You have nothing in your inventory."
    return f"Your status:\n{vitals}\n\n{carried}"


def truth_text(ids: NDArray[np.int64], player: Sequence[int]) -> str:
    """A line per kind on the map, in the order of NAMES: where its nearest cell is from (column, row) `player`."""
    lines = []
    for kind in sorted(set(np.unique(ids).tolist()) - {0, NAMES.index("player")}):
        away = np.argwhere(ids == kind) - np.asarray(player)
        dx, dy = away[np.abs(away).sum(axis=1).argmin()].tolist()
        place = _place(dx, dy)
        assert place is not None, "the player's own cell is of no other kind"
        lines.append(f"nearest {NAMES[kind]}: {place[1]}\n")
    return "".join(lines)


def _nearest(seen: Window) -> list[str]:
    """A line per kind in sight, in the order the kinds are met scanning west to east, each column north to south."""
    nearest: dict[int, tuple[int, str]] = {}
    for column, places in zip(seen, _PLACES, strict=False):
        for kind, place in zip(column, places, strict=False):
            if place is not None and (kind not in nearest or place[0] < nearest[kind][0]):
                nearest[kind] = place
    return [f"- {NAMES[kind]} {where}" for kind, (_, where) in nearest.items()]


def _place(dx: int, dy: int) -> tuple[int, str] | None:
    """Distance in steps and its words, None for the player's own cell."""
    if dx == dy == 0:
        return None
    distance = abs(dx) + abs(dy)
    vertical = "north" if dy < 0 else "south" if dy > 0 else ""
    horizontal = "west" if dx < 0 else "east" if dx > 0 else ""
    direction = "-".join(filter(None, (vertical, horizontal)))
    return distance, f"{distance} step{'' if distance == 1 else 's'} to your {direction}"


_PLACES: Any = [[_place(dx, dy) for dy in range(-REACH_Y, REACH_Y + 1)] for dx in range(-REACH_X, REACH_X + 1)]

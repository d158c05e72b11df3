"""What lies around a NetHack player, in BALROG's words: "stairs down far north and eastnortheast", a line per kind.

Listed are all things on the map, and of walls and floors what the eight rays from the player meet.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from worlds.nethack_words import plural, words

ROWS, COLUMNS = 21, 79
"""Of the map."""

BANDS = ("very far", "far", "near", "very near", "adjacent")
"""Distances, in the order they are listed; BAND_STEPS says from how many steps on."""
BAND_STEPS = (20, 6, 3, 2, 1)

DIRECTIONS = (
    *("north", "northnortheast", "northeast", "eastnortheast", "east", "eastsoutheast", "southeast", "southsoutheast"),
    *("south", "southsouthwest", "southwest", "westsouthwest", "west", "westnorthwest", "northwest", "northnorthwest"),
)
"""Clockwise, in the order they are listed."""

_RAYS = ((1, 0), (1, 1), (0, 1), (-1, 1), (-1, 0), (-1, -1), (0, -1), (1, -1))
"""Steps (x, y) of the rays: east, then clockwise, y growing southwards."""
_RAY_LENGTH = 9

_OWN = -1
"""The place of the player's own cell."""


def _place(dx: int, dy: int) -> int:
    """Band × 16 + direction of a cell dx columns east and dy rows south of the player."""
    steps = max(abs(dx), abs(dy))
    if steps == 0:
        return _OWN
    band = next(i for i, least in enumerate(BAND_STEPS) if steps >= least)
    vertical, horizontal = "north" if dy < 0 else "south", "east" if dx > 0 else "west"
    if dx == 0 or dy == 0:
        direction = vertical if dx == 0 else horizontal
    elif abs(dx) == abs(dy):
        direction = vertical + horizontal
    else:
        direction = (horizontal if abs(dx) > abs(dy) else vertical) + vertical + horizontal
    return band * len(DIRECTIONS) + DIRECTIONS.index(direction)


_PLACES: NDArray[np.int16] = np.array(
    [[_place(dx, dy) for dx in range(-COLUMNS, COLUMNS + 1)] for dy in range(-ROWS, ROWS + 1)], dtype=np.int16
)
"""Places by [rows south + 21, columns east + 79]."""


def surroundings(glyphs: NDArray[np.int16], x: int, y: int, bands: Sequence[str] = BANDS) -> str:
    """The lines about a map of glyph ids, shape (21, 79), seen from column x, row y; empty if there is nothing."""
    table = words()
    flat = glyphs.ravel()
    cells = np.flatnonzero(table.seen[flat])
    places = _PLACES[ROWS - y : 2 * ROWS - y, COLUMNS - x : 2 * COLUMNS - x].ravel()[cells]
    found = [
        (place, table.text[glyph])
        for place, glyph in zip(places.tolist(), flat[cells].tolist(), strict=True)
        if place >= 0
    ]
    found += _on_rays(flat, x, y)
    found.sort(key=_by_place)
    groups: dict[tuple[str, int], Counter[int]] = {}
    for place, word in found:
        band, direction = divmod(place, len(DIRECTIONS))
        group = groups.get((word, band))
        if group is None:
            group = groups[word, band] = Counter()
        group[direction] += 1
    return "\n".join(_lines(groups, bands))


def _by_place(item: tuple[int, str]) -> int:
    return item[0]


def _lines(groups: Mapping[tuple[str, int], Mapping[int, int]], bands: Sequence[str]) -> list[str]:
    """A line for what is alone in its direction, one in the plural for what is not.

    Where both are spelt alike, both lines name the directions of the plural: BALROG keeps directions by spelling.
    """
    spelt: list[tuple[str, int]] = []
    where: dict[tuple[str, int], str] = {}
    for (word, band), directions in groups.items():
        singles = [direction for direction, count in directions.items() if count == 1]
        several = [direction for direction, count in directions.items() if count > 1]
        for name, listed in ((word, singles), (plural(word) if several else "", several)):
            if listed:
                spelt.append((name, band))
                where[name, band] = _enumerated([DIRECTIONS[direction] for direction in listed])
    return [f"{name} {bands[band]} {where[name, band]}" for name, band in spelt]


def _enumerated(names: list[str]) -> str:
    if len(names) < 3:
        return " and ".join(names)
    return f"{', '.join(names[:-1])}, and {names[-1]}"


def _on_rays(flat: NDArray[np.int16], x: int, y: int) -> list[tuple[int, str]]:
    table = words()
    cells, lengths, places = _rays(x, y)
    glyphs = flat[cells].tolist()
    found = []
    start = 0
    for length in lengths:
        for i in range(start, start + length):
            word = table.ray[glyphs[i]]
            if word:
                found.append((places[i], word))
                if table.stop[glyphs[i]]:
                    break
        start += length
    return found


@lru_cache(maxsize=ROWS * COLUMNS)
def _rays(x: int, y: int) -> tuple[NDArray[np.intp], tuple[int, ...], tuple[int, ...]]:
    """Cells on the rays from (x, y), ray by ray: their indices, how many are on each ray, and their places."""
    cells, lengths, places = [], [], []
    for dx, dy in _RAYS:
        length = 0
        for i in range(1, _RAY_LENGTH + 1):
            column, row = x + i * dx, y + i * dy
            if not (0 <= column < COLUMNS and 0 <= row < ROWS):
                break
            cells.append(row * COLUMNS + column)
            places.append(_place(i * dx, i * dy))
            length += 1
        lengths.append(length)
    return np.array(cells, dtype=np.intp), tuple(lengths), tuple(places)


def under_cursor(
    glyphs: NDArray[np.int16], x: int, y: int, cursor: tuple[int, int], bands: Sequence[str] = BANDS
) -> str:
    """What the terminal's cursor (row, column) is on, seen from (x, y); empty where it is not on the map.

    The column right of the map reads the first cell of the next row, as BALROG does.
    """
    column, row = cursor[1], cursor[0] - 1
    cell = column + COLUMNS * row
    if not (0 < cell < ROWS * COLUMNS and -COLUMNS <= column - x < COLUMNS and -ROWS <= y - row < ROWS):
        return ""
    word = words().text[int(glyphs.flat[cell])]
    place = int(_PLACES[row - y + ROWS, column - x + COLUMNS])
    if place == _OWN:
        return f"Yourself a {word}"
    band, direction = divmod(place, len(DIRECTIONS))
    return f"{bands[band]} {DIRECTIONS[direction]} {word}"

"""NetHack's terminal as people see it: coloured text; and its map in tiles between the lines of the terminal."""

from itertools import groupby

import numpy as np
from numpy.typing import NDArray

from worlds.frame_image import picture
from worlds.world import ColouredText

COLOURS = (
    *("#5c5c5c", "#cd3131", "#0dbc79", "#b5843f", "#3b6fe0", "#bc3fbc", "#11a8cd", "#cccccc"),
    *("#808080", "#ff8c1a", "#23d18b", "#f5f543", "#6f9bff", "#ff6fff", "#29e5ff", "#ffffff"),
)
"""NetHack's sixteen colours; black, which is shown on black, is dark grey, and brown is brown."""

_MAP_ROWS = slice(1, 22)
"""Of the terminal; above them is the message, below them the status."""
_LETTERS = 26
"""Size of the letters around the tiles, in pixels: eighty of them are about as wide as the map's tiles."""


def text(tty_chars: NDArray[np.uint8], tty_colors: NDArray[np.int8], tty_cursor: NDArray[np.uint8]) -> ColouredText:
    """The terminal's 24 lines of 80; characters and colours have shape (24, 80), the cursor is (row, column)."""
    rows = []
    for line, colours in zip(tty_chars, (tty_colors & 15).tolist(), strict=True):
        shown = "".join(c if c.isprintable() else " " for c in line.tobytes().decode("latin-1"))
        cells = zip(shown, colours, strict=True)
        rows.append(
            tuple(
                ("".join(c for c, _ in same), COLOURS[colour]) for colour, same in groupby(cells, lambda cell: cell[1])
            )
        )
    row, column = tty_cursor.tolist()
    return ColouredText.of(tuple(rows), (row, column))


def tiled(terminal: ColouredText, tiles: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The map's tiles (RGB) with the terminal's message above and its status below: RGB of the tiles' width.

    A menu covers the terminal's map, not the tiles: it is seen in the terminal alone.
    """
    lines = terminal.runs
    parts = (lines[: _MAP_ROWS.start], None, lines[_MAP_ROWS.stop :])
    return np.vstack([tiles if part is None else _strip(part, tiles.shape[1]) for part in parts])


def _strip(lines: tuple[tuple[tuple[str, str], ...], ...], width: int) -> NDArray[np.uint8]:
    """Lines of the terminal as a picture of that width."""
    drawn = picture(ColouredText.of(lines), _LETTERS)[:, :width]
    return np.pad(drawn, ((0, 0), (0, width - drawn.shape[1]), (0, 0)))

"""NetHack's terminal as people see it: coloured text, or a picture drawn with a small bitmap font."""

from functools import cache
from io import BytesIO
from itertools import groupby

import numpy as np
from numpy.typing import NDArray

from worlds.world import ColouredText

COLOURS = (
    *("#5c5c5c", "#cd3131", "#0dbc79", "#b5843f", "#3b6fe0", "#bc3fbc", "#11a8cd", "#cccccc"),
    *("#808080", "#ff8c1a", "#23d18b", "#f5f543", "#6f9bff", "#ff6fff", "#29e5ff", "#ffffff"),
)
"""NetHack's sixteen colours; black, which is shown on black, is dark grey, and brown is brown."""

_PALETTE = np.array([[int(colour[i : i + 2], 16) for i in (1, 3, 5)] for colour in COLOURS], dtype=np.uint8)
_CELL = (12, 7)
"""Height and width of a character in pixels."""


def text(tty_chars: NDArray[np.uint8], tty_colors: NDArray[np.int8]) -> ColouredText:
    """The terminal's lines; characters and colours have shape (24, 80)."""
    rows = []
    for line, colours in zip(tty_chars, (tty_colors & 15).tolist(), strict=True):
        shown = "".join(c if c.isprintable() else " " for c in line.tobytes().decode("latin-1"))
        cells = zip(shown.rstrip(), colours, strict=False)
        rows.append(
            tuple(
                ("".join(c for c, _ in same), COLOURS[colour]) for colour, same in groupby(cells, lambda cell: cell[1])
            )
        )
    return ColouredText.of(tuple(rows))


def picture(
    tty_chars: NDArray[np.uint8], tty_colors: NDArray[np.int8], tty_cursor: NDArray[np.uint8]
) -> NDArray[np.uint8]:
    """The terminal in colour: RGB of shape (288, 560, 3); the cell the cursor (row, column) is on is inverted."""
    rows, columns = tty_chars.shape
    height, width = _CELL
    ink = _font()[tty_chars]  # (rows, columns, height, width)
    row, column = tty_cursor.tolist()
    if row < rows and column < columns:
        ink[row, column] ^= True
    coloured = ink[..., None] * _PALETTE[tty_colors & 15][:, :, None, None, :]
    drawn: NDArray[np.uint8] = coloured.swapaxes(1, 2).reshape(rows * height, columns * width, 3)
    return drawn


def png(picture: NDArray[np.uint8]) -> bytes:
    """A picture (RGB) as a PNG file."""
    from PIL import Image

    file = BytesIO()
    Image.fromarray(picture).save(file, "PNG")
    return file.getvalue()


@cache
def _font() -> NDArray[np.bool_]:
    """The 256 characters of latin-1, shape (256, height, width): Pillow's built-in bitmap font."""
    from PIL import Image, ImageDraw, ImageFont

    height, width = _CELL
    font = ImageFont.load_default_imagefont()
    glyphs = np.zeros((256, height, width), dtype=np.bool_)
    for code in range(256):
        cell = Image.new("1", (width, height))
        if chr(code).isprintable():
            ImageDraw.Draw(cell).text((0, 0), chr(code), fill=1, font=font)
        glyphs[code] = np.asarray(cell)
    return glyphs

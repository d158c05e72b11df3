"""Frames as pictures and as PNG files: an RGB array as it is, a text letter by letter on black.

Same frame, same bytes, with the same version of Pillow.
"""

from __future__ import annotations

from functools import lru_cache
from io import BytesIO
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from worlds.world import ColouredText, Frame

if TYPE_CHECKING:
    from PIL.ImageFont import FreeTypeFont

SIZE = 16
"""Of the letters, in pixels: 24 lines of 80 make a picture 800 wide and 456 high."""

INK = "#cccccc"
"""Of a text without colours."""


def png(frame: Frame) -> bytes:
    """The frame as a PNG file."""
    from PIL import Image

    file = BytesIO()
    Image.fromarray(picture(frame)).save(file, "PNG")
    return file.getvalue()


def picture(frame: Frame, size: int = SIZE) -> NDArray[np.uint8]:
    """The frame as RGB, shape (height, width, 3); text in letters of `size` pixels, the cell of its cursor inverted."""
    if not isinstance(frame, str):
        return np.ascontiguousarray(frame[:, :, :3])
    lines = frame.runs if isinstance(frame, ColouredText) else tuple(((line, INK),) for line in frame.split("\n"))
    cursor = frame.cursor if isinstance(frame, ColouredText) else None
    columns = max(1 if cursor is None else cursor[1] + 1, *(sum(len(part) for part, _ in line) for line in lines))
    height, width = _glyph(" ", size).shape
    ink = np.zeros((len(lines), columns, height, width), np.uint16)
    colours = np.full((len(lines), columns, 3), _rgb(INK), np.uint16)
    for row, line in enumerate(lines):
        cells = [(character, colour) for part, colour in line for character in part]
        for column, (character, colour) in enumerate(cells):
            ink[row, column] = _glyph(character, size)
            colours[row, column] = _rgb(colour)
    if cursor is not None and cursor[0] < len(lines):
        ink[cursor] = 255 - ink[cursor]
    shaded = ink[..., None] * colours[:, :, None, None, :] // 255
    drawn: NDArray[np.uint8] = shaded.astype(np.uint8).swapaxes(1, 2).reshape(len(lines) * height, columns * width, 3)
    return drawn


@lru_cache(maxsize=64)
def _rgb(colour: str) -> tuple[int, int, int]:
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)


@lru_cache(maxsize=2_048)
def _glyph(character: str, size: int) -> NDArray[np.uint8]:
    """How much of each pixel of its cell a character covers, 0–255, shape (height, width); controls cover nothing."""
    from PIL import Image, ImageDraw

    font = _font(size)
    ascent, descent = font.getmetrics()
    cell = Image.new("L", (round(font.getlength(" ")), ascent + descent))
    if character.isprintable():
        ImageDraw.Draw(cell).text((0, 0), character, fill=255, font=font)
    return np.asarray(cell)


@lru_cache(maxsize=4)
def _font(size: int) -> FreeTypeFont:
    """DejaVu Sans Mono, which comes with matplotlib."""
    from matplotlib import get_data_path
    from PIL import ImageFont

    # The basic layout keeps every letter in its cell, and does not depend on which libraries Pillow finds.
    return ImageFont.truetype(
        f"{get_data_path()}/fonts/ttf/DejaVuSansMono.ttf", size, layout_engine=ImageFont.Layout.BASIC
    )

"""What a world looks like, in the terminal: pictures as half blocks in colour, two pixels a cell; text as it is."""

from __future__ import annotations

from functools import lru_cache
from itertools import groupby

import numpy as np
from numpy.typing import NDArray
from rich.cells import cell_len
from rich.color import Color
from rich.console import Console, ConsoleOptions, RenderResult
from rich.segment import Segment
from rich.style import Style
from rich.text import Text

from cli.visible_text import visible

Picture = NDArray[np.uint8]
"""RGB of shape (height, width, 3)."""

FRAME = 8_000
"""Characters of a text frame: a screen of 80 × 24 has 1,944."""


def shows_colours(console: Console) -> bool:
    """Whether a terminal has enough colours for pictures: 256 or more, and UTF-8 for the half blocks."""
    has_colours = console.color_system in ("truecolor", "256") and not console.no_color
    return has_colours and console.encoding.lower().startswith("utf")


def drawn(frame: Picture | str, colours: bool) -> Tiles | TextFrame | None:
    """A frame as something to be printed; None for a picture where the terminal has no colours."""
    if isinstance(frame, str):
        return TextFrame(frame)
    is_picture = frame.ndim == 3 and frame.shape[2] >= 3 and frame.size > 0
    return Tiles(frame) if colours and is_picture else None


def scaled(picture: Picture, columns: int, rows: int) -> Picture:
    """The picture as `rows` × `columns` pixels: averaged where it shrinks, repeated where it grows."""
    shrunk = _along(_along(picture[:, :, :3].astype(np.float32), 0, rows), 1, columns)
    return np.rint(shrunk).astype(np.uint8)


def _along(pixels: NDArray[np.float32], axis: int, wanted: int) -> NDArray[np.float32]:
    length = int(pixels.shape[axis])
    starts = np.arange(wanted) * length // wanted
    if wanted > length:
        return np.asarray(np.take(pixels, starts, axis=axis))
    counts = np.diff(starts, append=length).astype(np.float32)
    sums = np.add.reduceat(pixels, starts, axis=axis)
    return np.asarray(sums / np.expand_dims(counts, tuple(a for a in range(3) if a != axis)), dtype=np.float32)


class Tiles:
    """A picture as a Rich renderable, centred in the space it gets. Terminals of 256 colours get the nearest ones."""

    def __init__(self, picture: Picture) -> None:
        self._picture = picture

    def size(self, columns: int, rows: int) -> tuple[int, int]:
        """The cells (columns, rows) it fills in a space of that many, its proportions kept; a cell is 1 × 2."""
        height, width = self._picture.shape[:2]
        scale = min(columns / width, 2 * rows / height)
        return max(1, int(width * scale)), max(1, int(height * scale + 1) // 2)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """One line of cells after another."""
        columns, rows = self.size(options.max_width, options.height or options.max_width // 2)
        pixels = scaled(self._picture, columns, 2 * rows)
        margin = Segment(" " * ((options.max_width - columns) // 2))
        for upper, lower in zip(pixels[::2].tolist(), pixels[1::2].tolist(), strict=True):
            yield margin
            pairs = zip(map(tuple, upper), map(tuple, lower), strict=True)
            for pair, same in groupby(pairs):
                yield Segment("▀" * len(list(same)), _style(*pair, console.color_system))
            yield Segment.line()


class TextFrame:
    """A frame of text, cut at the right and at the bottom where there is no room."""

    def __init__(self, frame: str) -> None:
        self._text = Text(visible(frame, FRAME), no_wrap=True, overflow="ellipsis")

    def size(self, columns: int, rows: int) -> tuple[int, int]:
        """The cells (columns, rows) it fills in a space of that many."""
        lines = self._text.plain.split("\n")
        return min(columns, max(map(cell_len, lines))), min(rows, len(lines))

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """The text as it is."""
        yield self._text


@lru_cache(maxsize=4_096)  # the colours of a few screens: most cells stay as they were from step to step
def _style(upper: tuple[int, int, int], lower: tuple[int, int, int], system: str | None) -> Style:
    """`system` is only part of the key: a style of Rich's remembers the codes of the first terminal it wrote to."""
    return Style(color=Color.from_rgb(*upper), bgcolor=Color.from_rgb(*lower))

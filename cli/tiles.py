"""What a world looks like, in the terminal: pictures as half blocks in colour, two pixels a cell; text as it is."""

from __future__ import annotations

from functools import lru_cache
from itertools import groupby
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.cells import cell_len
from rich.color import Color
from rich.console import Console, ConsoleOptions, RenderResult
from rich.segment import Segment
from rich.style import Style
from rich.text import Text

from cli.visible_text import visible
from traces import TraceFailure
from worlds.frame_image import png
from worlds.world import ColouredText, World

Picture = NDArray[np.uint8]
"""RGB of shape (height, width, 3)."""

FRAME = 8_000
"""Characters of a text frame: a screen of 80 × 24 has 1,944."""


def shows_colours(console: Console) -> bool:
    """Whether a terminal has enough colours for pictures: 256 or more, and UTF-8 for the half blocks."""
    has_colours = console.color_system in ("truecolor", "256") and not console.no_color
    return has_colours and console.encoding.lower().startswith("utf")


def drawn(frame: Picture | str, colours: bool) -> Tiles | TextFrame | ColouredFrame | None:
    """A frame as something to be printed; None for a picture where the terminal has no colours."""
    if isinstance(frame, ColouredText):
        return ColouredFrame(frame)
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


class ColouredFrame:
    """A frame of text in its own colours, on its own black ground: readable whatever the terminal's colours are.

    Where there is no room for all of it, the part around its cursor is shown.
    """

    def __init__(self, frame: ColouredText) -> None:
        self._cursor = frame.cursor
        self._lines = [_coloured(line) for line in frame.runs]
        self._width = max(line.cell_len for line in self._lines)
        if self._cursor is not None:
            row, column = self._cursor
            self._width = max(self._width, column + 1)
        for line in self._lines:
            line.pad_right(self._width - line.cell_len)
        if self._cursor is not None and row < len(self._lines):
            self._lines[row].stylize("reverse", column, column + 1)

    def size(self, columns: int, rows: int) -> tuple[int, int]:
        """The cells (columns, rows) it fills in a space of that many."""
        return min(columns, self._width), min(rows, len(self._lines))

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """As many of its lines, and as much of each, as there is room for."""
        columns, rows = self.size(options.max_width, options.height or len(self._lines))
        row, column = self._cursor or (0, 0)
        left, top = _around(column, columns, self._width), _around(row, rows, len(self._lines))
        for line in self._lines[top : top + rows]:
            yield line[left : left + columns]


def _coloured(line: tuple[tuple[str, str], ...]) -> Text:
    """One line's parts, each in its colour."""
    whole = Text(no_wrap=True, end="\n", style="on #000000")
    for part, colour in line:
        whole.append(visible(part, FRAME), colour)
    return whole


def _around(at: int, room: int, length: int) -> int:
    """Where a window of that room begins that has `at` as near its middle as can be."""
    return max(0, min(at - room // 2, length - room))


@lru_cache(maxsize=4_096)  # the colours of a few screens: most cells stay as they were from step to step
def _style(upper: tuple[int, int, int], lower: tuple[int, int, int], system: str | None) -> Style:
    """`system` is only part of the key: a style of Rich's remembers the codes of the first terminal it wrote to."""
    return Style(color=Color.from_rgb(*upper), bgcolor=Color.from_rgb(*lower))


class FrameFiles:
    """Writes one file per step: step-000001.png is the world before step 1's action."""

    def __init__(self, folder: Path, *, tiles: bool) -> None:
        self._folder = folder
        self._tiles = tiles
        """Whether the world's own tiles are drawn, where it has any."""

    def write(self, world: World, step: int) -> None:
        """Draw the present frame. Raises TraceFailure where the disk does not take it."""
        tiles = world.tiles() if self._tiles else None
        path = self._folder / f"step-{step:06}.png"
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            path.write_bytes(png(world.frame() if tiles is None else tiles))
        except OSError as error:
            raise TraceFailure(f"cannot write the frame {path}: {error.strerror or error}") from error

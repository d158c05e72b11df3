"""The report's figures: dots with standard errors, a row each, read without a legend; and paired differences.

Every row's name is above its dot, so that a figure fits on a phone. Distinguished by shape as well as by colour (the
palette of Okabe and Ito). Same input, same bytes.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import Any, Literal

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.font_manager import findfont, get_font

from cli.report_page.document import Picture, Spot, percent, signed
from cli.version_chart import points_of, version_figure
from cli.visible_text import one_line
from graphs.reviewer.lineage import LineageRecord
from view.library import run_address

INK, SOFT, GRID, PAPER = "#1d2021", "#5a5f63", "#dcd9d0", "#ffffff"
BLUE, ORANGE = "#0072b2", "#d55e00"

WIDTH, LEFT, RIGHT = 4.8, 0.2, 1.2
"""Inches: of a figure, and what is left free on both sides of its axes."""
ROW, HEADING, TOP, BOTTOM = 0.42, 0.3, 0.42, 0.55
"""Inches: heights of a row, of a heading between rows, and of what is above and below the axes."""
NAME = 54
"""Characters of a row's name that fit."""

Shape = Literal["ours", "first", "published"]
_MARKS: dict[Shape, dict[str, Any]] = {
    "first": {"fmt": "s", "color": INK, "markersize": 6.5},
    "ours": {"fmt": "o", "color": BLUE, "markersize": 7},
    "published": {"fmt": "D", "color": SOFT, "markerfacecolor": PAPER, "markersize": 5.5},
}
_BARS: dict[str, Any] = {"capsize": 2.5, "elinewidth": 1.2, "clip_on": False}


@dataclass(frozen=True, slots=True)
class Dot:
    """One row: a mean with its standard error, and how its figures are written."""

    name: str
    mean: float | None
    """None: there was nothing to measure, and the row is empty."""
    error: float
    text: str
    shape: Shape = "ours"
    other: float | None = None
    """A second mean of the same row, drawn hollow: of the finished episodes alone, where some failed."""
    address: str = ""
    """Of the page of what it is the mean of."""


@dataclass(frozen=True, slots=True)
class Strip:
    """One comparison: the difference of each pair, their mean and its interval, all in percentage points."""

    name: str
    minus: str
    """Of what it is compared with."""
    text: str
    differences: Sequence[float]
    links: Sequence[tuple[str, str]]
    """Name and address of the episode of each difference."""
    mean: float
    interval: tuple[float, float] | None


def draw_dots(name: str, title: str, axis: str, dots: Sequence[Dot], *, heading: str = "", note: str = "") -> Picture:
    """Means with their standard errors; the published ones, if any, come last and below `heading`."""
    with _style():
        gap = HEADING if any(dot.shape == "published" for dot in dots) and heading else 0.0
        figure, axes = _canvas(title, ROW * len(dots) + gap)
        at = 0.0
        places: list[_Place] = []
        for number, dot in enumerate(dots):
            if gap and dot.shape == "published" and (number == 0 or dots[number - 1].shape != "published"):
                _write(axes, 0.0, at + 0.2, heading, color=SOFT, style="italic")
                at += gap
            _row_name(axes, at, dot.name)
            y = at + 0.30
            if dot.mean is not None:
                places += [(dot.mean, y, f"{dot.name}: {dot.text}", dot.address)] if dot.address else []
                axes.errorbar([dot.mean], [y], xerr=[dot.error], **_BARS, **_MARKS[dot.shape])
            if dot.other is not None:
                axes.plot(
                    [dot.other], [y], "o", color=BLUE, markerfacecolor=PAPER, markersize=5, zorder=1.5, clip_on=False
                )
            _write(axes, 1.03, y, dot.text, va="center")
            at += ROW
        furthest = max(max((dot.mean or 0.0) + dot.error, dot.other or 0.0) for dot in dots)
        axes.set_xlim(0, 1.06 * furthest or 1.0)
        axes.xaxis.set_major_formatter(lambda value, _: f"{value:,g}")
        axes.set_xlabel(axis)
        return picture(figure, name, title, places, note=note)


def draw_strips(name: str, title: str, strips: Sequence[Strip], *, note: str = "") -> Picture:
    """Paired differences: a dot for each pair, the mean as a diamond on its interval."""
    height = 1.13
    with _style():
        figure, axes = _canvas(title, height * len(strips), right=LEFT)
        places: list[_Place] = []
        for number, strip in enumerate(strips):
            at = number * height
            _row_name(axes, at, strip.name)
            _row_name(axes, at + 0.18, f"minus {strip.minus}")
            _write(axes, 0.0, at + 0.47, strip.text, color=SOFT, size=8.5)
            places += _stack(axes, strip, at + 0.70)
            y = at + 0.90
            if strip.interval is not None:
                axes.plot(strip.interval, [y, y], color=ORANGE, linewidth=2, solid_capstyle="butt")
            axes.plot([strip.mean], [y], "D", color=ORANGE, markersize=7)
        axes.axvline(0, color=SOFT, linewidth=1, zorder=1.2)
        seen = [abs(value) for strip in strips for value in (*strip.differences, *(strip.interval or ()))]
        furthest = 1.1 * max(seen) or 1.0
        axes.set_xlim(-furthest, furthest)
        axes.xaxis.set_major_formatter(lambda value, _: signed(value, 0 if furthest > 5 else 1))
        axes.set_xlabel("difference in progression (percentage points)")
        return picture(figure, name, title, places, note=note)


def draw_versions(name: str, of: str, search: Path, records: Sequence[LineageRecord], note: str) -> Picture:
    """The chart of a search's versions (`cli.version_chart`). `search`: its folder."""
    points = points_of(records)
    places = [
        (one.drawn_at, one.mean, f"{one.name}: {percent(one.mean, one.error)}", run_address(search / one.evaluation))
        for one in points
        if one.evaluation
    ]
    with _style():
        return picture(version_figure(points, drawable(of)), name, "Versions", places, note=note, wide=True)


_Place = tuple[float, float, str, str]
"""A dot in the coordinates of its axes, its name and the address that it leads to."""


def picture(
    figure: Figure, name: str, title: str, places: Sequence[_Place] = (), *, note: str = "", wide: bool = False
) -> Picture:
    """A figure as SVG and PNG, the same bytes whenever it is drawn. `places`: dots of its first axes that are links."""
    svg, png = BytesIO(), BytesIO()
    with rc_context({"svg.hashsalt": name, "svg.fonttype": "path"}):
        figure.savefig(svg, format="svg", metadata={"Date": None, "Creator": None})
        figure.savefig(png, format="png", dpi=200, metadata={"Software": None})
    spots = tuple(_spots(figure, places))
    width, height = (72 * inches for inches in figure.get_size_inches())
    return Picture(name, title, svg.getvalue(), png.getvalue(), note, wide, spots, (width, height))


def drawable(text: str, most: int = NAME) -> str:
    """A text on one line with what the font has no sign for as "?"; matplotlib would draw boxes and warn of each."""
    return "".join(sign if ord(sign) in _signs() else "?" for sign in one_line(text, most))


@contextmanager
def _style() -> Iterator[None]:
    settings: dict[Any, Any] = {
        "font.family": "DejaVu Sans",
        "font.size": 9.5,
        "text.parse_math": False,
        "text.color": INK,
        "axes.labelcolor": SOFT,
        "axes.edgecolor": GRID,
        "xtick.color": SOFT,
        "ytick.color": SOFT,
    }
    with rc_context(settings):
        yield


def _canvas(title: str, inner: float, right: float = RIGHT) -> tuple[Figure, Axes]:
    """A figure whose axes are as high as their rows need; y counts inches from their upper edge down."""
    height = TOP + inner + BOTTOM
    figure = Figure(figsize=(WIDTH, height), facecolor=PAPER)
    axes = figure.add_axes((LEFT / WIDTH, BOTTOM / height, (WIDTH - LEFT - right) / WIDTH, inner / height))
    axes.set_ylim(inner, 0)
    axes.set_facecolor("none")
    axes.yaxis.set_visible(False)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.grid(axis="x", color=GRID, linewidth=0.7)
    axes.set_axisbelow(True)
    axes.tick_params(length=0, labelsize=9)
    axes.locator_params(axis="x", nbins=6)
    figure.text(LEFT / WIDTH, 1 - 0.14 / height, drawable(title, 60), va="top", weight="bold", size=10.5)
    return figure, axes


def _row_name(axes: Axes, at: float, name: str) -> None:
    _write(axes, 0.0, at + 0.1, drawable(name))


def _write(axes: Axes, x: float, y: float, text: str, **look: Any) -> None:
    """Text at a share of the axes' width and inches from their upper edge."""
    own = {"va": "center", "size": 9.5, **look}
    box = {"facecolor": PAPER, "edgecolor": "none", "pad": 0.8}
    axes.text(x, y, text, transform=axes.get_yaxis_transform(), bbox=box, **own)


def _stack(axes: Axes, strip: Strip, y: float) -> Iterator[_Place]:
    """A dot for each difference, yielded; equal ones side by side in height, so that none hides another."""
    equal = defaultdict(list)
    for value, link in zip(strip.differences, strip.links, strict=True):
        equal[round(value, 6)].append(link)
    apart = min(0.07, 0.24 / max(map(len, equal.values())))
    for value, links in sorted(equal.items()):
        heights = [y + apart * (index - (len(links) - 1) / 2) for index in range(len(links))]
        axes.plot([value] * len(links), heights, "o", color=BLUE, markersize=5, alpha=0.75, markeredgewidth=0)
        for height, (name, address) in zip(heights, links, strict=True):
            yield value, height, f"{name}: {signed(value)} points", address


def _spots(figure: Figure, places: Sequence[_Place]) -> Iterator[Spot]:
    """The places in points from the figure's upper left corner, as in its SVG."""
    scale, height = 72 / figure.dpi, 72 * figure.get_figheight()
    for x, y, name, address in places:
        across, up = figure.axes[0].transData.transform((x, y))
        yield Spot(round(scale * across, 2), round(height - scale * up, 2), name, address)


@cache
def _signs() -> frozenset[int]:
    return frozenset(get_font(findfont("DejaVu Sans")).get_charmap())

"""A chart like the paper's: progression by version, with every attempt that was not kept, hold-out and control beside.

automem lineage runs/evolve-NAME --png chart.png
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from textwrap import fill
from typing import Literal

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MultipleLocator

from graphs.reviewer.lineage import LineageRecord

Series = Literal["kept", "not kept", "hold-out seeds", "control: the incumbent again"]


@dataclass(frozen=True, slots=True)
class Point:
    """One mean with its standard error, in percent. `at`: the version, or somewhere between two."""

    series: Series
    at: float
    mean: float
    error: float
    name: str
    evaluation: str = ""
    """Run folder of its episodes in that of the search."""

    @property
    def drawn_at(self) -> float:
        """Where it is drawn: hold-out seeds beside the version's own point, not over it."""
        return self.at + (0.08 if self.series == "hold-out seeds" else 0.0)


def points_of(records: Sequence[LineageRecord]) -> list[Point]:
    """The points of a lineage: attempts lie between the version they were made from and the one they aimed at."""
    points = []
    for parent, group in groupby(
        sorted((one for one in records if one.mean is not None and one.kind != "end"), key=_made_from), key=_made_from
    ):
        of_parent = list(group)
        between = [one for one in of_parent if one.version is None and one.kind != "holdout"]
        for record in of_parent:
            at = float(parent)
            if record.version is not None:
                at = float(record.version)
            elif record in between:
                at = parent + (1 + between.index(record)) / (1 + len(between))
            mean, error = 100 * (record.mean or 0.0), 100 * (record.standard_error or 0.0)
            points.append(Point(_series(record), at, mean, error, record.name, record.evaluation or ""))
    return points


def draw_versions(points: Sequence[Point], title: str, path: Path) -> None:
    """Write the chart as a PNG file, on a light background. Raises OSError or ValueError where it cannot be written."""
    version_figure(points, title).savefig(path, dpi=130, format="png")


def version_figure(points: Sequence[Point], title: str) -> Figure:
    """The chart itself."""
    last = max(point.at for point in points)
    figure = Figure(figsize=(min(16.0, 6.4 + 0.9 * last), 4.8), layout="constrained", facecolor="white")
    axes = figure.subplots()
    for series in dict.fromkeys(point.series for point in points):
        _draw(axes, series, [point for point in points if point.series == series])
    for point in points:
        if point.series == "kept":
            axes.annotate(
                f"{point.mean:.1f}",
                (point.at, point.mean),
                textcoords="offset points",
                xytext=(-7, 5),
                ha="right",
                fontsize=10,
                color="#1f4e8c",
                bbox={"facecolor": "white", "edgecolor": "none", "pad": 1, "alpha": 0.8},
                zorder=5,
            )
    axes.set_title(fill(title, 80), fontsize=11, loc="left", parse_math=False)
    axes.set_ylabel("progression (%), mean ± standard error", fontsize=11)
    axes.xaxis.set_major_locator(MultipleLocator(1))
    axes.xaxis.set_major_formatter(lambda value, _: f"v{value:.0f}")
    axes.set_xlim(-0.4, last + 0.5)
    axes.set_ylim(bottom=0)
    axes.tick_params(labelsize=11)
    axes.grid(axis="y", color="#dddddd", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    figure.legend(*axes.get_legend_handles_labels(), loc="outside lower center", ncols=2, frameon=False, fontsize=10)
    return figure


def _draw(axes: Axes, series: Series, points: Sequence[Point]) -> None:
    look = {
        "kept": {"fmt": "o-", "color": "#1f4e8c", "linewidth": 2, "markersize": 7, "zorder": 3},
        "not kept": {"fmt": "o", "color": "#777777", "markerfacecolor": "white", "markersize": 6},
        "hold-out seeds": {"fmt": "D", "color": "#c4581a", "markersize": 7, "zorder": 4},
        "control: the incumbent again": {"fmt": "x", "color": "#7a3fa0", "markersize": 7, "markeredgewidth": 2},
    }[series]
    axes.errorbar(
        [point.drawn_at for point in points],
        [point.mean for point in points],
        yerr=[point.error for point in points],
        label=series,
        capsize=3,
        elinewidth=1,
        **look,  # type: ignore[arg-type]  # matplotlib's keywords, of many types
    )


def _made_from(record: LineageRecord) -> int:
    number = (record.parent or "").removeprefix("v")
    return int(number) if number.isdecimal() else 0


def _series(record: LineageRecord) -> Series:
    if record.kind == "holdout":
        return "hold-out seeds"
    if record.kind == "control":
        return "control: the incumbent again"
    return "kept" if record.version is not None else "not kept"

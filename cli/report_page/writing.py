"""A report as files: report.html, which needs no other file, report.md, and figures/ with an SVG and a PNG of each.

Names, reasons and causes may come from models, servers and file names. In the page they are text, for everything is
escaped and the content security policy lets no script run; in Markdown every sign that could be markup is escaped.
"""

from __future__ import annotations

import hashlib
import re
from base64 import b64encode
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from cli.report_page.document import Cell, Picture, Report, Table
from cli.report_page.drawing import BLUE, GRID, INK, ORANGE, PAPER, SOFT
from cli.visible_text import one_line
from traces.folders import disk_failure

FIGURES = "figures"
LINE = 600
"""Characters of one text: a model's reason may be long."""
DARK = {
    **{INK: "#e6e4df", SOFT: "#a4a9ad", GRID: "#3a4045", PAPER: "#1d2023", BLUE: "#56b4e9", ORANGE: "#e69f00"},
    **{"#1f4e8c": "#8db8ff", "#777777": "#9aa0a4", "#c4581a": "#ffab66", "#7a3fa0": "#c99bea", "#dddddd": "#3a4045"},
}
"""Colours of the figures (the last line: those of `cli.version_chart`) on a dark page."""

_FOLDER = Path(__file__).parent
_MARKDOWN = re.compile(r"([\\`*_{}\[\]()#+.!|~^$:-])")
_HARMLESS = re.compile(r"(?<=\w)\\([-.:_+])(?=\w)|\\([().:+])")


def write_report(report: Report, out: Path) -> list[Path]:
    """Write all files into a folder; those a person opens. Raises TraceFailure where the disk refuses."""
    try:
        (out / FIGURES).mkdir(parents=True, exist_ok=True)
        for picture in report.pictures:
            (out / FIGURES / f"{picture.name}.svg").write_bytes(picture.svg)
            (out / FIGURES / f"{picture.name}.png").write_bytes(picture.png)
        html, markdown = out / "report.html", out / "report.md"
        html.write_text(to_html(report), encoding="utf-8")
        markdown.write_text(to_markdown(report), encoding="utf-8")
    except OSError as error:
        raise disk_failure("write the report into", out, error) from error
    return [html, markdown]


def to_html(report: Report) -> str:
    """The page, figures and style in it."""
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, finalize=_shown, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["embedded"] = embedded
    style = _read("report.css")
    policy = b64encode(hashlib.sha256(style.encode()).digest()).decode()
    page = environment.from_string(_read("report.html"))
    return page.render(report=report, style=style, style_hash=f"'sha256-{policy}'", figures=FIGURES)


def to_markdown(report: Report) -> str:
    """The same as GitHub's Markdown; figures are files beside it."""
    environment = Environment(undefined=StrictUndefined, finalize=_escaped, trim_blocks=True, lstrip_blocks=True)
    environment.filters["rows"] = _rows
    return environment.from_string(_read("report.md")).render(report=report, figures=FIGURES)


class Ready(str):
    """Text that is already what the file shall hold."""

    __slots__ = ()


def embedded(picture: Picture) -> str:
    """The figure as a data URI whose colours follow the page's scheme; its file has plain colours, for any program."""
    text = picture.svg.decode()
    for light in DARK:
        text = text.replace(light, f"var(--c{light[1:]})")
    colours = {"light": {light: light for light in DARK}, "dark": DARK}
    rules = {name: "".join(f"--c{light[1:]}:{one};" for light, one in of.items()) for name, of in colours.items()}
    style = f"<style>:root{{{rules['light']}}}@media (prefers-color-scheme:dark){{:root{{{rules['dark']}}}}}</style>"
    text = re.sub(r"(<svg\b[^>]*>)", lambda found: found[1] + style, text, count=1)
    return "data:image/svg+xml;base64," + b64encode(text.encode()).decode()


def in_markdown(text: str) -> str:
    """A text in which nothing is markup, on one line."""
    line = _MARKDOWN.sub(r"\\\1", one_line(text, LINE))
    line = _HARMLESS.sub(lambda found: found[1] or found[2], line)
    return line.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _shown(value: Any) -> Any:
    """What models wrote without anything that could steer a reader's eye or terminal."""
    return one_line(value, LINE) if isinstance(value, str) and not isinstance(value, Markup) else value


def _escaped(value: Any) -> Any:
    return in_markdown(value) if isinstance(value, str) and not isinstance(value, Ready) else value


def _rows(table: Table) -> Ready:
    """The rows of a table as Markdown."""
    aligned = [":--" if number == 0 or name in table.words else "--:" for number, name in enumerate(table.columns)]
    lines = [_row([in_markdown(name) for name in table.columns]), _row(aligned)]
    for group in table.groups:
        if group.title:
            lines.append(_row([f"**{in_markdown(group.title)}**", *[""] * (len(table.columns) - 1)]))
        lines += [_row([_cell(cell) for cell in row]) for row in group.rows]
    return Ready("\n".join(lines))


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _cell(cell: Cell) -> str:
    return "<br>".join([in_markdown(cell.text), *(f"<sub>{in_markdown(small)}</sub>" for small in cell.small)])


@cache
def _read(name: str) -> str:
    return (_FOLDER / name).read_text(encoding="utf-8")

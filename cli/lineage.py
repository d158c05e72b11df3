"""automem lineage: what a search of loop 1 tried, how it did, what was kept and why; as a tree, a diff or a chart."""

from __future__ import annotations

import os
import stat
from difflib import unified_diff
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.text import Text

from cli.lineage_tree import print_tree
from cli.visible_text import one_line, visible
from graphs.reviewer.evaluating import Spent, spent_before, spent_in_all
from graphs.reviewer.lineage import LineageRecord, read
from graphs.reviewer.search import Search
from graphs.reviewer.verification import lineage_faults
from graphs.settings import SettingsError
from traces import TraceDamaged
from traces.report_data import who

FILE_BYTES = 200_000
"""Of a file more is not compared: a scaffold's are a few thousand bytes."""
FILES = 500
LINE = 1_000
"""Characters shown of a line."""


def scaffold_diff(before: Path, after: Path) -> list[str]:
    """The lines of the diff, file after file, made visible; none where nothing differs."""
    old, new = _texts(before), _texts(after)
    lines: list[str] = []
    for name in sorted(old.keys() | new.keys()):
        was, now = old.get(name, []), new.get(name, [])
        found = list(unified_diff(was, now, f"parent/{name}", name, lineterm=""))
        if not found and (name not in old or name not in new):
            found = [f"+++ {name} (empty)" if name in new else f"--- parent/{name} (empty)"]
        lines += [visible(line, LINE).replace("\n", " ") for line in found]
    return lines


def _texts(folder: Path) -> dict[str, list[str]]:
    """The lines of every file, by relative name; what is not plain text is one line that says what it is."""
    texts: dict[str, list[str]] = {}
    for where, folders, files in os.walk(folder):
        folders[:] = sorted(one for one in folders if not one.startswith(".") and one != "__pycache__")
        links = [one for one in folders if (Path(where) / one).is_symlink()]  # os.walk does not go into them
        for name in sorted((*files, *links)):
            path = Path(where) / name
            if not name.startswith(".") and len(texts) < FILES:
                texts[path.relative_to(folder).as_posix()] = _lines(path)
    return texts


def _lines(path: Path) -> list[str]:
    status = path.lstat()
    if not stat.S_ISREG(status.st_mode):
        return [f"({'a link to ' + str(path.readlink()) if path.is_symlink() else 'no plain file'})"]
    if status.st_size > FILE_BYTES:
        return [f"({status.st_size:,} bytes: too large to compare)"]
    *lines, last = path.read_text(encoding="utf-8", errors="replace").split("\n")
    return [*lines, last, "\\ No newline at end of file"] if last else lines


Run = Annotated[Path, typer.Argument(help="Run folder of a search (`automem evolve --out`).")]


def lineage(
    run: Run,
    diff: Annotated[
        str | None, typer.Option(help="A version or attempt (v1, v1.a2, v1.a2.c1): print what differs from its parent.")
    ] = None,
    png: Annotated[Path | None, typer.Option(help="Draw the versions and attempts into this PNG file.")] = None,
) -> None:
    """Show what a search has tried: versions and attempts with their scores, what was kept, and why."""
    console = Console()
    search = Search.read(run)
    records = read(run)
    if diff is not None:
        print_diff(console, run, records, diff)
        return
    spent, left_out = spent_of(search, records)
    print_tree(console, records, title(search), spent)
    for what in (*(fault.what for fault in lineage_faults(search, records) if fault.damage), *left_out):
        console.print(Text(one_line(f"damaged: {what}", 500), style="red"), soft_wrap=True)
    if png is not None:
        _draw(search, records, png)
        console.print(f"written: {png}", markup=False, highlight=False, soft_wrap=True)


def spent_of(search: Search, records: list[LineageRecord]) -> tuple[Spent, list[str]]:
    """What the search spent, and what is left out of it where a file of its arms is damaged."""
    try:
        return spent_in_all(search), []
    except TraceDamaged as error:
        return spent_before(records), [f"{error} What the arms with other notebooks spent is left out."]


def title(search: Search) -> str:
    """The search and the models that made its figures."""
    return (
        f"{search.folder.path.name}: {search.world}, played by {who(search.model, search.context.gameplay_model)}, "
        f"reviewed by {who(search.reviewer_model)}, gate {search.gate}"
    )


def print_diff(console: Console, run: Path, records: list[LineageRecord], name: str) -> None:
    """The unified diff of a version's or an attempt's scaffold against that of its parent. SettingsError if none."""
    tried = [one for one in records if one.kind in ("start", "attempt")]
    versions = {f"v{one.version}": one for one in tried if one.version is not None}
    record = versions.get(name) or next((one for one in tried if one.name == name), None)
    parent = versions.get(record.parent or "") if record else None
    if record is None or record.scaffold is None:
        known = ", ".join([*versions, *(one.name for one in tried if one.name not in versions)])
        raise SettingsError(f"This search has no scaffold {name!r}; it has {known or 'none yet'}.")
    if parent is None or parent.scaffold is None:
        raise SettingsError(f"{name} is where the search began: it has no parent to differ from.")
    styles = {"+": "green", "-": "red", "@": "cyan"}
    lines = scaffold_diff(run / parent.scaffold, run / record.scaffold)
    for line in lines or [f"{name} does not differ from its parent."]:
        console.print(Text(line, style=styles.get(line[:1], "")), soft_wrap=True)


def _draw(search: Search, records: list[LineageRecord], path: Path) -> None:
    from cli.version_chart import draw_versions, points_of

    points = points_of(records)
    if not points:
        raise SettingsError(f"{search.folder.path} has no score to draw yet.")
    try:
        draw_versions(points, title(search), path)
    except (OSError, ValueError) as error:  # matplotlib: a format it does not know
        raise SettingsError(f"The chart cannot be written to {path}: {error}") from error

"""automem report: runs as one page, one Markdown file and figures: scores, behaviour, differences by seed, cost."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from cli.options import written
from cli.report_page.document import Report, Section
from cli.report_page.entries import Entry, read_runs
from cli.report_page.loops import loop_sections
from cli.report_page.overview import honesty, overview
from cli.report_page.world import world_section
from cli.report_page.writing import write_report


def build(paths: Sequence[Path], on_progress: Callable[[str], None]) -> Report:
    """The report of these runs. `on_progress` is called with what is being done.

    Raises SettingsError for what is no run, TrainingError for a damaged ledger, TraceFailure or TraceDamaged.
    """
    on_progress("reading")
    runs = read_runs(paths)
    entries = [entry for run in runs for entry in run.entries]
    worlds: dict[str, list[Entry]] = {}
    for entry in entries:
        worlds.setdefault(entry.world, []).append(entry)
    sections: list[Section] = [overview(entries)] if entries else []
    for number, (world, group) in enumerate(worlds.items(), 1):
        on_progress(f"drawing {world}")
        sections.append(world_section(world, group, number))
    for number, run in enumerate(runs, 1):
        sections += loop_sections(run, number)
    return Report(", ".join(run.name for run in runs), sections, honesty(entries))


def report(
    runs: Annotated[
        list[Path],
        typer.Argument(help="Run folders of automem eval, evolve or specialize; the first is compared with."),
    ],
    out: Annotated[
        Path,
        typer.Option(help="Folder to write report.html, report.md and figures/ into.", parser=written, metavar="PATH"),
    ] = Path("report"),
) -> None:
    """Write a report of runs, the paper's table beside ours; unfinished runs are reported as far as they are."""
    with Console(stderr=True).status("") as status:
        written = write_report(build(runs, status.update), out)
    typer.echo(f"written: {', '.join(map(str, written))}, {out}/figures/")

"""automem report: runs as one page, one Markdown file and figures: scores, behaviour, differences by seed, cost."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def report(
    runs: Annotated[
        list[Path],
        typer.Argument(help="Run folders of automem eval, evolve or specialize; the first is compared with."),
    ],
    out: Annotated[Path, typer.Option(help="Folder to write report.html, report.md and figures/ into.")] = Path(
        "report"
    ),
) -> None:
    """Write a report of runs, the paper's table beside ours; runs still being played are told as they stand."""
    from rich.console import Console

    from cli.report_page.build import build
    from cli.report_page.writing import write_report

    with Console(stderr=True).status("") as status:
        written = write_report(build(runs, status.update), out)
    typer.echo(f"written: {', '.join(map(str, written))}, {out}/figures/")

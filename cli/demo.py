"""automem demo: a first look, offline: a scripted player with its notebook and without, then a small language model."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cli.demo_embedded import MODEL
from cli.seeds import parse_seeds


def demo(
    seeds: Annotated[str, typer.Option(help="Seeds to play.")] = "42-46",
    steps: Annotated[int, typer.Option(min=1, help="Steps per episode.")] = 300,
    model: Annotated[str, typer.Option(help="Language model of the last episode; none: leave it out.")] = MODEL,
    out: Annotated[Path | None, typer.Option(help="Folder for the runs. (default: runs/demo-DATE-TIME)")] = None,
) -> None:
    """Play a few short episodes offline, with the notebook and without; then one with a small language model."""
    from datetime import datetime

    from rich.console import Console

    from cli.demo_embedded import play_embedded
    from cli.results_table import print_results
    from cli.running import run_evaluation
    from graphs.evaluation.state import Input
    from graphs.inner_agent.context import Context, NotebookMode
    from worlds import world_names

    world = world_names()[0]
    folder = out or Path("runs") / f"demo-{datetime.now():%Y%m%d-%H%M%S}"
    if folder.exists():
        raise typer.BadParameter(f"{folder} is there already: give another --out.")
    console = Console()
    console.print(
        f"Playing {world}, seeds {seeds}, {steps} steps each. The player is scripted: rules, no language model.\n"
        "It forgets everything between two calls: all it knows of the past is what it finds in its notebook.",
        highlight=False,
    )
    rows = []
    modes: tuple[NotebookMode, ...] = ("on", "off")
    for mode in modes:
        console.print(f"\nnotebook {mode}", style="bold", highlight=False)
        run = str(folder / f"notebook-{mode}")
        request = Input(world=world, seeds=parse_seeds(seeds), model="scripted", out=run)
        summary = run_evaluation(request, Context(notebook=mode, max_steps=steps), console, steps)
        rows.append((f"notebook {mode}", summary))
    console.print()
    print_results(
        console, rows, f"{world}, {rows[0][1]['scaffold']}, scripted player (no language model), {steps} steps"
    )
    console.print(f"\nwritten to {folder}:", highlight=False)
    first = next((folder / "notebook-on" / "episodes").glob("*/*/*"))
    for path, what in (
        (folder / "notebook-on" / "summary.json", "scores and metrics"),
        (first / "memory", "one episode's notebook: plain text files, read them"),
        (first / "journal.jsonl", "their history, operation by operation"),
        (first / "steps.jsonl", "its trace: every prompt, reply, operation and action"),
    ):
        console.print(f"  {path}  {what}", markup=False, highlight=False, soft_wrap=True)
    sound = model == "none" or play_embedded(world, model, folder / "language-model", console)
    if not sound or any(summary["n_failed"] for _, summary in rows):
        raise typer.Exit(1)

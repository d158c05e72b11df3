"""The demo's first chapter: the scripted players on every world, with their notebook and without."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console

HONESTY = (
    "The players are scripted: rules, no language model. They forget everything between two calls: all that they know "
    "of the past is what they find in their notebook. So what a notebook does is the difference of a world's two rows."
)


def play_worlds(settings: list[dict[str, Any]], folder: Path, console: Console) -> bool:
    """Play each world with the notebook on and off, and print one table; whether nothing failed."""
    from cli.results_table import print_results
    from cli.running import run_evaluation
    from graphs.evaluation.state import Input
    from graphs.inner_agent.context import Context, NotebookMode

    console.print(HONESTY, highlight=False)
    rows: list[tuple[str, dict[str, Any]]] = []
    modes: tuple[NotebookMode, ...] = ("on", "off")
    for sample in settings:
        world, steps, tasks = sample["world"], sample["steps"], playable_tasks(sample["world"])
        for mode in modes:
            console.print(f"\n{world}, notebook {mode}", style="bold", highlight=False)
            run = str(folder / f"{world}-{mode}")
            request = Input(world=world, tasks=tasks, seeds=sample["seeds"], model="scripted", out=run)
            summary = run_evaluation(request, Context(notebook=mode, max_steps=steps), console, steps)
            rows.append((f"{world}, {mode}", summary))
    console.print()
    print_results(console, rows, "notebook on and off, scripted players (no language model)", tasks=False)
    first = next((folder / f"{settings[0]['world']}-on").glob("episodes/*/*/*"))
    console.print("\nLook at an episode:", highlight=False)
    for command in (f"automem replay {first} --out replay.html", f"ls {first / 'memory'}"):
        console.print(f"  {command}", markup=False, highlight=False, soft_wrap=True)
    return not any(summary["n_failed"] or summary["n_damaged"] for _, summary in rows)


def playable_tasks(world: str) -> list[str]:
    """The tasks of a world that can be played on this machine: some need levels that no package brings."""
    from worlds import MissingEngine, make_world, world_entry

    playable = []
    for task in world_entry(world).tasks:
        try:
            make_world(world, task).close()
        except MissingEngine:
            continue
        playable.append(task)
    return playable

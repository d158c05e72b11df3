"""automem demo: the whole cycle in minutes, offline: play with and without a notebook, loop 1, loop 2."""

from __future__ import annotations

import shlex
import tomllib
from collections.abc import Callable
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from time import monotonic
from typing import Annotated, Any

import typer
from rich.console import Console

from chat_models import ConfigurationError, chat_model
from cli import options as o
from cli.evolve import run_search
from cli.lineage import lineage
from cli.progress import run_evaluation
from cli.results_table import look, print_results
from cli.specialize import run_specialization
from cli.stopping import go_on_with
from graphs import curator, reviewer
from graphs.evaluation.state import Input
from graphs.settings import Context, NotebookMode
from worlds import MissingEngine, make_world, world_entry

HONESTY = (
    "The players are scripted: rules, no language model. They forget everything between two calls: all that they know "
    "of the past is what they find in their notebook. So what a notebook does is the difference of a world's two rows."
)


def play_worlds(settings: list[dict[str, Any]], folder: Path, console: Console) -> bool:
    """Play each world with the notebook on and off, a line for each, then one table; whether nothing failed."""
    console.print(HONESTY, highlight=False)
    rows: list[tuple[str, dict[str, Any]]] = []
    modes: tuple[NotebookMode, ...] = ("on", "off")
    for sample in settings:
        world, steps, tasks = sample["world"], sample["steps"], playable_tasks(sample["world"])
        for mode in modes:
            console.print(f"\n{world}, notebook {mode}", style="bold", highlight=False)
            run = str(folder / f"{world}-{mode}")
            request = Input(world=world, tasks=tasks, seeds=sample["seeds"], model="scripted", out=run)
            summary = run_evaluation(
                request, Context(notebook=mode, max_steps=steps), console, steps, each_episode=False
            )
            rows.append((f"{world}, {mode}", summary))
        console.print(f"\n{world}: {compared(rows[-2][1], rows[-1][1])}", style="bold green", highlight=False)
    console.print()
    print_results(console, rows, "notebook on and off, scripted players (no language model)", tasks=False)
    first = next((folder / f"{settings[-1]['world']}-on").glob("episodes/*/*/*"))
    console.print("\nLook at an episode:", highlight=False)
    for command in (f"automem replay {first} --out replay.html", f"ls {first / 'memory'}"):
        console.print(f"  {command}", markup=False, highlight=False, soft_wrap=True)
    return not any(summary["n_failed"] or summary["n_damaged"] for _, summary in rows)


def compared(on: dict[str, Any], off: dict[str, Any]) -> str:
    """A world's two results in one sentence."""
    reached = [summary["overall"].get("mean") for summary in (on, off)]
    if None in reached:
        return "not every mode was played to an end."
    return f"progression {reached[0]:.1f} % with the notebook, {reached[1]:.1f} % without it."


def playable_tasks(world: str) -> list[str]:
    """The tasks of a world that can be played on this machine: some need levels that no package brings."""
    playable = []
    for task in world_entry(world).tasks:
        try:
            make_world(world, task).close()
        except MissingEngine:
            continue
        playable.append(task)
    return playable


EVOLVE = (
    "The reviewer is scripted, too: rules that look at figures through a reviewer's tools and make "
    "one of a few known edits. A real one is any model that calls tools: --reviewer-model provider:NAME."
)
SPECIALIZE = (
    "A language model of 135 million parameters learns the memory operations on the CPU, from the scripted player's "
    "traces (for the demonstration; else a model learns from its own). It keeps the notebook for the scripted player, "
    "who commits the actions: first untrained, then trained, and last on seeds not played before."
)


ONE_SEED = (
    "What this shows: after a few minutes of training most replies are valid memory operations (last column). What it "
    "cannot show: whether the specialist plays better. One episode of each player is won or lost by luck; the command "
    "in docs/loop-2.md trains on four times as many examples and plays more seeds."
)


def evolve_briefly(settings: dict[str, Any], folder: Path, console: Console) -> bool:
    """One version of loop 1, and its lineage; whether it came to its end."""
    console.print(EVOLVE, highlight=False)
    given = reviewer.Input(
        world=settings["world"],
        model="scripted",
        reviewer_model="scripted",
        out=str(folder),
        seeds=settings["seeds"],
        holdout_seeds=settings["holdout_seeds"],
        versions=1,
        attempts=settings["attempts"],
        continuations=settings["continuations"],
    )
    context = reviewer.Context(max_steps=settings["steps"])
    run_search(given, context, settings["steps"], console, quiet=False, brief=True)
    console.print()
    lineage(folder)
    return True


def specialize_briefly(settings: dict[str, Any], folder: Path, console: Console) -> bool:
    """One iteration of loop 2; whether it came to its end. Where there are no weights to train, a line says so."""
    console.print(SPECIALIZE, highlight=False)
    try:
        chat_model(settings["base"], world=settings["world"])
    except ConfigurationError as error:
        console.print(f"Not trained: {error}", markup=False, highlight=False, soft_wrap=True)
        return True
    given = curator.Input(
        world=settings["world"],
        tasks=[settings["task"]],
        model="scripted",
        base=settings["base"],
        curator_model="scripted",
        recipe=settings["recipe"],
        train_seeds=list(range(1_000, 1_000 + settings["train_episodes"])),
        validation_seeds=settings["validation_seeds"],
        final_seeds=settings["final_seeds"],
        minimum_examples=settings["minimum_examples"],
        iterations=1,
        out=str(folder),
    )
    context = curator.Context(scaffold=settings["scaffold"], gameplay_model="scripted", max_steps=settings["steps"])
    run_specialization(given, context, settings["steps"], console, quiet=False, brief=True)
    console.print(f"\n{ONE_SEED}", highlight=False)
    return True


SETTINGS = Path(__file__).with_name("demo.toml")
"""What the demo plays by default."""


class Chapter(StrEnum):
    """A part of the demo."""

    play = "play"
    evolve = "evolve"
    specialize = "specialize"


def demo(
    only: Annotated[list[Chapter] | None, typer.Option(help="One chapter; give it again for more. (all)")] = None,
    out: Annotated[
        Path | None,
        typer.Option(help="Folder for the runs. (default: runs/demo-DATE-TIME)", parser=o.written, metavar="PATH"),
    ] = None,
    settings_file: Annotated[Path, typer.Option("--settings", help="What to play, as TOML.")] = SETTINGS,
) -> None:
    """Show the whole cycle offline: play on three worlds, revise a scaffold (loop 1), train a specialist (loop 2)."""
    settings = tomllib.loads(settings_file.read_text(encoding="utf-8"))

    folder = out or Path("runs") / f"demo-{datetime.now():%Y%m%d-%H%M%S}"
    if folder.exists():
        raise typer.BadParameter(f"{folder} is there already: give another --out.")
    console = Console()
    chapters: dict[Chapter, tuple[str, Callable[[Any, Path, Console], bool]]] = {
        Chapter.play: ("Playing, with a notebook and without", play_worlds),
        Chapter.evolve: ("Loop 1: a reviewer revises the scaffold, a gate keeps only what helps", evolve_briefly),
        Chapter.specialize: ("Loop 2: good memory decisions become a trained specialist", specialize_briefly),
    }
    sound, began = True, monotonic()
    wanted = [chapter for chapter in chapters if only is None or chapter in only]
    for number, chapter in enumerate(wanted):
        title, show = chapters[chapter]
        left = " ".join(f"--only {one.value}" for one in wanted[number:])
        other = "" if settings_file == SETTINGS else f" --settings {shlex.quote(str(settings_file))}"
        go_on_with(f"play this chapter and the rest with: automem demo {left}{other}")
        console.print()
        console.rule(title, align="left", style="bold")
        sound = show(settings[chapter.value], folder / chapter.value, console) and sound
    took = f"{(monotonic() - began) / 60:.0f} min"
    where = f"\nThat took {took}. Everything is in {folder}; {look(folder / 'all')}"
    console.print(where, highlight=False, soft_wrap=True)
    if not sound:
        raise typer.Exit(1)

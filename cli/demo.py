"""automem demo: the whole cycle in minutes, offline: play with and without a notebook, loop 1, loop 2."""

from __future__ import annotations

import shlex
import tomllib
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from rich.console import Console


SETTINGS = Path(__file__).with_name("demo.toml")
"""What the demo plays, unless told otherwise."""


class Chapter(StrEnum):
    """A part of the demo."""

    play = "play"
    evolve = "evolve"
    specialize = "specialize"


def demo(
    only: Annotated[list[Chapter] | None, typer.Option(help="One chapter; give it again for more. (all)")] = None,
    out: Annotated[Path | None, typer.Option(help="Folder for the runs. (default: runs/demo-DATE-TIME)")] = None,
    settings_file: Annotated[Path, typer.Option("--settings", help="What to play, as TOML.")] = SETTINGS,
) -> None:
    """Show the whole cycle offline: play on three worlds, revise a scaffold (loop 1), train a specialist (loop 2)."""
    from datetime import datetime

    from rich.console import Console

    from cli.demo_loops import evolve_briefly, specialize_briefly
    from cli.demo_play import play_worlds
    from cli.stopping import go_on_with

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
    sound = True
    wanted = [chapter for chapter in chapters if only is None or chapter in only]
    for number, chapter in enumerate(wanted):
        title, show = chapters[chapter]
        left = " ".join(f"--only {one.value}" for one in wanted[number:])
        other = "" if settings_file == SETTINGS else f" --settings {shlex.quote(str(settings_file))}"
        go_on_with(f"play this chapter and the rest with: automem demo {left}{other}")
        console.print()
        console.rule(title, align="left", style="bold")
        sound = show(settings[chapter.value], folder / chapter.value, console) and sound
    console.print(f"\nAll of it lies in {folder}; the README says how to look at it.", highlight=False, soft_wrap=True)
    if not sound:
        raise typer.Exit(1)

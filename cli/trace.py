"""automem trace: the steps of an episode as plain JSON lines, one a step, for jq and people."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Annotated

import typer

from graphs.settings import SettingsError
from traces import EpisodeFolder, TraceReader


def trace(
    episode: Annotated[Path, typer.Argument(help="Episode folder RUN/episodes/WORLD/TASK/seed-N.", show_default=False)],
    steps: Annotated[
        str | None, typer.Option(metavar="A-B", help="Steps to print, such as 7 or 10-20. (default: all)")
    ] = None,
) -> None:
    """Print an episode's trace, each step as a line of JSON; also while it is played."""
    folder = EpisodeFolder(episode)
    folder.require_present_format()
    if not folder.steps.exists():
        raise SettingsError(f"{episode} holds no episode: name a folder RUN/episodes/WORLD/TASK/seed-N.")
    with TraceReader(folder) as reader:
        first, last = _range(steps) if steps else (1, len(reader))
        if steps and not 1 <= first <= last <= len(reader):
            raise SettingsError(f"{episode} has {len(reader)} steps: --steps {steps} names others.")
        for number in range(first, last + 1):
            sys.stdout.buffer.write(reader.line(number))


def _range(text: str) -> tuple[int, int]:
    found = re.fullmatch(r"(\d{1,10})(?:-(\d{1,10}))?", text)
    if found is None:
        raise typer.BadParameter(f'--steps takes a step or a range, such as 7 or 10-20, not "{text}".')
    return int(found[1]), int(found[2] or found[1])

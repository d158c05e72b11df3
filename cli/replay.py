"""automem replay: episodes of one seed as one HTML file that shows, step by step, what memory does."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.text import Text

from cli.options import written
from cli.visible_text import one_line
from graphs.inner_agent.run_file import recorded_settings, run_of
from graphs.settings import EpisodeSettings, SettingsError
from traces import EpisodeFolder, read_result
from traces.replay import MOST, Shown, write_replay
from view.frames import ROOM, about, drawing


class FramesShown(StrEnum):
    """Which steps are shown with what the world looked like."""

    EVERY = "every"
    REWARDS = "rewards"
    NONE = "none"


def replay(
    episodes: Annotated[
        list[Path], typer.Argument(help="Episode folders RUN/episodes/WORLD/TASK/seed-N, one to three of one seed.")
    ],
    out: Annotated[Path, typer.Option(help="HTML file to write.", parser=written, metavar="PATH")] = Path(
        "replay.html"
    ),
    frames: Annotated[
        FramesShown,
        typer.Option(help="Steps whose frame is drawn, by playing the actions again: every, rewards, none."),
    ] = FramesShown.EVERY,
) -> None:
    """Write a replay page: the game, the operations and the notebook at every step, side by side for up to three."""
    console = Console(stderr=True)
    folders = [EpisodeFolder(path) for path in episodes]
    _check_page(out)
    settings = _recorded(folders)
    shown = _shown(folders, settings, frames)
    one = settings[0]
    with console.status("") as status:
        size = write_replay(
            out, f"{one.world} · {one.task} · seed {one.seed}", shown, lambda doing: status.update(Text(doing))
        )
    for folder in folders:
        result = read_result(folder, content=True)
        if result is not None and result.status == "damaged" and result.failure is not None:
            typer.echo(one_line(f"automem: shown as damaged: {result.failure.sentence}", 2_000), err=True)
    typer.echo(f"written: {out} ({size / 1e6:.1f} MB)")


def _check_page(out: Path) -> None:
    """SettingsError for a file that is there already and is no page."""
    if out.is_file():
        with out.open("rb") as file:
            if not file.read(15).lower().startswith(b"<!doctype html"):
                raise SettingsError(f"{out} is no replay page: write to another file.")


def _recorded(folders: Sequence[EpisodeFolder]) -> list[EpisodeSettings]:
    """The settings of each episode. SettingsError where there is none, or they are not of one seed."""
    if len(folders) > MOST:
        raise SettingsError(f"A replay page shows at most {MOST} episodes side by side, not {len(folders)}.")
    found = []
    for folder in folders:
        recorded = recorded_settings(folder) if folder.steps.exists() else None
        if recorded is None:
            raise SettingsError(f"{folder.path} holds no episode: name a folder RUN/episodes/WORLD/TASK/seed-N.")
        found.append(recorded)
    kinds = {(one.world, one.task, one.seed) for one in found}
    if len(kinds) > 1:
        found_kinds = "; ".join(f"{world} {task} seed {seed}" for world, task, seed in sorted(kinds))
        raise SettingsError(f"Only episodes of one world, task and seed can be shown side by side, not {found_kinds}.")
    return found


def _shown(folders: Sequence[EpisodeFolder], settings: Sequence[EpisodeSettings], frames: FramesShown) -> list[Shown]:
    names = [run_of(folder).path.resolve().name for folder in folders]
    return [
        Shown(
            folder,
            name if names.count(name) == 1 else f"{name} ({number})",
            about(one),
            None
            if frames is FramesShown.NONE
            else drawing(one, ROOM // len(folders), only_gains=frames is FramesShown.REWARDS),
        )
        for number, (folder, name, one) in enumerate(zip(folders, names, settings, strict=True), 1)
    ]

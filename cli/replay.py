"""automem replay: episodes of one seed as one HTML file that shows, step by step, what memory does."""

from __future__ import annotations

from collections.abc import Callable, Sequence
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
from traces import EpisodeFolder, RunFolder, TraceReader, read_result
from traces.replay import MOST, Shown, write_replay, write_run_replay
from traces.replay_timeline import Timeline
from view.frames import ROOM, Frames, about, drawing


class FramesShown(StrEnum):
    """Which steps are shown with what the world looked like."""

    EVERY = "every"
    REWARDS = "rewards"
    NONE = "none"


def replay(
    episodes: Annotated[
        list[Path],
        typer.Argument(help="One run, or episode folders RUN/episodes/WORLD/TASK/seed-N, one to three of one seed."),
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
    if len(episodes) == 1 and RunFolder(episodes[0]).run.is_file():
        _check_page(out)
        _write_run(RunFolder(episodes[0]), out, frames, console)
        return
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


def _write_run(run: RunFolder, out: Path, frames: FramesShown, console: Console) -> None:
    """Write a page of all episodes of a run. SettingsError where it has none."""
    folders = [folder for folder in run.episodes() if folder.steps.exists()]
    if not folders:
        raise SettingsError(f"{run.path} holds no episode yet.")
    room = max(ROOM // 20, 5 * ROOM // len(folders))
    shown = []
    for folder in folders:
        settings = recorded_settings(folder)
        if settings is None:
            raise SettingsError(f"{folder.path} holds no episode: its run has no run.json.")
        shown.append(Shown(folder, _label(folder), about(settings), _frames(settings, frames, min(ROOM, room))))
    with console.status("") as status:
        title = run.path.resolve().name
        size = write_run_replay(out, title, shown, lambda doing: status.update(Text(doing)))
    typer.echo(f"written: {out} ({size / 1e6:.1f} MB), {len(folders)} episodes to choose from")


def _label(folder: EpisodeFolder) -> str:
    """An episode among others of its run: task, seed and how it went."""
    world, task, seed = folder.path.parts[-3:]
    result = read_result(folder)
    how = "not over" if result is None else result.status if not result.scored else f"{100 * result.progression:.1f} %"
    return f"{world if task == 'default' else task}, {seed.replace('-', ' ')}: {how}"


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
            _frames(one, frames, ROOM // len(folders)),
        )
        for number, (folder, name, one) in enumerate(zip(folders, names, settings, strict=True), 1)
    ]


def _frames(
    settings: EpisodeSettings, which: FramesShown, room: int
) -> Callable[[TraceReader, Timeline], Frames] | None:
    """What draws the frames that are wanted; None where none are."""
    if which is FramesShown.NONE:
        return None
    return drawing(settings, room, only_gains=which is FramesShown.REWARDS)

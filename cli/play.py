"""automem play: one episode live in the terminal, step by step; plain lines where there is no terminal."""

from __future__ import annotations

import dataclasses
import os
import shlex
import sys
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, TypeAlias

import typer
from rich.console import Console

from cli import options as o
from cli import stopping
from cli.commands import as_options
from cli.pace import Leaving, Pace
from cli.play_live import PlainLines, Screen
from cli.stopping import Stopped
from cli.tiles import FrameFiles
from cli.visible_text import one_line
from cli.watched import Watched
from graphs.inner_agent.opening import check, probe
from graphs.inner_agent.result import MACHINE_FAILURES
from graphs.inner_agent.run_file import begin_run, check_not_summed_up, recorded_settings
from graphs.inner_agent.session import Session
from graphs.inner_agent.sessions import SESSIONS
from graphs.settings import Context, EpisodeSettings, SettingsError, episode_settings
from graphs.spending import CeilingReached
from memory_fs.results import plural
from traces import EpisodeFolder, RunFolder, read_result
from traces.report_data import who
from worlds import world_names

DELAY_S = 0.3
"""Between two steps on a screen by default: a scripted player is too quick to follow."""

SENTENCE = 1_000
"""Characters shown of why it ended: it may hold a server's answer."""


NewRun: TypeAlias = Annotated[
    Path | None,
    typer.Option(help="Run folder to write. (default: runs/play-DATE-TIME)", parser=o.written, metavar="PATH"),
]
FramesFolder: TypeAlias = Annotated[
    Path | None,
    typer.Option(
        help="Folder to write a picture of every step to, step-000001.png and so on.",
        parser=o.written,
        metavar="PATH",
    ),
]


def play(
    world: Annotated[str | None, typer.Option(help="World to play. (default: the first one)")] = None,
    model: Annotated[
        str | None,
        typer.Option(help="vllm:NAME, openai:NAME, provider:NAME, embedded; scripted: no language model (default)."),
    ] = None,
    scaffold: o.ScaffoldPath = None,
    base_url: o.BaseUrl = None,
    seed: Annotated[int | None, typer.Option(min=0, help="Seed. (default: the protocol's first)")] = None,
    task: Annotated[str | None, typer.Option(help="Task. (default: the world's own)")] = None,
    steps: Annotated[int | None, typer.Option(min=1, help="Steps to play now, then leave. (default: all)")] = None,
    max_steps: o.MaxSteps = None,
    dialect: o.DialectOption = None,
    notebook: Annotated[
        o.NotebookName | None, typer.Option(help="off: none; frozen: seed files, read only. (default: on)")
    ] = None,
    gameplay_model: o.GameplayModel = None,
    gameplay_base_url: o.GameplayBaseUrl = None,
    delay: Annotated[
        float | None, typer.Option(min=0.0, help="Seconds between two steps. (default: 0.3; plain lines: 0)")
    ] = None,
    out: NewRun = None,
    episode: Annotated[
        Path | None, typer.Option(help="Go on with this episode's folder, RUN/episodes/WORLD/TASK/seed-N.")
    ] = None,
    frames: FramesFolder = None,
    tiles: Annotated[
        bool, typer.Option("--tiles", help="With --frames: draw the game's own tiles, where it has any.")
    ] = False,
    plain: Annotated[bool, typer.Option("--plain", help="Plain lines, as when the output is no terminal.")] = False,
    constrained: o.Constrained = False,
    trust_scaffold_code: o.TrustScaffoldCode = False,
    trace_sample: o.PlayTraceSample = None,
    trace_hide: o.TraceHide = None,
) -> None:
    """Watch one episode live: the game, the operations, the notebook. Pause, step, quit; go on later."""
    if gameplay_base_url and not gameplay_model and episode is None:
        raise typer.BadParameter("--gameplay-base-url is of use only with --gameplay-model.")
    if tiles and frames is None:
        raise typer.BadParameter("--tiles goes with --frames.")
    given = {"scaffold": scaffold, "gameplay_model": gameplay_model, "max_steps": max_steps}
    given |= {"dialect": dialect and dialect.value, "notebook": notebook and notebook.value, "constrained": constrained}
    which = {"world": world, "task": task, "seed": seed, "model": model}
    free: dict[str, object] = {
        "base_url": o.base_urls(base_url),
        "gameplay_base_url": o.base_urls(gameplay_base_url),
        "trust_scaffold_code": trust_scaffold_code,
    }
    free |= {"trace_sample": trace_sample, "trace_hide": o.read_hidden(trace_hide) or None}
    if episode is None:
        settings, folder = _new(_given(which), _given(given) | _given(free), out)
    else:
        settings, folder = _begun(episode, _given(which | given | {"out": out}), _given(free))
    files = FrameFiles(frames, tiles=tiles) if frames is not None else None
    _play(settings, folder, steps, delay, _has_screen() and not plain, files)


def _given(options: Mapping[str, object]) -> dict[str, Any]:
    """The options that were given."""
    return {name: value for name, value in options.items() if value is not None and value is not False}


def _new(which: dict[str, Any], given: dict[str, Any], out: Path | None) -> tuple[EpisodeSettings, EpisodeFolder]:
    """A new episode in a run folder of its own. Raises our errors."""
    settings = episode_settings({"world": world_names()[0], **which}, Context(**given))
    digest = check(settings).digest
    probe(settings)
    run = RunFolder(out or Path("runs") / f"play-{datetime.now():%Y%m%d-%H%M%S}")
    if run.run.exists():
        raise SettingsError(f"{run.path} holds a run already: give --episode to go on with it, or another --out.")
    plan = {"world": settings.world, "tasks": [settings.task], "seeds": [settings.seed]}
    begin_run(run, settings, digest, **plan)
    return settings, run.episode(settings.world, settings.task, settings.seed)


def _begun(episode: Path, clashing: dict[str, Any], free: dict[str, Any]) -> tuple[EpisodeSettings, EpisodeFolder]:
    """An episode that was begun, with the settings it was begun with. Raises our errors."""
    if clashing:
        option = next(iter(clashing)).replace("_", "-")
        raise SettingsError(f"--episode goes on as the episode was begun: leave out --{option}.")
    folder = EpisodeFolder(episode.resolve())
    settings = recorded_settings(folder) if folder.path.is_dir() else None
    if settings is None:
        raise SettingsError(f"{episode} holds no episode: name a folder RUN/episodes/WORLD/TASK/seed-N.")
    check_not_summed_up(folder)
    return dataclasses.replace(settings, **free), folder


def _play(
    settings: EpisodeSettings,
    folder: EpisodeFolder,
    steps: int | None,
    delay: float | None,
    live: bool,
    files: FrameFiles | None,
) -> None:
    """Play, and say in the end how it went; the machine's failure is one line and status 1."""
    go_on = f"go on with: automem play --episode {shlex.quote(str(folder.path))}"
    result = read_result(folder, content=True)
    if result is not None and result.status == "damaged" and result.failure is not None:
        typer.echo(one_line(f"automem: this episode is damaged: {result.failure.sentence}.", SENTENCE), err=True)
        raise typer.Exit(1)
    if result is not None and result.status == "finished":
        how = _figures(result.steps, result.progression, result.episode_return)
        typer.echo(f"This episode is finished ({one_line(result.end_reason or '', 60)}): {how}.")
        return
    if folder.steps.exists():
        typer.echo(f"automem: resuming {folder.path}", err=True)
    stopped = False
    try:
        folder.create()
        stopping.go_on_with(go_on)
        session = SESSIONS.hold(settings, folder)
        try:
            stopping.run(_watch(session, steps, delay, live, files))
        except Stopped:  # the command's end says how to go on
            stopped = True
    except MACHINE_FAILURES as error:
        resumable = f" ({go_on})" if folder.steps.exists() else ""
        typer.echo(f"automem: {one_line(as_options(str(error)), SENTENCE)}{resumable}", err=True)
        raise typer.Exit(1) from error
    except CeilingReached as reached:
        typer.echo(f"Stopped: {one_line(str(reached), SENTENCE)}\n{go_on}")
        return
    finally:
        SESSIONS.close(folder)
    for line in _ending(session, None if stopped else go_on):
        typer.echo(line)
    if session.position.over:
        stopping.go_on_with("the episode has ended")


async def _watch(
    session: Session, steps: int | None, delay: float | None, live: bool, files: FrameFiles | None
) -> None:
    """Play on while someone watches."""
    settings = session.settings
    watched = Watched(session, who(settings.model, settings.gameplay_model), draws=live, files=files)
    leaving, pace = Leaving(), Pace(delay if delay is not None else DELAY_S if live else 0.0)
    with stopping.received(leaving.leave):
        if live:
            await leaving.unless_left(Screen(watched, pace, leaving, Console()).run(steps))
        else:
            await leaving.unless_left(PlainLines(watched, pace).run(steps))


def _ending(session: Session, go_on: str | None) -> list[str]:
    """How far the episode is, its folder, and the command that continues it."""
    position = session.position
    figures = _figures(position.step - 1, position.info["progression"], position.episode_return)
    if position.over:
        return [f"ended ({one_line(position.end_reason or '', 60)}): {figures}", f"written: {session.folder.path}"]
    return [f"left: {figures}", *([go_on] if go_on else [])]


def _figures(steps: int, progression: float, episode_return: float) -> str:
    return f"{plural(steps, 'step')}, progression {100 * progression:.1f} %, return {episode_return:g}"


def _has_screen() -> bool:
    """Whether there is a terminal on both sides that can be drawn on."""
    able = os.environ.get("TERM", "dumb") not in ("dumb", "unknown") and sys.stdout.encoding.lower().startswith("utf")
    return able and sys.stdin.isatty() and sys.stdout.isatty()

"""automem counterfactual: what a note or a recall did, measured by playing on with it and without it."""

from __future__ import annotations

import time
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from cli import stopping
from cli import workers as w
from cli.fork import texts_of
from cli.options import BaseUrl, GameplayBaseUrl, Resume, base_urls, read_ceilings, written
from cli.visible_text import one_line
from graphs.inner_agent.run_file import run_of
from graphs.run_lock import run_lock
from graphs.settings import SettingsError
from graphs.spending import CeilingReached, Spending, parse_ceilings
from lab.counterfactual import ARMS, FEWEST, Experiment
from lab.folder import LabFolder, Sweep, lock_of
from lab.operations import Change, find_operation
from lab.sweep import SweepClock, decided, experiments, is_measured, spending_of
from traces import EpisodeFolder, RunFolder
from traces.effects import Effect, Estimate, MemoryKind, dropped, read_effects, write_effect
from traces.replay import Shown, write_replay

WORDS: dict[MemoryKind, str] = {"write": "note", "recall": "recall"}


class SweepKind(StrEnum):
    """Which operations a sweep measures."""

    WRITES = "writes"
    RECALLS = "recalls"


def counterfactual(
    place: Annotated[
        Path,
        typer.Argument(
            metavar="EPISODE|RUN", help="Episode folder RUN/episodes/WORLD/TASK/seed-N; with --sweep, a run."
        ),
    ],
    at: Annotated[
        str | None, typer.Option(metavar="STEP[.INDEX]", help="The write or recall: its step, and its number there.")
    ] = None,
    drop: Annotated[bool, typer.Option("--drop", help="Play on without it.")] = False,
    edit: Annotated[
        str | None, typer.Option(metavar="TEXT", help="Play on as if it had written TEXT, or been answered with it.")
    ] = None,
    file: Annotated[
        list[str] | None, typer.Option(help="FILE=PATH: play on with the text in PATH as FILE; may be repeated.")
    ] = None,
    samples: Annotated[int, typer.Option(min=1, max=1_000, help="Times that both arms are played.")] = 16,
    horizon: Annotated[int, typer.Option(min=1, help="Steps played after a write or from a recall on, at most.")] = 200,
    sweep: Annotated[
        SweepKind | None,
        typer.Option(help="Measure many of them: the writes recalled most, or the recalls that showed most, first."),
    ] = None,
    budget: Annotated[
        list[str] | None, typer.Option(metavar="NAME=N", help="What may be spent: calls, tokens, cost, minutes.")
    ] = None,
    base_url: BaseUrl = None,
    gameplay_base_url: GameplayBaseUrl = None,
    out: Annotated[
        Path | None, typer.Option(help="Folder to write. (default: RUN-lab)", parser=written, metavar="PATH")
    ] = None,
    resume: Resume = False,
    workers: w.Workers = None,
    ray: w.RayAddress = None,
    shared: w.Shared = False,
) -> None:
    """Measure what a note or a recall did: play on with it and without it, or with another text, in one world."""
    console = Console()
    ceilings = parse_ceilings(read_ceilings(budget))
    given = {"base_url": base_urls(base_url), "gameplay_base_url": base_urls(gameplay_base_url)}
    servers = {name: urls for name, urls in given.items() if urls is not None}
    if sweep is not None:
        if at or drop or edit is not None or file:
            raise typer.BadParameter(
                "--sweep drops one operation after the other: leave out --at, --drop, --edit and --file."
            )
        with w.played_on(workers, ray, shared):
            _sweep(console, place, sweep, samples, horizon, ceilings, out, servers, resume=resume)
        return
    if at is None:
        raise typer.BadParameter("Give --at STEP[.INDEX], or --sweep writes or recalls.")
    change = _change(drop=drop, edit=edit, files=file or [])
    episode = EpisodeFolder(place.resolve())
    if not episode.steps.exists():
        raise SettingsError(f"{place} holds no episode: name a folder RUN/episodes/WORLD/TASK/seed-N.")
    lab = _lab(run_of(episode).path, out)
    experiment = Experiment(episode, find_operation(episode, at), change, lab.path, horizon, servers)
    stopping.go_on_with("the same command goes on")
    with w.played_on(workers, ray, shared):
        try:
            effect = stopping.run(experiment.measure(samples, Spending(ceilings, "run", began=time.monotonic())))
        except CeilingReached as reached:
            console.print(Text(f"stopped: {reached}; the same command goes on with a budget of its own"))
            raise typer.Exit(1) from None
    write_effect(episode, effect)
    _show(console, effect)
    page = _page(experiment)
    console.print(Text(f"written: {page}, {episode.effects}"), soft_wrap=True)


def _change(*, drop: bool, edit: str | None, files: list[str]) -> Change:
    if drop + (edit is not None) + bool(files) != 1:
        raise typer.BadParameter("Give one of --drop, --edit TEXT, --file NAME=PATH.")
    return Change(text=edit, files=texts_of(files))


def _lab(run: Path, out: Path | None) -> LabFolder:
    return LabFolder(out or run.with_name(f"{run.name}-lab"))


def _sweep(
    console: Console,
    place: Path,
    sweep: SweepKind,
    samples: int,
    horizon: int,
    ceilings: dict[str, float],
    out: Path | None,
    servers: dict[str, Any],
    *,
    resume: bool,
) -> None:
    """Measure the operations of a run in the order of `experiments` until the budget is spent; then a ranked table.

    What was played of them before counts against the budget.
    """
    kind: MemoryKind = "write" if sweep is SweepKind.WRITES else "recall"
    if not ceilings:
        raise typer.BadParameter("A sweep needs a --budget, such as calls=2000.")
    run = RunFolder(place.resolve())
    episodes = [one for one in run.episodes() if one.steps.exists()]
    if not episodes:
        raise SettingsError(f"{place} holds no episode: name the run folder of an evaluation.")
    lab = _lab(run.path, out)
    _check_sweep(lab, sweep, samples, horizon, resume=resume)
    queue = experiments(episodes, kind, lab, horizon, servers)
    if queue:
        queue[0].check(ceilings)  # what refuses it refuses all of them: it is no reason to leave one out
    lab.begin(run)
    file = lab.sweep_file(sweep, horizon)
    with run_lock(lab.path, lock_of(file).name):
        before = lab.sweep(sweep, horizon)
        clock = SweepClock(file, Sweep(samples, len(queue), minutes=before.minutes if before is not None else 0.0))
        left_out, stopped = _measure(console, queue, samples, ceilings, clock)
        if stopped:
            console.print(Text(f"stopped: {stopped}; go on with a higher --budget and --resume"), soft_wrap=True)
        else:
            clock.write(left_out=left_out, ended=True)
    console.print(_ranking(episodes, kind))


def _check_sweep(lab: LabFolder, sweep: SweepKind, samples: int, horizon: int, *, resume: bool) -> None:
    """SettingsError for a sweep that has begun and is not resumed as it was."""
    before = lab.sweep(sweep, horizon)
    if before is None:
        return
    if not resume:
        raise SettingsError(f"{lab.path} holds this sweep already: --resume goes on with it; or give another --out.")
    if before.samples != samples:
        raise SettingsError(
            f"The sweep in {lab.path} was begun with --samples {before.samples}: give the same, or another --out."
        )


def _measure(
    console: Console, queue: list[Experiment], samples: int, ceilings: dict[str, float], clock: SweepClock
) -> tuple[int, str | None]:
    """Measure what is not measured yet; how many operations cannot be, and the ceiling that ended it, if one did."""
    spending = spending_of(queue, samples, ceilings, clock)
    stopping.go_on_with("go on with --resume")
    left_out = 0
    for number, experiment in enumerate(queue, 1):
        if is_measured(experiment, samples):
            continue
        try:
            effect = stopping.run(decided(experiment, samples, spending))
        except CeilingReached as reached:
            return left_out, str(reached)
        except SettingsError as refused:
            left_out += 1
            console.print(Text(f"left out: {one_line(str(refused), 300)}"), style="dim", soft_wrap=True)
            continue
        finally:
            clock.write()
        write_effect(experiment.source, effect)
        console.print(Text(f"{number} of {len(queue)}: {_line(effect)}"), soft_wrap=True)
    return left_out, None


def _ranking(episodes: list[EpisodeFolder], kind: MemoryKind) -> Table:
    table = Table(show_edge=False, pad_edge=False)
    for heading in ("task", "seed", "at", WORDS[kind], "dropped, it is", "points", "95 %"):
        table.add_column(heading, overflow="fold")
    found = [(one, effect) for one in episodes for effect in dropped(read_effects(one)).values() if effect.kind == kind]
    for episode, effect in sorted(found, key=lambda each: each[1].progression.mean):
        estimate = effect.progression
        points = f"{100 * estimate.mean:+.1f}"
        seed = episode.path.name.removeprefix("seed-")
        where = f"{effect.step}.{effect.index}"
        table.add_row(
            episode.path.parts[-2],
            seed,
            where,
            _short(effect),
            estimate.verdict,
            points,
            _interval(estimate),
        )
    return table


def _show(console: Console, effect: Effect) -> None:
    console.print(Text(_line(effect)), soft_wrap=True)
    returns = effect.episode_return
    tokens = "unknown" if effect.tokens is None else f"{effect.tokens:,}"
    for line in (
        f"  with the {WORDS[effect.kind]} {effect.unchanged:.1%}, with the change {effect.changed:.1%}",
        f"  return {returns.mean:+.2f}",
        f"  {effect.samples} samples of up to {effect.horizon} steps, {effect.calls:,} calls, {tokens} tokens",
        *(["  the world cannot be branched: each sample replayed its actions"] if effect.replayed else []),
        *([] if effect.samples >= FEWEST else [f"  an interval needs at least {FEWEST} samples"]),
    ):
        console.print(Text(line), soft_wrap=True)


def _line(effect: Effect) -> str:
    asked = f": {one_line(effect.asked, 80)!r}" if effect.asked else ""
    what = {"drop": "dropped", "edit": "edited", "file": "its files given"}[effect.change]
    estimate = effect.progression
    return (
        f"step {effect.step}.{effect.index} {effect.routine} {effect.operation} {effect.file}{asked} {what}: "
        f"{100 * estimate.mean:+.1f} points of progression {_interval(estimate)}".rstrip()
    )


def _short(effect: Effect) -> str:
    """The text of a note, a recall as a whole."""
    asked = effect.asked if effect.kind == "write" else f"{effect.operation} {effect.file} {effect.asked}"
    return one_line(asked, 60)


def _interval(estimate: Estimate) -> str:
    if estimate.low is None or estimate.high is None:
        return ""
    return f"[{100 * estimate.low:+.1f}, {100 * estimate.high:+.1f}]"


def _page(experiment: Experiment) -> Path:
    """The first sample's two arms side by side."""
    page = experiment.out / "replay.html"
    names: dict[str, Any] = {"unchanged": f"with the {WORDS[experiment.operation.kind]}", "changed": "with the change"}
    shown = [Shown(experiment.folder(0, arm), names[arm], {}) for arm in ARMS]
    world, task, seed = experiment.source.path.parts[-3:]
    write_replay(page, f"{world} · {task} · {seed} · {experiment.operation.name}", shown, lambda _: None)
    return page

"""automem fork: play an episode again from one of its steps, with its world and notebook as they were or edited."""

from __future__ import annotations

import dataclasses
import shlex
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from cli import options as o
from cli.progress import run_evaluation
from cli.results_table import print_results
from cli.stopping import go_on_with
from graphs.evaluation.state import Input
from graphs.inner_agent.forking import fork_episode, next_free
from graphs.inner_agent.opening import check
from graphs.inner_agent.run_file import begin_run, check_vacant, recorded_settings
from graphs.inner_agent.sessions import SESSIONS
from graphs.settings import Context, EpisodeSettings, SettingsError
from traces import EpisodeFolder, RunFolder, read_result
from worlds import world_entry


def fork(
    episode: Annotated[Path, typer.Argument(help="Episode folder: RUN/episodes/WORLD/TASK/seed-N.")],
    step: Annotated[int, typer.Option(min=1, help="First step to play again.")],
    edit: Annotated[
        list[str] | None, typer.Option(help="FILE=PATH: the notebook's FILE becomes the text in PATH; may be repeated.")
    ] = None,
    scaffold: Annotated[str | None, typer.Option(help="Another scaffold. (default: the episode's)")] = None,
    model: Annotated[str | None, typer.Option(help="Another model. (default: the episode's)")] = None,
    base_url: o.BaseUrl = None,
    out: Annotated[
        Path | None,
        typer.Option(help="Run folder to write. (default: RUN-fork-1, -2, …)", parser=o.written, metavar="PATH"),
    ] = None,
    trust_scaffold_code: o.TrustScaffoldCode = False,
    quiet: o.Quiet = False,
) -> None:
    """Play an episode again from one of its steps in a new folder; the episode itself is not changed."""
    source = EpisodeFolder(Path(episode).resolve())
    settings, target = _prepare(
        source, step, texts_of(edit or []), scaffold, model, o.base_urls(base_url), out, trust_scaffold_code
    )
    console = Console()
    run = target.path.parents[3]
    request = Input(
        world=settings.world,
        tasks=[settings.task],
        seeds=[settings.seed],
        model=settings.model,
        out=str(run),
        resume=True,
    )
    if step > 1 and not SESSIONS.lives(source):
        line = f"the {step - 1} actions before it are replayed: the episode is not open in this process"
        console.print(line, markup=False, highlight=False)
    go_on_with(f"go on with: automem play --episode {shlex.quote(str(target.path))}")
    limit = settings.max_steps or world_entry(settings.world).max_steps
    summary = run_evaluation(request, Context(**_common(settings)), console, limit, quiet=quiet)
    print_results(console, [(run.name, summary)], f"{source.path} forked at step {step}")
    if (first := read_result(source)) is not None:
        line = f"the episode it was forked from: {100 * first.progression:.2f} % after {first.steps} steps"
        console.print(line, markup=False, highlight=False)
    console.print(f"written: {target.path}", markup=False, highlight=False, soft_wrap=True)
    if summary["n_failed"] or summary["n_damaged"]:
        raise typer.Exit(1)


def _prepare(
    source: EpisodeFolder,
    step: int,
    edits: dict[str, str],
    scaffold: str | None,
    model: str | None,
    base_url: str | list[str] | None,
    out: Path | None,
    trust: bool,
) -> tuple[EpisodeSettings, EpisodeFolder]:
    """The fork's settings and its folder, ready to be played on. Raises our errors."""
    recorded = recorded_settings(source) if source.steps.exists() else None
    if recorded is None:
        raise SettingsError(f"{source.path} holds no episode: name a folder RUN/episodes/WORLD/TASK/seed-N.")
    given = {"scaffold": scaffold, "model": model, "base_url": base_url, "trust_scaffold_code": trust or None}
    changes: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    settings = dataclasses.replace(recorded, **changes)
    digest = check(settings).digest
    target = next_free(source)
    if out is not None:
        target = RunFolder(out).episode(settings.world, settings.task, settings.seed)
    run = RunFolder(target.path.parents[3])
    if run.run.exists():
        raise SettingsError(f"{run.path} holds a run already: give another --out.")
    check_vacant(run.path, "fork")
    for place in run.path.resolve().parents:
        if RunFolder(place).run.exists():
            raise SettingsError(f"{run.path} lies in the run {place}: give another --out.")
    fork_episode(source, target, step, edits=edits)
    begin_run(run, settings, digest, world=settings.world, tasks=[settings.task], seeds=[settings.seed])
    return settings, target


def texts_of(edits: list[str]) -> dict[str, str]:
    """The texts of FILE=PATH options."""
    texts = {}
    for edit in edits:
        name, equals, path = edit.partition("=")
        if not equals or not name or not path:
            raise typer.BadParameter(f'"{edit}" is no edit: write FILE=PATH, such as strategy.md=better.md.')
        try:
            texts[name] = Path(path).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise typer.BadParameter(f"{path} cannot be read as text: {error}") from error
    return texts


def _common(settings: EpisodeSettings) -> dict[str, Any]:
    """The settings that are a run's rather than an episode's."""
    return {field.name: getattr(settings, field.name) for field in dataclasses.fields(Context)}

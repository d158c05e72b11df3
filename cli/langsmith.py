"""automem langsmith: runs go to LangSmith, people's judgements come back, certified examples become a dataset."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, TypeAlias

import typer
from rich.console import Console

from cli import options as o
from cli.langsmith_dataset import certified, upload
from cli.visible_text import one_line
from graphs.curator.folders import SpecializationFolder
from graphs.settings import SettingsError
from memory_fs.results import plural
from traces import EpisodeFolder, RunFolder
from traces.langsmith_client import LangSmithClient, LangSmithFailure
from traces.langsmith_episode import Choice
from traces.langsmith_feedback import pull as fetch
from traces.langsmith_push import push as send

langsmith = typer.Typer(help="Send runs to LangSmith, fetch people's judgements.", no_args_is_help=True)

Project: TypeAlias = Annotated[
    str | None, typer.Option(help="LangSmith project. (default: LANGSMITH_PROJECT, or default)")
]
Run: TypeAlias = Annotated[
    Path, typer.Argument(help="Run folder of automem eval; or of specialize, for its collect/.", show_default=False)
]


@langsmith.command()
def push(
    run: Run,
    project: Project = None,
    sample: Annotated[float, typer.Option(min=0.0, max=1.0, help="Share of the steps to send.")] = 1.0,
    hide: o.TraceHide = None,
) -> None:
    """Send a run's episodes: the tree of every step, and its scores. Broken off, the same command goes on."""
    folder, choice = _run_folder(run), Choice(sample, tuple(o.read_hidden(hide)))
    console, reported = Console(stderr=True), set[str]()
    with _one_line_of_failure(), LangSmithClient(project) as client, console.status("") as status:

        def report(episode: EpisodeFolder, sent: int, steps: int) -> None:
            name = " ".join(episode.path.parts[-2:])
            status.update(one_line(f"{name}: step {sent} of {steps}", 200))
            if sent == steps and name not in reported and not console.is_terminal:
                reported.add(name)
                typer.echo(one_line(f"{name}: {steps} steps", 200), err=True)

        done = send(folder, client, choice, report)
    if not done.episodes and not done.damaged:
        typer.echo(f"{folder.path} holds no episodes.")
        return
    count = f"{done.steps} steps of {done.episodes} episodes ({done.before} were there)"
    typer.echo(f"sent to {client.project}: {count} from {folder.path}")
    for sentence in done.damaged:
        typer.echo(one_line(f"left out, damaged: {sentence}", 500), err=True)
    if done.refused:
        typer.echo(
            one_line(f"refused: {done.refused} steps, such as: {done.why} The same command sends them again.", 500),
            err=True,
        )
    if done.refused or done.damaged:
        raise typer.Exit(1)


@langsmith.command()
def pull(
    run: Run,
    project: Project = None,
    key: Annotated[
        list[str] | None, typer.Option(help="Feedback with this key counts, by any sender; may be repeated.")
    ] = None,
) -> None:
    """Fetch people's feedback on memory decisions into RUN/feedback.jsonl, where the curator finds it."""
    folder = _run_folder(run)
    with _one_line_of_failure(), LangSmithClient(project) as client:
        found = fetch(folder, client, key or ())
    where = f"on {plural(found.candidates, 'memory decision')}: {folder.path}/feedback.jsonl"
    typer.echo(f"{plural(found.judgements, 'judgement')} {where}")
    if found.elsewhere or found.unknown:
        typer.echo(f"left out: {found.elsewhere} on other runs, {found.unknown} without a score of known scale")


@langsmith.command()
def dataset(
    source: Annotated[
        Path, typer.Argument(metavar="DATASET|RUN", help="dataset.jsonl, or a run of automem specialize: its last one.")
    ],
    name: Annotated[str, typer.Option(help="Name of the dataset in LangSmith.")],
    run: Annotated[
        Path | None, typer.Option(help="The run it was cut from. (default: as postprocess.json beside it says)")
    ] = None,
) -> None:
    """Make a LangSmith dataset of examples, certificates with them, once all of them are certified."""
    with _one_line_of_failure():
        path, digest = certified(source, run)
        made = upload(path, digest, name)
    typer.echo(
        f"dataset {name}: {made.there + made.sent} certified examples ({made.sent} sent, {made.there} were there)"
    )


def _run_folder(path: Path) -> RunFolder:
    """The run; of one of automem specialize its training episodes, which the curator chooses from. SettingsError."""
    loop = SpecializationFolder(path)
    folder = loop.collect if loop.run.is_file() else RunFolder(path)
    if not folder.run.is_file():
        inside = sorted([*path.glob("*/run.json"), *path.glob("*/*/run.json")])
        advice = f"such as {inside[0].parent}" if inside else "as automem eval writes it"
        raise SettingsError(f"{folder.path} holds no run.json: name the folder of an evaluation, {advice}.")
    return folder


@contextmanager
def _one_line_of_failure() -> Iterator[None]:
    """End with status 1 and one sentence where LangSmith cannot be reached or refuses."""
    try:
        yield
    except LangSmithFailure as failure:
        typer.echo(f"automem: {one_line(str(failure), 500)} The same command goes on from here.", err=True)
        raise typer.Exit(1) from failure

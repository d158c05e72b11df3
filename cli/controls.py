"""automem controls: a model with its notebook and with control arms of it, one table."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractAsyncContextManager, nullcontext
from pathlib import Path
from typing import Annotated, TypeAlias

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from cli import options as o
from cli import stopping
from cli import workers as w
from cli.doctor import warn_before
from cli.options import parse_seeds
from cli.progress import LiveProgress, ticking
from cli.progress_tally import Tally
from graphs.evaluation.playing import EvaluationJob, finished, play_whole
from graphs.evaluation.state import Input
from graphs.run_lock import run_lock
from graphs.settings import ARMS, Context
from graphs.spending import CeilingReached
from lab.controls import TABLE, Controls, Row
from lab.counterfactual import FEWEST
from traces.effects import Estimate
from traces.report_data import who
from worlds import world_entry


def controls(
    world: o.World,
    model: o.Model,
    out: o.Out,
    arms: Annotated[str, typer.Option(help="Which, by commas; on is one of them.")] = ",".join(ARMS),
    seeds: o.Seeds = None,
    task: o.Tasks = None,
    scaffold: o.ScaffoldPath = None,
    base_url: o.BaseUrl = None,
    max_steps: o.MaxSteps = None,
    world_option: o.WorldOptions = None,
    concurrency: o.Concurrency = 10,
    workers: w.Workers = None,
    ray: w.RayAddress = None,
    shared: w.Shared = False,
    dialect: o.DialectOption = None,
    gameplay_model: o.GameplayModel = None,
    gameplay_base_url: o.GameplayBaseUrl = None,
    temperature: o.Temperature = 1.0,
    sampler: o.Sampler = None,
    max_tokens: o.MaxTokens = 4096,
    timeout: o.Timeout = 60.0,
    ceiling: o.Ceilings = None,
    run_ceiling: o.RunCeilings = None,
    prices: o.Prices = None,
    trust_scaffold_code: o.TrustScaffoldCode = False,
    resume: o.Resume = False,
    no_check: o.NoCheck = False,
    quiet: o.Quiet = False,
) -> None:
    """Play a model with its notebook and with control arms of it, and compare them seed by seed."""
    entry = world_entry(world)
    context = Context(
        scaffold=scaffold,
        dialect=dialect.value if dialect else None,
        gameplay_model=gameplay_model,
        base_url=o.base_urls(base_url),
        gameplay_base_url=o.base_urls(gameplay_base_url),
        max_steps=max_steps,
        temperature=temperature,
        sampler=o.read_sampler(sampler),
        max_tokens=max_tokens,
        timeout_s=timeout,
        world_options=o.read_world_options(world_option),
        ceilings=o.read_ceilings(ceiling),
        prices=prices,
        trust_scaffold_code=trust_scaffold_code,
    )
    given = Input(
        world=world,
        tasks=task or list(entry.tasks),
        seeds=parse_seeds(seeds) if seeds is not None else list(entry.seeds),
        model=model,
        out=str(out),
        concurrency=concurrency,
        resume=resume,
        ceilings=o.read_ceilings(run_ceiling),
    )
    comparison = Controls(given=given, context=context, arms=tuple(one.strip() for one in arms.split(",")))
    console = Console()
    with w.played_on(workers, ray, shared):
        comparison.check()
        if not no_check:
            warn_before([(model, base_url), (gameplay_model, gameplay_base_url or base_url)], world, max_tokens, out)
        stopped = stopping.run(_play(comparison, console, max_steps or entry.max_steps, quiet))
    _show(console, comparison, f"{world}: {who(model, gameplay_model)}", stopped)


NotebookArms: TypeAlias = Annotated[
    str | None,
    typer.Option(
        help="Final table also: its best player with other notebooks, arms of automem controls by commas, such as "
        "off,shuffled."
    ),
]


def named(arms: str | None) -> tuple[str, ...]:
    """The arms that an option names by commas, without on."""
    return tuple(one for each in (arms or "").split(",") if (one := each.strip()) and one != "on")


def check_beside(given: Input, context: Context, arms: tuple[str, ...]) -> None:
    """Raise our errors for arms that are to be played beside a final evaluation, before the run begins."""
    if arms:
        Controls(given=Input(**{**given, "resume": True}), context=context, arms=("on", *arms)).check()


def play_beside(
    job: EvaluationJob | None,
    out: Path,
    arms: tuple[str, ...],
    console: Console,
    max_steps: int,
    quiet: bool,
    served: AbstractAsyncContextManager[None] | None = None,
) -> None:
    """Play arms beside the final evaluation `job` of the run in `out`, what is played already left out, and show them.

    `served`: what has the player served, entered where something is to be played. Status 1 if an episode failed.
    """
    if job is None:
        console.print("The arms are played after the final evaluation.", highlight=False)
        return
    comparison = Controls.beside(job, out / "controls", arms)
    with run_lock(out):
        stopped = stopping.run(_play(comparison, console, max_steps, quiet, served))
    title = f"{job.name}: {who(job.given['model'], job.context.gameplay_model)}"
    _show(console, comparison, title, stopped, "--ceiling")


def _show(
    console: Console, comparison: Controls, title: str, stopped: CeilingReached | None, ceiling: str = "--run-ceiling"
) -> None:
    """Print the table of the arms that are whole, and what is written; status 1 if an episode failed."""
    if stopped is not None:
        console.print(Text(f"stopped: {stopped}; go on with a higher {ceiling} and --resume"), soft_wrap=True)
    rows = comparison.table()
    if not rows:
        return
    console.print(comparison_table(rows, title))
    if rows[0].episodes < FEWEST:
        console.print(f"an interval needs at least {FEWEST} episodes of an arm", highlight=False)
    console.print(Text(f"written: {comparison.out}/{TABLE}, {comparison.out}/ARM/"), soft_wrap=True)
    if any(row.failed for row in rows if row.arm in comparison.arms):
        raise typer.Exit(1)


def _unplayed(comparison: Controls) -> Iterator[EvaluationJob]:
    """The arms to play: beside a loop those that are not finished, as its `on`, which it does not play again."""
    for job in comparison.jobs():
        if comparison.played_on is None or not finished(job.out):
            yield job


async def _play(
    comparison: Controls,
    console: Console,
    max_steps: int,
    quiet: bool,
    served: AbstractAsyncContextManager[None] | None = None,
) -> CeilingReached | None:
    """Play all arms; the ceiling that ended it, if one did."""
    jobs = list(_unplayed(comparison))
    async with served if served and jobs else nullcontext():
        for job in jobs:
            if not quiet:
                console.print(Text(f"arm {job.name}"))
            with LiveProgress(console, Tally(max_steps), quiet=quiet) as progress:
                progress.plan(len(comparison.pairs))
                try:
                    async with ticking(progress):
                        await play_whole(job, progress.show)
                except CeilingReached as reached:
                    return reached
    return None


def comparison_table(rows: list[Row], title: str) -> Table:
    """The arms one below the other, whole at 80 columns."""
    table = Table(title=title, title_justify="left", show_edge=False, pad_edge=False)
    table.add_column("arm", no_wrap=True, min_width=max(map(len, ARMS)))
    table.add_column("episodes", justify="right")
    for heading in ("%", "against\non", "95 %", "tokens\nper step", "calls\nper step"):
        table.add_column(heading, justify="right", no_wrap=True)
    for row in rows:
        tokens = "–" if row.tokens_per_step is None else f"{row.tokens_per_step:,.0f}"
        episodes = f"{row.episodes}" + (f" ({row.failed} failed as 0)" if row.failed else "")
        figures = (f"{100 * row.progression:.1f}", *_difference(row.difference), tokens, f"{row.calls_per_step:.2f}")
        table.add_row(row.arm, episodes, *figures)
    return table


def _difference(estimate: Estimate | None) -> tuple[str, str]:
    if estimate is None:
        return "", ""
    if estimate.low is None or estimate.high is None:
        return f"{100 * estimate.mean:+.1f}", "–"
    return f"{100 * estimate.mean:+.1f}", f"[{100 * estimate.low:+.1f}, {100 * estimate.high:+.1f}]"

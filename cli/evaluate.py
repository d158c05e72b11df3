"""automem eval: the episodes of a protocol against any model, side by side, into a run folder."""

from __future__ import annotations

from pathlib import Path

import typer
from rich.console import Console

from cli import options as o
from cli import workers as w
from cli.doctor import warn_before
from cli.options import parse_seeds
from cli.progress import run_evaluation
from cli.results_table import look, print_results
from graphs.evaluation.state import Input
from graphs.settings import Context, SettingsError
from traces.report_data import who
from worlds import world_entry


def evaluate(
    world: o.World,
    model: o.Model,
    out: o.Out,
    scaffold: o.ScaffoldPath = None,
    base_url: o.BaseUrl = None,
    seeds: o.Seeds = None,
    task: o.Tasks = None,
    protocol: o.PaperProtocol = None,
    max_steps: o.MaxSteps = None,
    world_option: o.WorldOptions = None,
    concurrency: o.Concurrency = 10,
    workers: w.Workers = None,
    ray: w.RayAddress = None,
    shared: w.Shared = False,
    dialect: o.DialectOption = None,
    notebook: o.Notebook = o.NotebookName.on,
    gameplay_model: o.GameplayModel = None,
    gameplay_base_url: o.GameplayBaseUrl = None,
    handoff: o.Handoff = o.HandoffName.auto,
    temperature: o.Temperature = 1.0,
    sampler: o.Sampler = None,
    max_tokens: o.MaxTokens = 4096,
    timeout: o.Timeout = 60.0,
    attempts: o.Attempts = 5,
    patience: o.Patience = 300.0,
    overflow: o.Overflow = o.OverflowName.shorten,
    ceiling: o.Ceilings = None,
    run_ceiling: o.RunCeilings = None,
    stop_when: o.StopWhen = None,
    alarm: o.Alarms = None,
    prices: o.Prices = None,
    constrained: o.Constrained = False,
    resume: o.Resume = False,
    new_attempts: o.NewAttempts = False,
    trust_scaffold_code: o.TrustScaffoldCode = False,
    trace_sample: o.TraceSample = 1.0,
    trace_hide: o.TraceHide = None,
    no_check: o.NoCheck = False,
    quiet: o.Quiet = False,
) -> None:
    """Play a protocol's episodes and score them: progression, mean ± standard error."""
    entry = world_entry(world)
    if gameplay_base_url and not gameplay_model:
        raise typer.BadParameter("--gameplay-base-url is of use only with --gameplay-model.")
    if new_attempts and not resume:
        raise typer.BadParameter("--new-attempts goes with --resume.")
    if protocol is not None:
        _check_untouched(seeds=seeds, task=task, max_steps=max_steps, world_option=world_option)
        sampling = {"temperature": temperature, "sampler": sampler, "max_tokens": max_tokens, "timeout": timeout}
        _check_untouched((1.0, None, 4096, 60.0), **sampling)
    context = Context(
        scaffold=scaffold,
        dialect=dialect.value if dialect else None,
        notebook=notebook.value,
        handoff=handoff.value,
        gameplay_model=gameplay_model,
        base_url=o.base_urls(base_url),
        gameplay_base_url=o.base_urls(gameplay_base_url),
        max_steps=max_steps,
        temperature=temperature,
        sampler=o.read_sampler(sampler),
        max_tokens=max_tokens,
        timeout_s=timeout,
        patience_s=patience,
        overflow=overflow.value,
        attempts=attempts,
        world_options=dict(entry.protocol) if protocol else o.read_world_options(world_option),
        ceilings=o.read_ceilings(ceiling),
        stop_when=stop_when or [],
        alarms=alarm or [],
        prices=prices,
        constrained=constrained,
        trust_scaffold_code=trust_scaffold_code,
        trace_sample=trace_sample,
        trace_hide=o.read_hidden(trace_hide),
    )
    request = Input(
        world=world,
        tasks=task or list(entry.tasks),
        seeds=parse_seeds(seeds) if seeds is not None else list(entry.seeds),
        model=model,
        out=str(out),
        concurrency=concurrency,
        resume=resume,
        new_attempts=new_attempts,
        ceilings=o.read_ceilings(run_ceiling),
        protocol=protocol.value if protocol else None,
    )
    with w.played_on(workers, ray, shared):
        if not no_check:
            warn_before([(model, base_url), (gameplay_model, gameplay_base_url or base_url)], world, max_tokens, out)
        _run(request, context, max_steps or entry.max_steps, quiet)


def _run(request: Input, context: Context, max_steps: int, quiet: bool) -> None:
    """Play, print the table and what was written; end with status 1 if an episode failed."""
    console = Console()
    out = Path(request["out"])
    summary = run_evaluation(request, context, console, max_steps, quiet=quiet)
    players = who(request["model"], context.gameplay_model)
    print_results(console, [(out.name, summary)], f"{request['world']}: {summary['scaffold']}, {players}")
    console.print(f"written: {out}/summary.json, {out}/episodes/", markup=False, highlight=False, soft_wrap=True)
    console.print(look(out), markup=False, highlight=False, soft_wrap=True)
    if summary["n_failed"] or summary["n_damaged"]:
        raise typer.Exit(1)


def _check_untouched(fixed: tuple[object, ...] = (None, None, None, None), **given: object) -> None:
    """SettingsError if an option that the published protocol fixes was given another value."""
    for (name, value), expected in zip(given.items(), fixed, strict=True):
        if value != expected:
            raise SettingsError(f"--protocol paper fixes --{name.replace('_', '-')}: leave it out.")

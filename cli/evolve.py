"""automem evolve: loop 1: a reviewer reads whole episodes and revises the scaffold, a gate keeps only what helps."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, TypeAlias

import typer
from rich.console import Console

from cli import options as o
from cli import workers as w
from cli.controls import NotebookArms, check_beside, named, play_beside
from cli.doctor import warn_before
from cli.evolve_lines import EVENTS
from cli.options import parse_seeds
from cli.outer_loop import run_loop
from graphs.evaluation.state import Input as EvaluationInput
from graphs.reviewer import open_search
from graphs.reviewer.evaluating import final_evaluation
from graphs.reviewer.search import Context, Search
from graphs.reviewer.state import Input
from worlds import world_entry


class GateName(StrEnum):
    """By which rule a candidate is kept."""

    mean = "mean"
    paired = "paired"
    confirm = "confirm"


GateSeeds: TypeAlias = Annotated[str | None, typer.Option(help="Seeds the gate judges by. (default: the protocol's)")]
HoldoutSeeds: TypeAlias = Annotated[
    str | None, typer.Option(help="Seeds of the final table; neither reviewer nor gate ever sees them.")
]
Versions: TypeAlias = Annotated[int, typer.Option(min=1, help="Versions to reach (paper: 5).")]
FreshAttempts: TypeAlias = Annotated[int, typer.Option(min=1, help="Fresh attempts per version (paper: 3).")]
Continuations: TypeAlias = Annotated[
    int, typer.Option(min=0, help="Continuations of an attempt that was turned down (paper: 1).")
]
Gate: TypeAlias = Annotated[
    GateName,
    typer.Option(help="mean: any rise (paper); paired: beyond luck; confirm: rises again on fresh seeds."),
]
Confidence: TypeAlias = Annotated[
    float, typer.Option(min=0.5, max=0.9999, help="That nothing in the whole search is kept by luck.")
]
Reevaluate: TypeAlias = Annotated[
    bool, typer.Option("--reevaluate-incumbent", help="Control arm: play the old scaffold again for every candidate.")
]
AttemptCeilings: TypeAlias = Annotated[
    list[str] | None, typer.Option("--attempt-ceiling", help="What each attempt may spend, likewise; may be repeated.")
]
Approve: TypeAlias = Annotated[
    bool | None,
    typer.Option("--approve/--no-approve", help="Ask before a candidate is evaluated and before it is adopted."),
]


def evolve(
    world: o.World,
    model: o.Model,
    reviewer_model: o.AgentModel,
    out: o.Out,
    scaffold: o.ScaffoldPath = None,
    base_url: o.BaseUrl = None,
    reviewer_base_url: o.AgentBaseUrl = None,
    seeds: GateSeeds = None,
    task: o.Tasks = None,
    versions: Versions = 5,
    attempts: FreshAttempts = 3,
    continuations: Continuations = 1,
    gate: Gate = GateName.paired,
    confidence: Confidence = 0.9,
    holdout_seeds: HoldoutSeeds = None,
    reevaluate_incumbent: Reevaluate = False,
    notebook_arms: NotebookArms = None,
    approve: Approve = None,
    seed: o.Seed = 0,
    ceiling: o.WholeCeilings = None,
    attempt_ceiling: AttemptCeilings = None,
    episode_ceiling: o.EpisodeCeilings = None,
    stop_when: o.StopWhen = None,
    alarm: o.Alarms = None,
    prices: o.Prices = None,
    max_steps: o.MaxSteps = None,
    world_option: o.WorldOptions = None,
    concurrency: o.LoopConcurrency = None,
    workers: w.Workers = None,
    ray: w.RayAddress = None,
    shared: w.Shared = False,
    gameplay_model: o.GameplayModel = None,
    gameplay_base_url: o.GameplayBaseUrl = None,
    temperature: o.Temperature = 1.0,
    sampler: o.Sampler = None,
    max_tokens: o.MaxTokens = 4096,
    timeout: o.Timeout = 60.0,
    patience: o.Patience = 300.0,
    overflow: o.Overflow = o.OverflowName.shorten,
    constrained: o.Constrained = False,
    resume: o.LoopResume = False,
    no_check: o.NoCheck = False,
    quiet: o.Quiet = False,
) -> None:
    """Let a reviewer revise a world's scaffold, version by version, and keep what plays better."""
    context = Context(
        scaffold=scaffold,
        base_url=o.base_urls(base_url),
        reviewer_base_url=reviewer_base_url,
        gameplay_model=gameplay_model,
        gameplay_base_url=o.base_urls(gameplay_base_url),
        max_steps=max_steps,
        temperature=temperature,
        sampler=o.read_sampler(sampler),
        max_tokens=max_tokens,
        timeout_s=timeout,
        patience_s=patience,
        overflow=overflow.value,
        world_options=o.read_world_options(world_option),
        ceilings=o.read_ceilings(episode_ceiling),
        stop_when=stop_when or [],
        alarms=alarm or [],
        prices=prices,
        constrained=constrained,
    )
    entry = world_entry(world)
    given = Input(
        world=world,
        model=model,
        reviewer_model=reviewer_model,
        out=str(out),
        tasks=task or list(entry.tasks),
        seeds=parse_seeds(seeds) if seeds is not None else list(entry.seeds),
        holdout_seeds=parse_seeds(holdout_seeds) if holdout_seeds is not None else [],
        versions=versions,
        attempts=attempts,
        continuations=continuations,
        gate=gate.value,
        confidence=confidence,
        reevaluate_incumbent=reevaluate_incumbent,
        seed=seed,
        ceilings=o.read_ceilings(ceiling),
        attempt_ceilings=o.read_ceilings(attempt_ceiling),
        resume=resume,
    )
    if approve is not None:  # else as the search was begun with
        given["approve"] = approve
    if concurrency is not None:
        given["concurrency"] = concurrency
    arms, limit, console = named(notebook_arms), max_steps or entry.max_steps, Console()
    begun = resume and Search.folder_type(out).run.exists()
    if arms and not (Search.read(out).holdout_seeds if begun else given["holdout_seeds"]):
        raise typer.BadParameter("--notebook-arms are played on the hold-out seeds: give --holdout-seeds.")
    with w.played_on(workers, ray, shared):
        if not no_check:
            playing = [(model, base_url), (gameplay_model, gameplay_base_url or base_url)]
            agent = reviewer_model, [reviewer_base_url] if reviewer_base_url else None
            warn_before([*playing, agent], world, max_tokens, out)
        seeds_of_arms = given["holdout_seeds"] or given["seeds"]
        final = EvaluationInput(world=world, tasks=given["tasks"], model=model, out=str(out), seeds=seeds_of_arms)
        check_beside(final, context.play(), arms)
        run_search(given, context, limit, console, quiet)
        if arms:
            play_beside(final_evaluation(Search.read(out)), out, arms, console, limit, quiet)


def run_search(
    given: Input, context: Context, max_steps: int, console: Console, quiet: bool, brief: bool = False
) -> None:
    """Drive the search to its end. Status 1 where the machine stopped it, 3 where it waits for a person's answer.

    `brief`: without a line for each tool call of the reviewer and for each episode.
    """
    events = EVENTS.brief() if brief else EVENTS
    opening = open_search(given, context)
    run_loop(opening, "the search", console, max_steps, events, quiet=quiet)
    console.print(f"automem lineage {given['out']} shows how it came about", markup=False, highlight=False)

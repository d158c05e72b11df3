"""automem specialize: loop 2: the agent's own good memory decisions become a trained memory specialist."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, TypeAlias

import typer
from rich.console import Console
from rich.text import Text

from cli import options as o
from cli import workers as w
from cli.controls import NotebookArms, check_beside, named, play_beside
from cli.doctor import warn_before
from cli.options import parse_seeds
from cli.outer_loop import run_loop
from cli.specialize_lines import EVENTS, print_final, serving
from graphs.curator import open_specialization
from graphs.curator.evaluating import final_evaluation
from graphs.curator.folders import SpecializationFolder
from graphs.curator.players import weights_of
from graphs.curator.run import Context, Specialization, default_recipe
from graphs.curator.specialist_server import served
from graphs.curator.state import Input
from graphs.settings import SettingsError
from traces.plain_json import read_file
from training import sft_specialist
from training.selection import DEFAULT_POLICY, policy_names
from training.sft_config import DEVICES
from worlds import world_entry

Base: TypeAlias = Annotated[str | None, typer.Option(help="What is trained: vllm:NAME or embedded. (default: --model)")]
Weights: TypeAlias = Annotated[
    str | None, typer.Option(help="Its weights for training: a folder, or OWNER/NAME. (default: as --base says)")
]
Traces: TypeAlias = Annotated[
    Path | None, typer.Option(help="An evaluation to learn from; --model, --task, --train-seeds are then those of it.")
]
TrainSeeds: TypeAlias = Annotated[str, typer.Option(help="Of the training episodes: 1-100, or random:100 to draw.")]
ValidationSeeds: TypeAlias = Annotated[
    str | None, typer.Option(help="Recipes are chosen by these. (default: random, as many as final ones)")
]
FinalSeeds: TypeAlias = Annotated[
    str | None,
    typer.Option("--eval-seeds", "--final-seeds", help="Of the final table, never played before. (default: protocol)"),
]
Iterations: TypeAlias = Annotated[int, typer.Option(min=1, help="Recipes to try.")]
Recipe: TypeAlias = Annotated[
    str | None, typer.Option(help="To start from: a shipped one's name, or a TOML file. (default: by world and base)")
]
Policy: TypeAlias = Annotated[
    str, typer.Option(help=f"Selection to start from: {', '.join(policy_names())}, or a TOML file.")
]
MinimumExamples: TypeAlias = Annotated[
    int | None, typer.Option(min=1, help="Fewer are never trained on. (default: the recipe's)")
]
Controls: TypeAlias = Annotated[
    bool | None,
    typer.Option(
        "--controls/--no-controls", help="Final table also: specialist in both roles; one trained on random turns."
    ),
]
Approve: TypeAlias = Annotated[
    bool | None, typer.Option("--approve/--no-approve", help="Ask before each training and before the final table.")
]
Launcher: TypeAlias = Annotated[
    str | None, typer.Option(help='What starts a training, such as "accelerate launch --config_file FILE".')
]
TrainOptions: TypeAlias = Annotated[
    str | None, typer.Option(help='Further options of training/sft_specialist.py, such as "--batching grouped".')
]


SpecialistServer: TypeAlias = Annotated[
    str | None,
    typer.Option(
        help="Serve each specialist merged, by this command: "
        "'vllm serve {folder} --served-model-name {name} --host 127.0.0.1 --port 8001'. (default: the base's server "
        "loads adapters)"
    ),
]
SpecialistUrl: TypeAlias = Annotated[
    str | None, typer.Option(help="Where that server answers, such as http://127.0.0.1:8001/v1.")
]
Plan: TypeAlias = Annotated[
    bool,
    typer.Option("--plan", help="Say what a training on the run's newest dataset takes, and start nothing."),
]
DeviceLike: TypeAlias = Annotated[
    str | None, typer.Option(help=f"With --plan: for such a GPU ({', '.join(DEVICES)}), not for this machine.")
]


def seeds_or_number(text: str) -> list[int] | int:
    """The seeds that are named, or N of `random:N`. typer.BadParameter for anything else."""
    drawn = re.fullmatch(r"\s*random:(\d{1,6})\s*", text)
    return int(drawn[1]) if drawn else parse_seeds(text)


def words(text: str | None) -> list[str]:
    """The words of an option that holds several, quoted as in a shell. typer.BadParameter for an open quote."""
    try:
        return shlex.split(text or "")
    except ValueError as error:
        raise typer.BadParameter(f'"{text}" cannot be read: {error}.') from error


def specialize(
    world: o.World,
    out: o.Out,
    model: o.Model = "scripted",
    base: Base = None,
    weights: Weights = None,
    curator_model: o.AgentModel = "scripted",
    scaffold: o.ScaffoldPath = None,
    base_url: o.BaseUrl = None,
    curator_base_url: o.AgentBaseUrl = None,
    gameplay_model: o.GameplayModel = None,
    gameplay_base_url: o.GameplayBaseUrl = None,
    task: o.Tasks = None,
    traces: Traces = None,
    train_seeds: TrainSeeds = "random:100",
    validation_seeds: ValidationSeeds = None,
    eval_seeds: FinalSeeds = None,
    iterations: Iterations = 5,
    recipe: Recipe = None,
    policy: Policy = DEFAULT_POLICY.stem,
    minimum_examples: MinimumExamples = None,
    controls: Controls = None,
    notebook_arms: NotebookArms = None,
    approve: Approve = None,
    seed: o.Seed = 0,
    launcher: Launcher = None,
    train_options: TrainOptions = None,
    specialist_server: SpecialistServer = None,
    specialist_url: SpecialistUrl = None,
    ceiling: o.WholeCeilings = None,
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
    temperature: o.Temperature = 1.0,
    sampler: o.Sampler = None,
    max_tokens: o.MaxTokens = 4096,
    timeout: o.Timeout = 60.0,
    patience: o.Patience = 300.0,
    overflow: o.Overflow = o.OverflowName.shorten,
    constrained: o.Constrained = False,
    resume: o.LoopResume = False,
    trust_scaffold_code: o.TrustScaffoldCode = False,
    no_check: o.NoCheck = False,
    quiet: o.Quiet = False,
    plan: Plan = False,
    device_like: DeviceLike = None,
) -> None:
    """Collect traces, curate, train an adapter, measure it with two models, and decide the next recipe from that."""
    if plan:
        chosen = recipe or default_recipe(world, base or model)
        show_plan(out, weights or weights_of(base or model), chosen, words(train_options), device_like)
        return
    context = Context(
        scaffold=scaffold,
        base_url=o.base_urls(base_url),
        curator_base_url=curator_base_url,
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
        trust_scaffold_code=trust_scaffold_code,
    )
    optional: dict[str, Any] = {
        "base": base,
        "weights": weights,
        "traces": str(traces) if traces is not None else None,
        "tasks": task,
        "validation_seeds": seeds_or_number(validation_seeds) if validation_seeds is not None else None,
        "final_seeds": parse_seeds(eval_seeds) if eval_seeds is not None else None,
        "recipe": recipe,
        "policy": policy,
        "minimum_examples": minimum_examples,
        "controls": controls,
        "approve": approve,
        "concurrency": concurrency,
        "specialist_url": specialist_url,
    }
    given: Any = {
        **{name: value for name, value in optional.items() if value is not None},
        "world": world,
        "out": str(out),
        "model": model,
        "curator_model": curator_model,
        "train_seeds": seeds_or_number(train_seeds),
        "iterations": iterations,
        "seed": seed,
        "launcher": words(launcher),
        "train_options": words(train_options),
        "specialist_server": words(specialist_server),
        "ceilings": o.read_ceilings(ceiling),
        "resume": resume,
    }
    entry = world_entry(world)
    arms, limit, console = named(notebook_arms), max_steps or entry.max_steps, Console()
    with w.played_on(workers, ray, shared):
        if not no_check:
            playing = [(model, base_url), (gameplay_model, gameplay_base_url or base_url)]
            agent = curator_model, [curator_base_url] if curator_base_url else None
            warn_before([*playing, agent], world, max_tokens, out)
        final: Any = {"world": world, "tasks": task or list(entry.tasks), "model": base or model, "out": str(out)}
        final["seeds"] = optional["final_seeds"] or list(entry.seeds)
        check_beside(final, context.play(), arms)
        run_specialization(given, context, limit, console, quiet)
        if arms:
            _play_arms(Specialization.read(out), arms, console, limit, quiet)


def show_plan(out: Path, weights: str, recipe: str, options: Sequence[str], like: str | None) -> None:
    """What a training on the newest dataset of a run takes. SettingsError where there is none; exits as the script."""
    datasets = SpecializationFolder(out).datasets()
    if not datasets:
        raise SettingsError(
            f"{out} holds no dataset yet, and what a training takes depends on its examples: give a run that has "
            "selected some, or a dataset to training/sft_specialist.py --plan."
        )
    device = ["--device-like", like] if like else []
    given = ["--dataset", str(datasets[-1]), "--base", weights, "--recipe", recipe, *options, "--plan", *device]
    if status := sft_specialist.main(given):
        raise typer.Exit(status)


def run_specialization(
    given: Input, context: Context, max_steps: int, console: Console, quiet: bool, brief: bool = False
) -> None:
    """Drive the run to its end. Status 1 where the machine stopped it, 3 where it waits for a person's answer.

    `brief`: without a line for each tool call of the curator and for each episode.
    """
    events = EVENTS.brief() if brief else EVENTS
    opening = open_specialization(given, context)
    run_loop(opening, "the run", console, max_steps, events, quiet=quiet)
    _show_end(Path(given["out"]), console)


def _play_arms(run: Specialization, arms: tuple[str, ...], console: Console, max_steps: int, quiet: bool) -> None:
    """Play arms with other notebooks beside the final specialist, which is served meanwhile."""
    job, adapter = final_evaluation(run) or (None, None)

    def tell(facts: Mapping[str, str]) -> None:
        console.print(Text(serving(facts)), soft_wrap=True)

    play_beside(job, run.folder.path, arms, console, max_steps, quiet, served(run, adapter, tell))


def _show_end(out: Path, console: Console) -> None:
    """The final table, if it came to one, and where to read on."""
    folder = SpecializationFolder(out)
    if folder.table.exists():
        print_final(console, read_file(folder.table))
    console.print(f"automem ledger {out} shows how it came about", markup=False, highlight=False, soft_wrap=True)

"""automem doctor: look at machine, server, model and scaffold before a run, and say what to do; and its cheap half."""

from __future__ import annotations

import dataclasses
import shlex
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from chat_models import ConfigurationError, ProviderFailure
from cli import options as o
from cli import stopping
from cli.commands import as_options
from cli.options import parse_seeds
from cli.visible_text import one_line
from graphs.doctor.calls import Examination
from graphs.doctor.machine import disk, machine_rows, packages
from graphs.doctor.rows import Row
from graphs.doctor.scaffold import GOOD, Estimate, Samples, estimate, new_tokens, sample, scaffold_rows
from graphs.doctor.server import cheap_rows
from graphs.settings import Context, EpisodeSettings, episode_settings
from graphs.spending import read_prices
from scaffolds import Scaffold
from traces.plain_json import dump
from worlds import WorldEntry, world_entry

STYLES = {"ok": "green", "warning": "yellow", "fault": "red"}
SHOWN = 300
"""Characters shown of a text that may quote a server."""
REPLY_S = 20.0
"""Seconds that a sampled reply may take at the measured rate; its limit of new tokens is lowered to that."""
LEAST_TOKENS = 128


@dataclasses.dataclass
class _Found:
    """All that is shown."""

    rows: list[tuple[str, Row]] = dataclasses.field(default_factory=list)
    """Each with what it is about: machine, model or scaffold."""
    samples: Samples | None = None
    estimate: Estimate | None = None
    next: str | None = None
    """The command to run next."""

    def add(self, part: str, rows: Iterable[Row]) -> None:
        """Add rows of one part."""
        self.rows += [(part, row) for row in rows]

    @property
    def faults(self) -> bool:
        """Whether something keeps a run from working."""
        return any(row.state == "fault" for _, row in self.rows)


WorldName = Annotated[
    str | None, typer.Option("--world", help="World to play. (default: every engine is looked at, nothing is sampled)")
]
ModelName = Annotated[str | None, typer.Option("--model", help="Model, as for automem eval. (default: none is asked)")]


def doctor(
    world: WorldName = None,
    model: ModelName = None,
    base_url: o.BaseUrl = None,
    scaffold: o.ScaffoldPath = None,
    seeds: o.Seeds = None,
    task: o.Tasks = None,
    max_steps: o.MaxSteps = None,
    concurrency: o.Concurrency = 10,
    dialect: o.DialectOption = None,
    temperature: o.Temperature = 1.0,
    sampler: o.Sampler = None,
    max_tokens: o.MaxTokens = 4096,
    timeout: o.Timeout = 60.0,
    prices: o.Prices = None,
    constrained: o.Constrained = False,
    trust_scaffold_code: o.TrustScaffoldCode = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object, for programs.")] = False,
) -> None:
    """Look at the machine, a model's server and a scaffold with that model, and say what to do before a run."""
    if scaffold is not None and world is None:
        raise typer.BadParameter("--scaffold goes with --world.")
    context = Context(
        scaffold=scaffold,
        dialect=dialect.value if dialect else None,
        base_url=o.base_urls(base_url),
        max_steps=max_steps,
        temperature=temperature,
        sampler=o.read_sampler(sampler),
        max_tokens=max_tokens,
        timeout_s=timeout,
        prices=prices,
        constrained=constrained,
        trust_scaffold_code=trust_scaffold_code,
    )
    read_prices(prices)
    settings, steps = None, 0
    if world is not None:
        entry = world_entry(world)
        tasks = task or list(entry.tasks)
        settings = episode_settings({"world": world, "task": tasks[0], "model": model or "scripted"}, context)
        Scaffold.load(settings.scaffold, trust_code=trust_scaffold_code)
        steps = _steps(entry, tasks, seeds, max_steps)
    found = _Found()
    with Console(stderr=True).status("looking at the machine …") as status:
        found.add("machine", machine_rows(world))
        if model is not None:
            status.update("asking the model …")
            server = Examination.of(model, context, settings)
            server.examine()
            found.add("model", server.rows)
            if settings is not None:
                status.update("sampling LOG and PLAN …")
                _sample(found, server, settings, steps, concurrency)
    if found.samples is not None and settings is not None:
        choices: dict[str, Any] = {"scaffold": scaffold, "base-url": base_url, "seeds": seeds, "task": task}
        found.next = next_line(found.samples, server, settings, {**choices, "max-steps": max_steps, "sampler": sampler})
    _print_json(found) if as_json else _print_table(found)
    if found.faults:
        raise typer.Exit(1)


def _steps(entry: WorldEntry, tasks: Sequence[str], seeds: str | None, most: int | None) -> int:
    """Steps of all episodes, each to its limit."""
    return len(tasks) * len(parse_seeds(seeds) if seeds is not None else entry.seeds) * (most or entry.max_steps)


def _sample(found: _Found, server: Examination, settings: EpisodeSettings, steps: int, concurrency: int) -> None:
    """Sample the scaffold's routines with the model, if both can be used."""
    useless = any(row.state == "fault" and row.name.startswith("world ") for _, row in found.rows)
    if server.dead or useless or (settings.constrained and server.holds is False):
        untried = [Row(name, "warning", "not tried", "see the fault above") for name in ("PLAN", "LOG")]
        found.add("scaffold", untried)
        return
    rate = server.tokens_per_s
    limit = settings.max_tokens if rate is None else max(LEAST_TOKENS, round(rate * REPLY_S))
    limit = min(settings.max_tokens, limit)
    try:
        once = dataclasses.replace(settings, max_tokens=limit, attempts=1, patience_s=0.0)
        samples = stopping.run(sample(once, concurrency))
    except (ConfigurationError, ProviderFailure) as error:
        found.add("scaffold", [Row("sampling", "fault", str(error), "correct the settings")])
        return
    found.add("scaffold", scaffold_rows(samples, context=server.context, max_tokens=settings.max_tokens))
    if samples.replies:
        found.samples = samples
        found.estimate = estimate(samples, steps, read_prices(settings.prices).get(settings.model))


def next_line(samples: Samples, server: Examination, settings: EpisodeSettings, choices: Mapping[str, object]) -> str:
    """The command that plays with the settings that the findings speak for. `choices`: options that stay as given."""
    words = ["automem", "eval", "--world", settings.world, "--model", settings.model]
    good = sum(one.good for one in samples.replies) / len(samples.replies)
    spoken, constrained = settings.dialect, settings.constrained
    if server.dialect == "functions" and server.calls_tools is False:
        spoken = "tags"
    elif good < GOOD and server.dialect == "tags" and not constrained:
        if server.holds:
            constrained = True
        elif server.calls_tools:
            spoken = "functions"
    for option, value in choices.items():
        for one in value if isinstance(value, list) else [value]:
            words += _words(f"--{option}", one)
    words += _words("--temperature", settings.temperature if settings.temperature != 1.0 else None)
    words += _words("--dialect", spoken)
    words += ["--constrained"] if constrained else []
    limit = new_tokens(samples, settings.max_tokens)
    words += _words("--max-tokens", limit or (settings.max_tokens if settings.max_tokens != 4096 else None))
    return shlex.join([*words, "--out", f"runs/{Path(settings.scaffold).name}"])


def _words(option: str, value: object) -> list[str]:
    return [] if value is None else [option, str(value)]


def _print_json(found: _Found) -> None:
    rows = [{"part": part, **dataclasses.asdict(row), "advice": as_options(row.advice)} for part, row in found.rows]
    plain: dict[str, Any] = {"rows": rows}
    if found.estimate is not None and found.samples is not None:
        figures = dataclasses.asdict(found.estimate)
        plain |= {"estimate": {**figures, "side_by_side": found.samples.side_by_side}, "next": found.next}
    typer.echo(dump(plain).decode())


def _print_table(found: _Found) -> None:
    table = Table(show_edge=False, pad_edge=False)
    for name in ("", "what", "found", "what to do"):
        table.add_column(name, overflow="fold")
    shown = None
    for part, row in found.rows:
        if part != shown:
            table.add_section()
            shown = part
        texts = [row.name, one_line(row.found, SHOWN), one_line(as_options(row.advice), SHOWN)]
        table.add_row(Text(row.state, STYLES[row.state]), *map(Text, texts))
    Console().print(table)
    if found.estimate is not None and found.samples is not None:
        typer.echo(f"\n{described(found.estimate, found.samples)}")
        typer.echo(f"next: {found.next}")


def described(figures: Estimate, samples: Samples) -> str:
    """The estimate in one sentence."""
    tokens = "an unknown number of tokens"
    if figures.prompt_tokens is not None and figures.completion_tokens is not None:
        prompt, new = figures.prompt_tokens / 1e6, figures.completion_tokens / 1e6
        tokens = f"{prompt:.2f} million prompt and {new:.2f} million new tokens"
    cost = f", {figures.cost:.2f} US dollars" if figures.cost is not None else ""
    return (
        f"{figures.steps:,} steps take some {figures.calls:,.0f} calls, {tokens}, {figures.hours:.1f} hours at the "
        f"rate of {samples.side_by_side} side by side{cost}."
    )


def warn_before(models: Iterable[tuple[str | None, list[str] | None]], world: str, max_tokens: int, out: Path) -> None:
    """The cheap half, before a run: a line on stderr for each warning and fault. No model is called.

    `models`: (specification, base URLs); None counts as left out.
    """
    rows = [packages(), disk(out)]
    nowhere: list[str | None] = [None]
    each = [(spec, url) for spec, urls in models for url in urls or nowhere]
    for spec, base_url in dict.fromkeys(each):
        if spec is not None:
            rows += cheap_rows(spec, base_url, world, max_tokens)
    for row in rows:
        if row.state != "ok":
            said = as_options(f"{row.found}; {row.advice}" if row.advice else row.found)
            typer.echo(f"automem: {row.state}: {row.name}: {one_line(said, 2 * SHOWN)}", err=True)

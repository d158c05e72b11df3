"""Options that several commands share, each declared once, and how the less simple ones are read."""

from __future__ import annotations

import re
from enum import StrEnum
from pathlib import Path
from typing import Annotated, TypeAlias

import typer

from cli.visible_text import one_line
from graphs.inner_agent.run_file import check_place
from graphs.settings import MOST_SEEDS, SettingsError
from traces.langsmith_texts import hidden_kinds


def written(path: str | Path) -> Path:
    """A path to write. The command ends with one sentence for one that is empty, of the system or in a scaffold."""
    try:
        check_place(str(path))
    except SettingsError as error:  # a ValueError: Typer would say that the value is invalid, and not why
        typer.echo(f"automem: {one_line(str(error), 500)}", err=True)
        raise typer.Exit(2) from error
    return Path(path)


class Protocol(StrEnum):
    """Published protocols."""

    paper = "paper"


class DialectName(StrEnum):
    """How a model speaks the schema."""

    tags = "tags"
    functions = "functions"


class NotebookName(StrEnum):
    """What an agent may do with its notebook."""

    on = "on"
    off = "off"
    frozen = "frozen"


class HandoffName(StrEnum):
    """When PLAN is handed from the memory model to the gameplay model."""

    auto = "auto"
    always = "always"


class OverflowName(StrEnum):
    """What a prompt beyond the model's context does."""

    shorten = "shorten"
    fail = "fail"


World: TypeAlias = Annotated[str, typer.Option(help="World to play.")]
Model: TypeAlias = Annotated[
    str,
    typer.Option(
        help="vllm:, sglang:, llamacpp: or openai:NAME, provider:NAME, embedded or scripted (no language model)."
    ),
]
Out: TypeAlias = Annotated[Path, typer.Option(help="Run folder to write.", parser=written, metavar="PATH")]
ScaffoldPath: TypeAlias = Annotated[
    str | None, typer.Option("--scaffold", help="Scaffold folder. (default: scaffolds/WORLD/v0)")
]
BaseUrl: TypeAlias = Annotated[
    list[str] | None,
    typer.Option(help="OpenAI-compatible server, with /v1; may be repeated: several that serve the same model."),
]
Seeds: TypeAlias = Annotated[str | None, typer.Option(help="Such as 42-51 or 1,3. (default: the protocol's)")]
Tasks: TypeAlias = Annotated[list[str] | None, typer.Option(help="Task; may be repeated. (default: all)")]
PaperProtocol: TypeAlias = Annotated[
    Protocol | None, typer.Option(help="The paper's tasks, seeds, steps and sampling, none to be changed.")
]
MaxSteps: TypeAlias = Annotated[int | None, typer.Option(min=1, help="Steps per episode. (default: the world's)")]
WorldOptions: TypeAlias = Annotated[
    list[str] | None, typer.Option("--world-option", help="NAME=VALUE, such as wording=balrog; may be repeated.")
]
Concurrency: TypeAlias = Annotated[int, typer.Option(min=1, help="Episodes side by side.")]
DialectOption: TypeAlias = Annotated[
    DialectName | None, typer.Option(help="How the model speaks. (default: the scaffold's)")
]
Notebook: TypeAlias = Annotated[NotebookName, typer.Option(help="off: none; frozen: seed files, read only.")]
GameplayModel: TypeAlias = Annotated[
    str | None, typer.Option(help="Commits the action; --model then keeps the memory (two-model mode).")
]
GameplayBaseUrl: TypeAlias = Annotated[
    list[str] | None, typer.Option(help="Its server; may be repeated. (default: --base-url)")
]
Handoff: TypeAlias = Annotated[HandoffName, typer.Option(help="always: hand over even to the same model.")]
Temperature: TypeAlias = Annotated[float, typer.Option(min=0.0, help="Sampling temperature.")]
Sampler: TypeAlias = Annotated[
    list[str] | None,
    typer.Option("--sampler", help="top_k=N, top_p=SHARE or min_p=SHARE; may be repeated. (default: the server's)"),
]
MaxTokens: TypeAlias = Annotated[int, typer.Option(min=1, help="New tokens per call.")]
Timeout: TypeAlias = Annotated[float, typer.Option(min=0.1, help="Seconds per call.")]
Attempts: TypeAlias = Annotated[int, typer.Option(min=1, help="Attempts per call before the episode fails.")]
Patience: TypeAlias = Annotated[
    float, typer.Option(min=0.0, help="Seconds that a server may take to start, or a provider's limit to reset.")
]
Overflow: TypeAlias = Annotated[
    OverflowName,
    typer.Option(help="Prompt beyond the model's context: leave the oldest results out, or fail the episode."),
]
Resume: TypeAlias = Annotated[
    bool, typer.Option("--resume", help="Go on with the run in --out: finished episodes stay, broken ones continue.")
]
NewAttempts: TypeAlias = Annotated[
    bool,
    typer.Option(
        "--new-attempts", help="With --resume: play failed and damaged episodes again; old ones are set aside."
    ),
]
Ceilings: TypeAlias = Annotated[
    list[str] | None,
    typer.Option(
        "--ceiling", help="What an episode may spend: calls=N, tokens=N, cost=USD or minutes=N; may be repeated."
    ),
]
RunCeilings: TypeAlias = Annotated[
    list[str] | None, typer.Option("--run-ceiling", help="The same for the whole run; may be repeated.")
]
StopWhen: TypeAlias = Annotated[
    list[str] | None,
    typer.Option(
        "--stop-when",
        help="End an episode as limited when a rule holds, such as missing_action_rate>0.9@10; may be repeated.",
    ),
]
Alarms: TypeAlias = Annotated[
    list[str] | None,
    typer.Option("--alarm", help="Warn once when a rule holds, such as empty_search_rate>0.6@200; may be repeated."),
]
Prices: TypeAlias = Annotated[
    str | None,
    typer.Option(help="Price table (TOML: a table per model; prompt, cached, completion: USD per 1M tokens)."),
]
Constrained: TypeAlias = Annotated[
    bool,
    typer.Option(
        "--constrained", help="Let the model write only text and valid operations (vllm, sglang, llamacpp, embedded)."
    ),
]
TrustScaffoldCode: TypeAlias = Annotated[
    bool, typer.Option("--trust-scaffold-code", help="Run a foreign scaffold's code, uncontained.")
]
TraceSample: TypeAlias = Annotated[
    float, typer.Option(min=0.0, max=1.0, help="Share of the steps sent to LangSmith (LANGSMITH_TRACING=true).")
]
PlayTraceSample: TypeAlias = Annotated[
    float | None, typer.Option(min=0.0, max=1.0, help="Share of the steps sent to LangSmith. (default: 1)")
]
TraceHide: TypeAlias = Annotated[
    str | None, typer.Option(help="Texts kept from LangSmith: observations, prompts, replies, notes; by commas.")
]
NoCheck: TypeAlias = Annotated[
    bool, typer.Option("--no-check", help="Leave out the look at machine and servers before the first step.")
]
Quiet: TypeAlias = Annotated[bool, typer.Option("--quiet", help="Show the results only.")]

AgentModel: TypeAlias = Annotated[
    str, typer.Option(help="PROVIDER:NAME, vllm:NAME, openai:NAME with tool calling; scripted (no language model).")
]
AgentBaseUrl: TypeAlias = Annotated[str | None, typer.Option(help="Its OpenAI-compatible server, with /v1.")]
Seed: TypeAlias = Annotated[int, typer.Option("--seed", min=0, help="Seed of all that is drawn.")]
WholeCeilings: TypeAlias = Annotated[
    list[str] | None,
    typer.Option(
        "--ceiling", help="What all of it may spend: calls=N, tokens=N, cost=USD, minutes=N; may be repeated."
    ),
]
EpisodeCeilings: TypeAlias = Annotated[
    list[str] | None, typer.Option("--episode-ceiling", help="The same for each episode; may be repeated.")
]
LoopConcurrency: TypeAlias = Annotated[
    int | None, typer.Option(min=1, help="Episodes side by side. (default: 10; when resumed, as begun)")
]
LoopResume: TypeAlias = Annotated[
    bool, typer.Option("--resume", help="Go on with what --out holds: what is finished is not repeated.")
]


def base_urls(given: list[str] | None) -> str | list[str] | None:
    """The setting `base_url` of options that may be repeated: one as a text, as it always was."""
    return given[0] if given and len(given) == 1 else given or None


def read_ceilings(given: list[str] | None) -> dict[str, float]:
    """The ceilings of NAME=LIMIT options. typer.BadParameter for anything else; names are checked later."""
    written = "is no ceiling: write calls=9000, tokens=2e6, cost=5, minutes=30."
    return _named_numbers([one.replace(",", "") for one in given or []], written)


def read_sampler(given: list[str] | None) -> dict[str, float]:
    """The sampler of NAME=NUMBER options. typer.BadParameter for anything else; names are checked later."""
    return _named_numbers(given or [], "is no part of a sampler: write top_k=40, top_p=0.95, min_p=0.05.")


def _named_numbers(given: list[str], wrong: str) -> dict[str, float]:
    numbers: dict[str, float] = {}
    for one in given:
        name, _, number = one.partition("=")
        if name in numbers:
            raise typer.BadParameter(f'"{one}" gives {name} again: give it once.')
        try:
            numbers[name] = float(number)
        except ValueError as error:
            raise typer.BadParameter(f'"{one}" {wrong}') from error
    return numbers


def read_hidden(given: str | None) -> list[str]:
    """The kinds of text of a list by commas. typer.BadParameter for one that is none."""
    names = [name for name in (one.strip() for one in (given or "").split(",")) if name]
    try:
        hidden_kinds(names)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error
    return names


def read_world_options(given: list[str] | None) -> dict[str, str]:
    """The options of NAME=VALUE; which a world has, and their values, it checks itself."""
    if wrong := [one for one in given or [] if "=" not in one]:
        raise typer.BadParameter(f'"{wrong[0]}" is no option of a world: write NAME=VALUE, such as wording=balrog.')
    return dict(one.split("=", 1) for one in given or [])


def parse_seeds(text: str) -> list[int]:
    """The seeds `text` names, in order. Raises typer.BadParameter with what was wrong."""
    seeds: list[int] = []
    for part in text.split(","):
        match = re.fullmatch(r"\s*(\d{1,10})(?:\s*-\s*(\d{1,10}))?\s*", part)
        if match is None:
            raise typer.BadParameter(f'"{part.strip()}" is no seed: write 42, 42-51 or 1,3,10-12.')
        first, last = int(match[1]), int(match[2] or match[1])
        if last < first:
            raise typer.BadParameter(f'"{part.strip()}" counts down: write {last}-{first}.')
        if len(seeds) + last - first >= MOST_SEEDS:
            raise typer.BadParameter(f'"{part.strip()}" makes it more than {MOST_SEEDS:,} seeds.')
        seeds.extend(range(first, last + 1))
    if len(set(seeds)) != len(seeds):
        raise typer.BadParameter(f'"{text}" names a seed twice.')
    return seeds

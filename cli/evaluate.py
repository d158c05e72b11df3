"""automem eval: the episodes of a protocol against any model, side by side, into a run folder."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from cli.seeds import parse_seeds


class Protocol(StrEnum):
    """Published protocols."""

    paper = "paper"


class DialectName(StrEnum):
    """How a model speaks the schema."""

    tags = "tags"
    functions = "functions"


class NotebookMode(StrEnum):
    """What an agent may do with its notebook."""

    on = "on"
    off = "off"
    frozen = "frozen"


class HandoffMode(StrEnum):
    """When PLAN is handed from the memory model to the gameplay model."""

    auto = "auto"
    always = "always"


def evaluate(
    world: Annotated[str, typer.Option(help="World to play.")],
    model: Annotated[str, typer.Option(help="vllm:NAME, openai:NAME, provider:NAME or scripted (no language model).")],
    out: Annotated[Path, typer.Option(help="Run folder to write.")],
    scaffold: Annotated[str | None, typer.Option(help="Scaffold folder. [default: scaffolds/WORLD/v0]")] = None,
    base_url: Annotated[str | None, typer.Option(help="OpenAI-compatible server, with /v1.")] = None,
    seeds: Annotated[str | None, typer.Option(help="Such as 42-51 or 1,3. [default: the protocol's]")] = None,
    task: Annotated[list[str] | None, typer.Option(help="Task; may be repeated. [default: all]")] = None,
    protocol: Annotated[Protocol | None, typer.Option(help="The paper's tasks, seeds, steps and sampling.")] = None,
    max_steps: Annotated[int | None, typer.Option(min=1, help="Steps per episode. [default: the world's]")] = None,
    concurrency: Annotated[int, typer.Option(min=1, help="Episodes side by side.")] = 10,
    dialect: Annotated[DialectName | None, typer.Option(help="How the model speaks. [default: the scaffold's]")] = None,
    notebook: Annotated[NotebookMode, typer.Option(help="off: none; frozen: seed files, read only.")] = NotebookMode.on,
    gameplay_model: Annotated[str | None, typer.Option(help="Commits the action; MODEL then keeps the memory.")] = None,
    gameplay_base_url: Annotated[str | None, typer.Option(help="Its server. [default: BASE_URL]")] = None,
    handoff: Annotated[HandoffMode, typer.Option(help="always: hand over even to the same model.")] = HandoffMode.auto,
    temperature: Annotated[float, typer.Option(min=0.0, help="Sampling temperature.")] = 1.0,
    max_tokens: Annotated[int, typer.Option(min=1, help="New tokens per call.")] = 4096,
    timeout: Annotated[float, typer.Option(min=0.1, help="Seconds per call.")] = 60.0,
    attempts: Annotated[int, typer.Option(min=1, help="Attempts per call before the episode fails.")] = 5,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the run in OUT.")] = False,
    new_attempts: Annotated[
        bool, typer.Option("--new-attempts", help="With --resume: play failed episodes anew; old ones are set aside.")
    ] = False,
    trust_scaffold_code: Annotated[
        bool, typer.Option("--trust-scaffold-code", help="Run a foreign scaffold's code, uncontained.")
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="Show the results only.")] = False,
) -> None:
    """Play a protocol's episodes and score them: progression, mean ± standard error."""
    from rich.console import Console

    from cli.results_table import print_results
    from cli.running import run_evaluation
    from graphs.evaluation.state import Input
    from graphs.inner_agent.context import Context, SettingsError
    from worlds import world_entry

    entry = world_entry(world)
    seed_list = parse_seeds(seeds) if seeds else None
    if protocol is Protocol.paper:
        changed = {"--seeds": seeds, "--task": task, "--max-steps": max_steps}
        if given := [name for name, value in changed.items() if value is not None]:
            raise SettingsError(f"--protocol paper fixes {', '.join(changed)}: leave {given[0]} out.")
        if (temperature, max_tokens, timeout) != (1.0, 4096, 60.0):
            raise SettingsError(
                "--protocol paper fixes the sampling: leave out --temperature, --max-tokens, --timeout."
            )
    context = Context(
        scaffold=scaffold,
        dialect=dialect.value if dialect else None,
        notebook=notebook.value,
        handoff=handoff.value,
        gameplay_model=gameplay_model,
        base_url=base_url,
        gameplay_base_url=gameplay_base_url,
        max_steps=max_steps,
        temperature=temperature,
        max_tokens=max_tokens,
        timeout_s=timeout,
        attempts=attempts,
        trust_scaffold_code=trust_scaffold_code,
    )
    request = Input(
        world=world,
        tasks=task or list(entry.tasks),
        seeds=seed_list or list(entry.seeds),
        model=model,
        out=str(out),
        concurrency=concurrency,
        resume=resume,
        new_attempts=new_attempts,
    )
    console = Console()
    summary = run_evaluation(request, context, console, max_steps or entry.max_steps, quiet=quiet)
    print_results(console, [(out.name, summary)], f"{world}: {summary['scaffold']}, {who(model, gameplay_model)}")
    console.print(f"written: {out}/summary.json, {out}/episodes/", markup=False, highlight=False, soft_wrap=True)
    if summary["n_failed"]:
        raise typer.Exit(1)


def who(model: str, gameplay_model: str | None = None) -> str:
    """Who made the figures, honestly."""
    names = [name + (" (no language model)" if name == "scripted" else "") for name in (model, gameplay_model) if name]
    return " + ".join(names)

"""The demo's other chapters: a short run of each outer loop, with the very commands that a user would type."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console

EVOLVE = (
    "The reviewer is scripted, too: rules that look at figures through a reviewer's tools and edit the scaffold by a "
    "small playbook. A real one is any model that calls tools: --reviewer-model provider:NAME."
)
SPECIALIZE = (
    "A language model of 135 million parameters learns the memory operations on the CPU, from the scripted player's "
    "traces (for the demonstration; else a model learns from its own). It keeps the notebook for the scripted player, "
    "who commits the actions: first untrained, then trained, and at last on seeds that nobody has played."
)


def evolve_briefly(settings: dict[str, Any], folder: Path, console: Console) -> bool:
    """One version of loop 1, and its lineage; whether it came to its end."""
    from cli.evolve import run_search
    from cli.lineage import lineage
    from graphs.reviewer.context import Context
    from graphs.reviewer.state import Input

    console.print(EVOLVE, highlight=False)
    given = Input(
        world=settings["world"],
        model="scripted",
        reviewer_model="scripted",
        out=str(folder),
        seeds=settings["seeds"],
        holdout_seeds=settings["holdout_seeds"],
        versions=1,
        attempts=settings["attempts"],
        continuations=settings["continuations"],
    )
    run_search(given, Context(max_steps=settings["steps"]), settings["steps"], console, quiet=False)
    console.print()
    lineage(folder)
    return True


def specialize_briefly(settings: dict[str, Any], folder: Path, console: Console) -> bool:
    """One iteration of loop 2; whether it came to its end. Where there are no weights to train, a line says so."""
    from chat_models import ConfigurationError, chat_model
    from cli.specialize import run_specialization
    from graphs.curator.context import Context
    from graphs.curator.state import Input

    console.print(SPECIALIZE, highlight=False)
    try:
        chat_model(settings["base"], world=settings["world"])
    except ConfigurationError as error:
        console.print(f"Not trained: {error}", markup=False, highlight=False, soft_wrap=True)
        return True
    given = Input(
        world=settings["world"],
        tasks=[settings["task"]],
        model="scripted",
        base=settings["base"],
        curator_model="scripted",
        recipe=settings["recipe"],
        train_seeds=list(range(1_000, 1_000 + settings["train_episodes"])),
        validation_seeds=settings["validation_seeds"],
        final_seeds=settings["final_seeds"],
        minimum_examples=settings["minimum_examples"],
        iterations=1,
        out=str(folder),
    )
    context = Context(scaffold=settings["scaffold"], gameplay_model="scripted", max_steps=settings["steps"])
    run_specialization(given, context, settings["steps"], console, quiet=False)
    return True

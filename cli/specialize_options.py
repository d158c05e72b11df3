"""Options of `automem specialize` that no other command has."""

from __future__ import annotations

import re
import shlex
from typing import Annotated, TypeAlias

import typer

from cli.seeds import parse_seeds

Base: TypeAlias = Annotated[str | None, typer.Option(help="What is trained: vllm:NAME or embedded. (default: --model)")]
Weights: TypeAlias = Annotated[
    str | None, typer.Option(help="Its weights for training: a folder, or OWNER/NAME. (default: as --base says)")
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

"""automem certify: examine a dataset against the traces it was cut from."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Dataset = Annotated[Path, typer.Argument(help="dataset.jsonl, as automem specialize writes it.", show_default=False)]
Run = Annotated[
    Path | None, typer.Option(help="The run it was cut from; the one that postprocess.json beside it names if empty.")
]


EvaluationSeeds = Annotated[
    str | None, typer.Option(help="Seeds that no example may come from, such as 42-51; the recorded ones if empty.")
]


def certify(dataset: Dataset, run: Run = None, evaluation_seeds: EvaluationSeeds = None) -> None:
    """Re-cut every example of a dataset from the traces and compare byte for byte; status 1 if anything differs."""
    from cli.seeds import parse_seeds
    from cli.visible_text import one_line
    from memory_fs.results import plural
    from training.certificate import certify as examine
    from training.certificate import origin

    source, seeds = origin(dataset, run)
    seeds = parse_seeds(evaluation_seeds) if evaluation_seeds else seeds
    faults = examine(dataset, source, evaluation_seeds=seeds)
    for fault in faults:
        typer.echo(one_line(fault, 500))
    if faults:
        typer.echo(f"not certified: {plural(len(faults), 'fault')}")
        raise typer.Exit(1)
    with dataset.open("rb") as file:
        examples = sum(1 for _ in file)
    typer.echo(
        f"certified: {examples} examples, every word of them cut from the traces in {source.path}; "
        f"none of the evaluation seeds {', '.join(map(str, seeds)) or '(none were named)'}"
    )

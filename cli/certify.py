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
    import orjson

    from cli.seeds import parse_seeds
    from cli.visible_text import one_line
    from traces import RunFolder
    from training.certificate import certify as examine
    from training.source import SourceError

    if not dataset.is_file():
        raise SourceError(f"There is no dataset {dataset}.")
    report_file = dataset.with_name("postprocess.json")
    report = orjson.loads(report_file.read_bytes()) if report_file.is_file() else {}
    if run is None and "run" not in report:
        raise SourceError(f"Which run was {dataset} cut from? There is no {report_file} that says so: give --run.")
    source = RunFolder(run or Path(report["run"]))
    seeds = parse_seeds(evaluation_seeds) if evaluation_seeds else report.get("evaluation_seeds", [])
    faults = examine(dataset, source, evaluation_seeds=seeds)
    for fault in faults:
        typer.echo(one_line(fault, 500))
    if faults:
        typer.echo(f"not certified: {len(faults)} faults")
        raise typer.Exit(1)
    with dataset.open("rb") as file:
        examples = sum(1 for _ in file)
    typer.echo(
        f"certified: {examples} examples, every word of them cut from the traces in {source.path}; "
        f"none of the evaluation seeds {', '.join(map(str, seeds)) or '(none were named)'}"
    )

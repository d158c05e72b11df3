"""automem ledger, automem certify: what trainings were made of, cost and brought; a dataset re-cut from traces."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cli.options import parse_seeds
from cli.visible_text import one_line, visible
from graphs.curator.run import Specialization
from graphs.curator.verification import ledger_faults
from memory_fs.results import plural
from training.certificate import certify as examine
from training.certificate import origin
from training.ledger import FILE, read, render


def ledger(
    run: Annotated[Path, typer.Argument(help="Run folder of automem specialize, or a ledger.jsonl.")],
    json_lines: Annotated[bool, typer.Option("--json", help="Print the lines as they are, for programs.")] = False,
) -> None:
    """Show the ledger of a run: data, configuration, losses and progression of every training."""
    path = run if run.is_file() else run / FILE
    entries = read(path)
    if not entries:
        raise typer.BadParameter(f"{path} holds no ledger: name the folder of a run of automem specialize.")
    if json_lines:
        for entry in entries:
            typer.echo(entry.model_dump_json())
        return
    for line in render(entries).splitlines():
        typer.echo(visible(line, 400))
    if (path.parent / "specialize.json").exists():
        for fault in ledger_faults(Specialization.read(path.parent), entries):
            if fault.damage:
                typer.echo(one_line(f"damaged: {fault.what}", 500), err=True)
    typer.echo()
    for entry in entries:
        paths = ", ".join(f"{name} {path}" for name, path in entry.artifacts.items())
        typer.echo(one_line(f"{entry.run}: {entry.data_source or 'nothing trained'}; {paths or 'no artifacts'}", 2_000))
        if entry.note:
            typer.echo(one_line(f"  {entry.note}", 2_000))


Dataset = Annotated[Path, typer.Argument(help="dataset.jsonl, as automem specialize writes it.", show_default=False)]
Run = Annotated[
    Path | None, typer.Option(help="The run it was cut from; the one that postprocess.json beside it names if empty.")
]


EvaluationSeeds = Annotated[
    str | None, typer.Option(help="Seeds that no example may come from, such as 42-51; the recorded ones if empty.")
]


def certify(dataset: Dataset, run: Run = None, evaluation_seeds: EvaluationSeeds = None) -> None:
    """Re-cut every example of a dataset from the traces and compare byte for byte; status 1 if anything differs."""
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

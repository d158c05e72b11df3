"""automem ledger: what each training of a run of loop 2 was made of, cost and brought."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def ledger(
    run: Annotated[Path, typer.Argument(help="Run folder of automem specialize, or a ledger.jsonl.")],
    json_lines: Annotated[bool, typer.Option("--json", help="Print the lines as they are, for programs.")] = False,
) -> None:
    """Show the ledger of a run: data, configuration, losses and progression of every training."""
    from cli.visible_text import one_line, visible
    from training.ledger import FILE, read, render

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
        from graphs.curator.specialization import read_specialization
        from graphs.curator.verification import ledger_faults

        for fault in ledger_faults(read_specialization(path.parent), entries):
            if fault.damage:
                typer.echo(one_line(f"damaged: {fault.what}", 500), err=True)
    typer.echo()
    for entry in entries:
        paths = ", ".join(f"{name} {path}" for name, path in entry.artifacts.items())
        typer.echo(one_line(f"{entry.run}: {entry.data_source or 'nothing trained'}; {paths or 'no artifacts'}", 2_000))
        if entry.note:
            typer.echo(one_line(f"  {entry.note}", 2_000))

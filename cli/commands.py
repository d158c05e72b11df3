"""The commands of automem. Each lives in its own file and imports what it needs when it runs."""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import version
from typing import Annotated

import typer

from cli.adopt import adopt
from cli.check import check
from cli.demo import demo
from cli.evaluate import evaluate
from cli.evolve import evolve
from cli.fork import fork
from cli.langsmith import langsmith
from cli.ledger import certify, ledger
from cli.lineage import lineage
from cli.play import play
from cli.replay import replay
from cli.report import report
from cli.serve import serve
from cli.specialize import specialize
from cli.trace import trace
from cli.worlds import worlds

app = typer.Typer(
    name="automem",
    help="Agents that learn to manage their own memory: play, evaluate, and improve a notebook-keeping agent.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
COMMANDS: dict[str, Callable[..., None]] = {
    "demo": demo,
    "play": play,
    "replay": replay,
    "trace": trace,
    "report": report,
    "check": check,
    "eval": evaluate,
    "fork": fork,
    "evolve": evolve,
    "lineage": lineage,
    "adopt": adopt,
    "specialize": specialize,
    "certify": certify,
    "ledger": ledger,
    "serve": serve,
}
for name, command in COMMANDS.items():
    app.command(name=name)(command)
app.add_typer(langsmith, name="langsmith")
app.add_typer(worlds, name="worlds")


@app.callback(invoke_without_command=True)
def _root(
    show_version: Annotated[bool, typer.Option("--version", help="Print the version and leave.")] = False,
) -> None:
    if show_version:
        typer.echo(f"automem {version('automem-langgraph')}")
        raise typer.Exit

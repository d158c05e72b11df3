"""automem: the command line. Each command lives in its own file and imports what it needs when it runs."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from importlib.metadata import version
from inspect import signature
from typing import Annotated

import typer

from cli.adopt import adopt
from cli.certify import certify
from cli.demo import demo
from cli.evaluate import evaluate
from cli.evolve import evolve
from cli.fork import fork
from cli.langsmith import langsmith
from cli.ledger import ledger
from cli.lineage import lineage
from cli.play import play
from cli.replay import replay
from cli.report import report
from cli.serve import serve
from cli.specialize import specialize
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
    "report": report,
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


def main() -> None:
    """Run the command line. Our errors end in one line on stderr and status 2, the machine's failures in status 1."""
    # LangSmith's exit handler would wait for minutes for a server that is away; the last traces are sent below instead.
    os.environ.setdefault("LANGSMITH_USE_DAEMON", "true")
    try:
        app()
    except SystemExit as end:
        if end.code == INTERRUPTED:
            typer.echo(f"automem: stopped{_way_on()}.", err=True)
        raise
    except Exception as error:
        from graphs.errors import OUR_ERRORS
        from graphs.evaluation.playing import Halted
        from graphs.inner_agent.failures import MACHINE_FAILURES
        from training.errors import TrainingFailure

        if isinstance(error, OUR_ERRORS):
            _end(str(error), 2)
        if isinstance(error, (*MACHINE_FAILURES, Halted, TrainingFailure)):
            _end(str(error), 1)
        raise
    finally:
        _send_traces()


INTERRUPTED = 130
"""What Typer makes of Ctrl-C."""


def _way_on() -> str:
    command = COMMANDS.get(next(iter(sys.argv[1:]), ""))
    resumed = command is not None and "resume" in signature(command).parameters
    return "; the same command with --resume goes on" if resumed else ""


def _send_traces() -> None:
    """Send what tracing to LangSmith still holds, for at most TRACE_S seconds."""
    if (export := sys.modules.get("traces.langsmith_export")) is not None:
        export.begin_to_close()
    client = getattr(sys.modules.get("langsmith.run_trees"), "_CLIENT", None)
    if client is not None:
        client.flush(timeout=TRACE_S)


TRACE_S = 4.0
MESSAGE = 2_000
"""Characters of an error that are shown: some quote what a server or a model said."""


def _end(sentence: str, status: int) -> None:
    from cli.visible_text import one_line

    typer.echo(f"automem: {one_line(sentence, MESSAGE)}", err=True)
    sys.exit(status)


if __name__ == "__main__":
    main()

#!/usr/bin/env bash
# typer 0.29.1: a Typer command is no click command any more, and click installed beside it does not know it.
# Guess: Typer is built on the click package, so `click.get_current_context()` works in a command, and a raised
#   `click.UsageError` ends as a usage message with status 2.
# Seen: Typer carries a copy of click (`typer._click`). In a command `click.get_current_context(silent=True)` is None,
#   `typer.BadParameter` is no `click.ClickException`, and a `click.UsageError` leaves the command as a traceback with
#   status 1. Libraries that extend click commands do not see Typer commands.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check typer==0.29.1 click==8.3.1
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
import click
import typer
from typer.testing import CliRunner

context = typer.Typer()
usage = typer.Typer()
own = typer.Typer()


@context.command()
def look() -> None:
    print("context:", click.get_current_context(silent=True))


@usage.command()
def refuse() -> None:
    raise click.UsageError("one thing is wrong")


@own.command()
def refuse_in_typer() -> None:
    raise typer.BadParameter("one thing is wrong")


print("typer", typer.__version__)
seen = CliRunner().invoke(context, [])
print(seen.output.strip())
assert seen.output == "context: None\n", seen.output
seen = CliRunner().invoke(usage, [])
print("click.UsageError:", repr(seen.exception), "status", seen.exit_code)
assert isinstance(seen.exception, click.UsageError) and seen.exit_code == 1 and not seen.output
seen = CliRunner().invoke(own, [])
print("typer.BadParameter: status", seen.exit_code)
assert seen.exit_code == 2 and "one thing is wrong" in seen.output
assert not issubclass(typer.BadParameter, click.ClickException)
PYTHON

"""The commands of automem: one table, and a group that imports a command's module when the command is used."""

from __future__ import annotations

import re
from collections.abc import Collection
from contextvars import ContextVar
from functools import cache
from importlib import import_module
from typing import Annotated, Any, NamedTuple

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command, get_group


class Entry(NamedTuple):
    """A command: where its function or group of commands is, and its line in `automem --help`."""

    source: str
    """MODULE:NAME."""
    help: str
    """The first sentence of its docstring; a test compares them."""
    go_on: str | None = None
    """What to add to its words to continue after a stop: "--resume", or nothing (""). None: it starts over."""


COMMANDS = {
    "demo": Entry(
        "cli.demo:demo",
        "Show the whole cycle offline: play on three worlds, revise a scaffold (loop 1), train a specialist (loop 2).",
    ),
    "play": Entry(
        "cli.play:play",
        "Watch one episode live: the game, the operations, the notebook. Pause, step, quit; go on later.",
    ),
    "replay": Entry(
        "cli.replay:replay",
        "Write a replay page: the game, the operations and the notebook at every step, side by side for up to three.",
    ),
    "trace": Entry(
        "cli.trace:trace", "Print an episode's trace, each step as a line of JSON; also while it is played."
    ),
    "diff": Entry(
        "cli.diff:diff",
        "Name the first difference between two episodes of one seed, and whose doing it is; of two runs, per seed.",
    ),
    "counterfactual": Entry(
        "cli.counterfactual:counterfactual",
        "Measure what a note or a recall did: play on with it and without it, or with another text, in one world.",
        "--resume",
    ),
    "controls": Entry(
        "cli.controls:controls",
        "Play a model with its notebook and with control arms of it, and compare them seed by seed.",
        "--resume",
    ),
    "report": Entry(
        "cli.report:report",
        "Write a report of runs, the paper's table beside ours; unfinished runs are reported as far as they are.",
    ),
    "view": Entry(
        "cli.view:view",
        "Serve a page over all runs, live: tables, comparisons, every step, search, and your judgement of it.",
    ),
    "check": Entry(
        "cli.check:check",
        "Verify a run's traces, journals, notebooks, results, summary and records against each other; 1 if damaged.",
    ),
    "doctor": Entry(
        "cli.doctor:doctor",
        "Look at the machine, a model's server and a scaffold with that model, and say what to do before a run.",
    ),
    "eval": Entry(
        "cli.evaluate:evaluate",
        "Play a protocol's episodes and score them: progression, mean ± standard error.",
        "--resume",
    ),
    "fork": Entry(
        "cli.fork:fork",
        "Play an episode again from one of its steps in a new folder; the episode itself is not changed.",
    ),
    "evolve": Entry(
        "cli.evolve:evolve",
        "Let a reviewer revise a world's scaffold, version by version, and keep what plays better.",
        "--resume",
    ),
    "lineage": Entry(
        "cli.lineage:lineage",
        "Show what a search has tried: versions and attempts with their scores, what was kept, and why.",
    ),
    "adopt": Entry("cli.adopt:adopt", "Copy a version of a search to a folder of its own; nothing else is changed."),
    "specialize": Entry(
        "cli.specialize:specialize",
        "Collect traces, curate, train an adapter, measure it with two models, and decide the next recipe from that.",
        "--resume",
    ),
    "certify": Entry(
        "cli.ledger:certify",
        "Re-cut every example of a dataset from the traces and compare byte for byte; status 1 if anything differs.",
    ),
    "ledger": Entry(
        "cli.ledger:ledger", "Show the ledger of a run: data, configuration, losses and progression of every training."
    ),
    "serve": Entry(
        "cli.serve:serve",
        "Serve base and specialists from one vLLM server; with --load, hand a running one an adapter.",
    ),
    "langsmith": Entry("cli.langsmith:langsmith", "Send runs to LangSmith, fetch people's judgements.", ""),
    "worlds": Entry("cli.worlds:worlds", "List the worlds; install what a world needs."),
}


@cache
def load(name: str) -> Any:
    """A command or group with its options, after importing its module. KeyError if there is none of this name."""
    module, _, attribute = COMMANDS[name].source.partition(":")
    found = getattr(import_module(module), attribute)
    if isinstance(found, typer.Typer):
        return get_group(found)
    single = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    single.command(name)(found)
    return get_command(single)


_parameters: ContextVar[Collection[str]] = ContextVar("_parameters", default=())
"""Of the command that runs."""


class _LazyGroup(TyperGroup):
    """Lists the commands of the table; imports the one that is used."""

    def list_commands(self, ctx: Any) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """The command's name and help line, enough to list it."""
        return TyperCommand(cmd_name, help=COMMANDS[cmd_name].help) if cmd_name in COMMANDS else None

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        name, _, rest = super().resolve_command(ctx, args)
        command = load(str(name))
        _parameters.set([one.name for one in command.params])
        return name, command, rest


app = typer.Typer(
    name="automem",
    cls=_LazyGroup,
    help="Agents that learn to manage their own memory: play, evaluate, and improve a notebook-keeping agent.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


@app.callback(invoke_without_command=True)
def _root(
    show_version: Annotated[bool, typer.Option("--version", help="Print the version and leave.")] = False,
) -> None:
    if show_version:
        from traces.run_file import own_version

        typer.echo(f"automem {own_version()}")
        raise typer.Exit


OTHERWISE = {
    "tasks": "task",
    "final_seeds": "eval_seeds",
    "timeout_s": "timeout",
    "patience_s": "patience",
    "world_options": "world_option",
    "attempt_ceilings": "attempt_ceiling",
}
"""Settings whose options have other names."""


def as_options(sentence: str, parameters: Collection[str] | None = None) -> str:
    """The sentence with each setting in backquotes (`base_url`) written as the command's option (--base-url).

    Graphs name settings, which is what REST and Python callers set. `parameters` are those of the command, of the one
    that runs if None; a setting that the command has no option for stays as it is.
    """
    names = _parameters.get() if parameters is None else parameters

    def option(found: re.Match[str]) -> str:
        name = found[1] if found[1] in names else OTHERWISE.get(found[1], "")
        return f"--{name.replace('_', '-')}" if name in names else found[0]

    return re.sub(r"`([a-z_]+)`", option, sentence)

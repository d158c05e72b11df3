"""Settings as this command line names them: graphs speak of `base_url`, whoever typed a command of --base-url.

A sentence of ours has the names of settings in backquotes. Over REST and from Python they are what is to be given; here
those that are options of the command become its options.
"""

from __future__ import annotations

import re
from collections.abc import Collection

import click

OTHERWISE = {
    "tasks": "task",
    "final_seeds": "eval_seeds",
    "train_options": "train_option",
    "world_options": "world_option",
}
"""Settings whose options have other names."""


def as_options(sentence: str, parameters: Collection[str] | None = None) -> str:
    """The sentence with every setting that the command takes written as its option.

    `parameters`: of the command's function; those of the command that is running if None.
    """
    if parameters is None:
        context = click.get_current_context(silent=True)
        parameters = context.params if context is not None else ()

    def option(found: re.Match[str]) -> str:
        name = OTHERWISE.get(found[1], found[1])
        return f"--{name.replace('_', '-')}" if name in parameters else found[0]

    return re.sub(r"`([a-z_]+)`", option, sentence)

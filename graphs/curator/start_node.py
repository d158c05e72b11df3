"""START: check everything and lay out the run folder, before the first token is paid for."""

from __future__ import annotations

from typing import Literal

from langgraph.runtime import Runtime
from langgraph.types import Command

from graphs.curator.context import Context
from graphs.curator.events import tell
from graphs.curator.laying_out import lay_out, warnings
from graphs.curator.state import State


def start(state: State, runtime: Runtime[Context]) -> Command[Literal["collect"]]:
    """Begin the run, or take it up as it stands in its folder. Raises our errors."""
    run = lay_out(state, runtime.context)
    resumed = run.folder.collect.run.exists()
    tell("began", out=str(run.folder.path), settings=run.plain()["specialization"], resumed=resumed)
    for sentence in warnings(run):
        tell("warning", sentence=sentence)
    return Command(goto="collect", update={"status": "", "reason": ""})

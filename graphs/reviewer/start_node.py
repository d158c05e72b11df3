"""START: check everything and lay out the run folder, before the first token is paid for."""

from __future__ import annotations

from typing import Literal

from langgraph.runtime import Runtime
from langgraph.types import Command

from graphs.reviewer import lineage
from graphs.reviewer.context import Context
from graphs.reviewer.events import tell
from graphs.reviewer.laying_out import lay_out, warnings
from graphs.reviewer.state import State


def start(state: State, runtime: Runtime[Context]) -> Command[Literal["evaluate_start"]]:
    """Begin the search, or take it up as it stands in its folder. Raises our errors."""
    search = lay_out(state, runtime.context)
    resumed = bool(lineage.read(search.folder.path))
    tell("began", out=str(search.folder.path), settings=search.plain()["search"], resumed=resumed)
    for sentence in warnings(search):
        tell("warning", sentence=sentence)
    return Command(goto="evaluate_start", update={"status": ""})

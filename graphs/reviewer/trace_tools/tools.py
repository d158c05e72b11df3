"""The reviewer's tools over traces: episodes of 100,000 steps, told in pieces that a context can hold.

Every claim in their results carries a step. What is cut says how to see the rest; what cannot be answered is one
sentence. Lines that start with a bar are quoted: a world or a model wrote them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field, ValidationError

from graphs.agent.tools import model_tool
from graphs.reviewer.trace_tools.desk import CHARACTERS, TraceDesk
from graphs.reviewer.trace_tools.lookup import NotThere
from graphs.reviewer.trace_tools.step_text import Part
from traces import TraceFailure
from traces.find import Where

if TYPE_CHECKING:
    from langchain_core.tools import BaseTool


_MATCHES = 200  # most that a search shows at once
_OUTCOMES = (
    "hit, empty, missing, written, duplicate, exists, rejected, mistake, act, vetoed; "
    "or redundant: a write that added nothing"
)

_Run = Annotated[str, Field(description="Name of a run, as runs/NAME in the file tools")]
_Task = Annotated[str, Field(description="Task, as list_episodes shows it: TASK/seed-N")]
_Offset = Annotated[int, Field(ge=0, description="Characters to skip: where an earlier result was cut")]
_Text = Annotated[str, Field(description="Words on one line; A-Z in either case. Empty: all")]
_Place = Annotated[Where, Field(description="What is searched; notice: also what the next step is told")]
_EPISODE: dict[str, Any] = {"run": (_Run, ...), "task": (_Task, ...), "seed": (int, ...)}


def trace_tools(runs: Mapping[str, Path], *, characters: int = CHARACTERS) -> list[BaseTool]:
    """The tools over these runs (name and run folder); a result has about `characters` at most.

    `list_episodes`, `episode_overview`, `search_trace`, `show_step` and `compare_runs`.
    """
    desk = TraceDesk(runs, characters)
    listing = _tool(
        desk.list_episodes,
        "List the episodes of a run: status, steps, progression, why each ended.",
        run=(_Run, ...),
        offset=(_Offset, 0),
    )
    overview = _tool(
        desk.episode_overview,
        "An episode at a glance, with step numbers: rewards, stretches of stagnation, invalid actions, mistakes, use "
        "of the notebook by operation and file, most repeated writes, most frequent empty searches.",
        **_EPISODE,
        offset=(_Offset, 0),
    )
    step = _tool(
        desk.show_step,
        "One step exactly as the model saw it: observation, notices, what each call received and answered in LOG and "
        "PLAN, operations with outcome and the steps that wrote the recalled lines, action, reward, what the next step "
        "is told. part=LOG and part=PLAN add the system message, part=memory the notebook's files after the step.",
        **_EPISODE,
        step=(Annotated[int, Field(ge=1)], ...),
        part=(Part, "all"),
        offset=(_Offset, 0),
    )
    compared = _tool(
        desk.compare_runs,
        "Two runs side by side: progression and key metrics of each episode, and the means over those both have.",
        before=(_Run, ...),
        after=(_Run, ...),
        offset=(_Offset, 0),
    )
    return [listing, overview, _search(desk), step, compared]


def _search(desk: TraceDesk) -> BaseTool:
    return _tool(
        desk.search_trace,
        "Find a text in an episode, or operations of a kind, step by step. An operation or outcome limits it to "
        "operations of the notebook. where=action also finds the words invalid, missing, repaired, vetoed, stuck and "
        "oscillating.",
        **_EPISODE,
        text=(_Text, ""),
        where=(_Place, "any"),
        operation=(Annotated[str, Field(description="For example search or append; empty: any")], ""),
        outcome=(Annotated[str, Field(description=f"{_OUTCOMES}; empty: any")], ""),
        first_step=(Annotated[int, Field(ge=1)], 1),
        last_step=(Annotated[int, Field(ge=0, description="0: the last one")], 0),
        limit=(Annotated[int, Field(ge=1, le=_MATCHES, description="Matches to show")], 20),
    )


def _tool(function: Callable[..., str], description: str, **arguments: Any) -> BaseTool:
    tool = model_tool(function, function.__name__, description, refusals=(NotThere, TraceFailure), **arguments)
    tool.handle_validation_error = _sentence
    return tool


def _sentence(error: object) -> str:
    """What is wrong with a tool call's arguments, in one sentence."""
    if not isinstance(error, ValidationError):
        return str(error)
    faults = [f"{'.'.join(map(str, one['loc'])) or 'the call'}: {one['msg']}" for one in error.errors()[:5]]
    return f"The call cannot be carried out: {'; '.join(faults)}."

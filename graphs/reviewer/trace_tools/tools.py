"""The reviewer's tools over traces: episodes of 100,000 steps, in pieces that a context can hold.

Every claim in their results carries a step. What is cut says how to see the rest; what cannot be answered is one
sentence. Lines that start with a bar are quoted: a world or a model wrote them.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from graphs.agent.tools import model_tool, page
from graphs.reviewer.trace_tools.episode_text import comparison, listing, overview_text
from graphs.reviewer.trace_tools.lookup import Episode, NotThere, episode_named, episodes_of
from graphs.reviewer.trace_tools.step_text import Part, found_text, step_text
from traces import EpisodeFolder, EpisodeResult, TraceFailure, TraceReader
from traces.find import Query, Where, find
from traces.flags import clock_of, timeless, unproductive
from traces.overview import Overview, overview

if TYPE_CHECKING:
    from langchain_core.tools import BaseTool

CHARACTERS = 12_000
"""Of one result: some 3,000 to 4,000 tokens, so that dozens of them fit into a context."""
_OVERVIEWS = 16  # kept: reading an episode of 20,000 steps takes most of a second, looking at it again nothing
_MATCHES = 200  # most that a search shows at once
_OUTCOMES = (
    "hit, empty, missing, written, duplicate, exists, rejected, mistake, act, vetoed; "
    "or redundant: a write that added nothing"
)

_Run = Annotated[str, Field(description="Name of a run, as runs/NAME in the file tools")]
_Task = Annotated[str, Field(description="Task, as list_episodes shows it: TASK/seed-N")]
_Offset = Annotated[int, Field(ge=0, description="Characters to skip: where an earlier result was cut")]
_Text = Annotated[str, Field(description="Words on one line; A-Z in either case. Empty: all")]
_Place = Annotated[Where, Field(description="What is searched; notice: also what the next step is shown")]
_Operation = Annotated[str, Field(description="For example search or append; empty: any")]
_Outcome = Annotated[str, Field(description=f"{_OUTCOMES}; empty: any")]
_Step = Annotated[int, Field(ge=1)]
_Last = Annotated[int, Field(ge=0, description="0: the last one")]
_Limit = Annotated[int, Field(ge=1, le=_MATCHES, description="Matches to show")]


def trace_tools(runs: Mapping[str, Path], *, characters: int = CHARACTERS) -> list[BaseTool]:
    """The tools over these runs (name and run folder); a result has about `characters` at most.

    `list_episodes`, `episode_overview`, `search_trace`, `show_step` and `compare_runs`.
    """
    traces = Traces(runs, characters)
    functions = (
        traces.list_episodes,
        traces.episode_overview,
        traces.search_trace,
        traces.show_step,
        traces.compare_runs,
    )
    return [model_tool(function, NotThere, TraceFailure) for function in functions]


class Traces:
    """The tools' functions; their docstrings are what the model reads, as are NotThere and TraceFailure."""

    def __init__(self, runs: Mapping[str, Path], characters: int = CHARACTERS) -> None:
        self._runs = runs
        self._characters = characters

    def list_episodes(self, run: _Run, offset: _Offset = 0) -> str:
        """List the episodes of a run: status, steps, progression, why each ended."""
        text = listing(run, episodes_of(self._runs, run))
        return page(text, offset, self._characters, f"list_episodes with run={run}")

    def episode_overview(self, run: _Run, task: _Task, seed: int, offset: _Offset = 0) -> str:
        """An episode at a glance, with step numbers: rewards, stretches of stagnation, invalid actions, mistakes, use
        of the notebook by operation and file, most repeated writes, most frequent empty searches."""
        episode = episode_named(self._runs, run, task, seed)
        with episode.open():  # says what is missing
            result = episode.result()
        state = episode.folder.steps.stat()
        version = (state.st_ino, state.st_size, state.st_mtime_ns)
        found = _overview(episode.folder.path, version, result is not None)
        text = overview_text(f"{run}: {episode.name}", found, result)
        return page(text, offset, self._characters, "episode_overview with the same arguments")

    def search_trace(
        self,
        run: _Run,
        task: _Task,
        seed: int,
        text: _Text = "",
        where: _Place = "any",
        operation: _Operation = "",
        outcome: _Outcome = "",
        first_step: _Step = 1,
        last_step: _Last = 0,
        limit: _Limit = 20,
    ) -> str:
        """Find a text in an episode, or operations of a kind, step by step. An operation or outcome limits it to
        operations of the notebook. where=action also finds the words invalid, missing, repaired, vetoed, stuck and
        oscillating."""
        query = Query(text, where, operation.strip(), outcome.strip(), first_step, last_step)
        _check(query)
        episode = episode_named(self._runs, run, task, seed)
        with episode.open() as reader:
            _check_step(episode, reader, first_step)
            found = find(reader, query, limit, final_observation=_final(episode.result()))
        return found_text(f"{run}: {episode.name}", query, found, self._characters)

    def show_step(self, run: _Run, task: _Task, seed: int, step: _Step, part: Part = "all", offset: _Offset = 0) -> str:
        """One step exactly as the model saw it: observation, notices, what each call received and answered in LOG and
        PLAN, operations with outcome and the steps that wrote the recalled lines, action, reward, what the next step
        is shown. part=LOG and part=PLAN add the system message, part=memory the notebook's files after the step."""
        episode = episode_named(self._runs, run, task, seed)
        with episode.open() as reader:
            _check_step(episode, reader, step)
            record = reader.step(step)
            flags = _flags(reader, step, _final(episode.result()))
            heading = f"{run}: [{episode.name} step {step}] of {len(reader)}\n"
        text = heading + step_text(record, part, episode.folder, flags)
        return page(text, offset, self._characters, f"show_step with step={step}, part={part}")

    def compare_runs(self, before: _Run, after: _Run, offset: _Offset = 0) -> str:
        """Two runs side by side: progression and key metrics of each episode, and the means over those both have."""
        results = {run: _results(episodes_of(self._runs, run)) for run in (before, after)}
        text = comparison(before, after, results)
        return page(text, offset, self._characters, f"compare_runs with before={before}, after={after}")


def _results(episodes: list[Episode]) -> dict[str, EpisodeResult]:
    several = len({one.world for one in episodes}) > 1  # two worlds may both call a task "default"
    found = ((f"{one.world}/{one.name}" if several else one.name, one.result()) for one in episodes)
    return {name: result for name, result in found if result is not None}


def _final(result: EpisodeResult | None) -> Mapping[str, str] | None:
    return result.final_observation if result is not None else None


@lru_cache(maxsize=_OVERVIEWS)
def _overview(path: Path, version: tuple[int, ...], ended: bool) -> Overview:
    """The overview of a trace; `version` and `ended` distinguish its states."""
    folder = EpisodeFolder(path)
    episode = Episode("", folder)
    with TraceReader(folder) as reader:
        return overview(reader.outlines(), _final(episode.result()) if ended else None)


def _flags(reader: TraceReader, step: int, final: Mapping[str, str] | None) -> list[str]:
    """How the action led nowhere, by the three observations up to it and the one after it."""
    near = list(reader.outlines(step - 2, step + 1))
    clock = clock_of(near[-1].info)
    seen = [timeless(one.observation, clock) for one in near]
    if step == len(reader):
        if final is None:
            return []
        seen.append(timeless(final, clock))
    verdict = unproductive(seen[:-1], seen[-1])
    return [verdict] if verdict else []


def _check(query: Query) -> None:
    chooses = query.operation or query.outcome
    if chooses and query.where not in ("any", "operation"):
        raise NotThere(f"An operation or outcome is searched among operations: leave where={query.where} out.")
    if not query.text and not chooses and query.where in ("any", "observation", "reply"):
        raise NotThere(
            "Say what to look for: a text, an operation or an outcome, or where=action, notice or operation."
        )


def _check_step(episode: Episode, reader: TraceReader, step: int) -> None:
    if not len(reader):
        raise NotThere(f"{episode.name} of {episode.run} has no step yet.")
    if step > len(reader):
        raise NotThere(f"{episode.name} of {episode.run} has {len(reader)} steps, there is no step {step}.")

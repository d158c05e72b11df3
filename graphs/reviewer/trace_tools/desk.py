"""What the reviewer's trace tools do: look up, read, and put into text that fits a context."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path

from graphs.agent.tools import page
from graphs.reviewer.trace_tools.episode_text import comparison, listing, overview_text
from graphs.reviewer.trace_tools.lookup import Episode, NotThere, episode_named, episodes_of
from graphs.reviewer.trace_tools.step_text import Part, found_text, step_text
from traces import EpisodeFolder, EpisodeResult, TraceReader
from traces.find import Query, Where, find
from traces.flags import clock_of, timeless, unproductive
from traces.overview import Overview, overview

CHARACTERS = 12_000
"""Of one result: some 3,000 to 4,000 tokens, so that dozens of them fit into a context."""
_OVERVIEWS = 16  # kept: reading an episode of 20,000 steps takes most of a second, looking at it again nothing


class TraceDesk:
    """What the tools do. NotThere and TraceFailure carry the sentence that the model reads."""

    def __init__(self, runs: Mapping[str, Path], characters: int = CHARACTERS) -> None:
        self._runs = runs
        self._characters = characters

    def list_episodes(self, run: str, offset: int = 0) -> str:
        """How each episode of a run stands."""
        text = listing(run, episodes_of(self._runs, run))
        return page(text, offset, self._characters, f"list_episodes with run={run}")

    def episode_overview(self, run: str, task: str, seed: int, offset: int = 0) -> str:
        """An episode at a glance."""
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
        run: str,
        task: str,
        seed: int,
        text: str = "",
        where: Where = "any",
        operation: str = "",
        outcome: str = "",
        first_step: int = 1,
        last_step: int = 0,
        limit: int = 20,
    ) -> str:
        """Where a text or operations of a kind stand in an episode."""
        query = Query(text, where, operation.strip(), outcome.strip(), first_step, last_step)
        _check(query)
        episode = episode_named(self._runs, run, task, seed)
        with episode.open() as reader:
            _check_step(episode, reader, first_step)
            found = find(reader, query, limit, final_observation=_final(episode.result()))
        return found_text(f"{run}: {episode.name}", query, found, self._characters)

    def show_step(self, run: str, task: str, seed: int, step: int, part: Part = "all", offset: int = 0) -> str:
        """One step, or a part of it."""
        episode = episode_named(self._runs, run, task, seed)
        with episode.open() as reader:
            _check_step(episode, reader, step)
            record = reader.step(step)
            flags = _flags(reader, step, _final(episode.result()))
            heading = f"{run}: [{episode.name} step {step}] of {len(reader)}\n"
        text = heading + step_text(record, part, episode.folder, flags)
        return page(text, offset, self._characters, f"show_step with step={step}, part={part}")

    def compare_runs(self, before: str, after: str, offset: int = 0) -> str:
        """Two runs side by side, episode by episode."""
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
    """The overview of a trace; `version` and `ended` tell one state of it from another."""
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

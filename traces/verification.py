"""What is wrong with the files of an episode: trace, journal, notebook and result, held against each other."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from memory_fs.journal import NotebookFailure
from memory_fs.replay import replay
from traces.effects import effect_faults, measurable, read_effects
from traces.folders import EpisodeFolder, TraceDamaged, TraceFailure
from traces.metrics import MetricsAccumulator
from traces.reader import TraceReader
from traces.records import EpisodeResult, StepRecord
from traces.results import read_result


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong, or cannot be verified."""

    file: Path
    what: str
    """One sentence, without the file's name and without a full stop."""
    damage: bool = True
    """False for what cannot be verified, or has not ended."""


def episode_faults(folder: EpisodeFolder) -> Iterator[Fault]:
    """Yield what is wrong with an episode. Reads each file once or twice. Raises TraceFailure for a bad disk."""
    result = read_result(folder, content=True)
    if result is None:
        yield Fault(folder.path, "the episode has not ended", damage=False)
    elif result.status == "damaged" and result.failure is not None:
        yield Fault(_ended(folder), result.failure.sentence.replace(f"{folder.path}/", ""))
    elif not result.verifiable:
        yield Fault(_ended(folder), "not verifiable: the result holds no digests of the files", damage=False)
    revision = 0
    if folder.steps.exists():
        measured = MetricsAccumulator()
        earned: list[float] = []
        last = None
        operations: set[tuple[int, int, str]] = set()
        try:
            with TraceReader(folder) as reader:
                for record in reader:
                    measured.update(record)
                    earned.append(record.reward)
                    last = record
                    operations |= {(record.step, index, kind) for index, (kind, *_) in enumerate(measurable(record), 1)}
        except TraceFailure as failure:
            yield Fault(folder.steps, str(failure))
        else:
            revision = last.revision if last is not None else 0
            if result is not None and result.status != "damaged":
                yield from _result_faults(folder, result, last, earned, measured)
            yield from _effect_faults(folder, operations)
    yield from notebook_faults(folder, result, revision)


def _result_faults(
    folder: EpisodeFolder,
    result: EpisodeResult,
    last: StepRecord | None,
    earned: list[float],
    measured: MetricsAccumulator,
) -> Iterator[Fault]:
    """Compare the figures of a result with those of its trace."""
    steps = len(earned)
    if result.steps != steps:
        yield Fault(_ended(folder), f"it says {result.steps} steps, the trace has {steps}")
        return
    found: dict[str, Any] = {"return": math.fsum(earned)}
    said: dict[str, Any] = {"return": result.episode_return}
    if last is not None:
        found["progression"], said["progression"] = last.info.get("progression"), result.progression
        if result.status == "finished":
            found["end"], said["end"] = last.terminated or last.truncated, True
    figures = measured.result(result.final_observation)
    if result.metrics.get("metrics_version") == figures["metrics_version"]:
        found |= {f"the metric {name}": value for name, value in figures.items()}
        said |= {f"the metric {name}": result.metrics.get(name) for name in figures}
    for name, value in found.items():
        if not same(value, said[name]):
            yield Fault(_ended(folder), f"{name} is {said[name]}, by the trace it is {value}")


def _effect_faults(folder: EpisodeFolder, operations: set[tuple[int, int, str]]) -> Iterator[Fault]:
    try:
        effects = read_effects(folder)
    except TraceDamaged as damaged:
        yield Fault(folder.effects, str(damaged).replace(f"{folder.path}/", ""))
        return
    yield from (Fault(folder.effects, what) for what in effect_faults(effects, operations))


def notebook_faults(folder: EpisodeFolder, result: EpisodeResult | None, revision: int = 0) -> Iterator[Fault]:
    """Yield what is wrong with journal and notebook; `revision`: the last in the trace."""
    if not folder.journal.exists():
        if revision:
            yield Fault(folder.journal, f"the journal is gone: the trace ends at revision {revision} of the notebook")
        return
    try:
        there = replay(folder.journal)
    except NotebookFailure as failure:
        yield Fault(folder.journal, str(failure))
        return
    if there.revision < revision:
        yield Fault(folder.journal, f"it ends at revision {there.revision}, the trace at {revision}")
    if result is None or not result.scored:
        return  # the last change may not have reached its file; opening the notebook makes them equal
    kept = there.files()
    for name, text in kept.items():
        path = folder.memory / name
        try:
            data = path.read_bytes()
        except OSError as error:
            yield Fault(path, f"the notebook's file cannot be read ({error.strerror}); the journal holds it")
            continue
        if data != text.encode(errors="surrogatepass"):
            yield Fault(path, "it holds another text than the journal says")
    for path in sorted(folder.memory.rglob("*")):
        if path.is_file() and path.relative_to(folder.memory).as_posix() not in kept:
            yield Fault(path, "the journal knows no such file")


def same(one: object, other: object) -> bool:
    """Whether two plain values are equal, numbers to twelve digits: sums may have been taken in another order."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(same(value, other[name]) for name, value in one.items())
    if isinstance(one, list | tuple) and isinstance(other, list | tuple):
        return len(one) == len(other) and all(map(same, one, other))
    numbers = isinstance(one, int | float) and isinstance(other, int | float)
    if numbers and not isinstance(one, bool) and not isinstance(other, bool):
        return math.isclose(float(one), float(other), rel_tol=1e-12, abs_tol=1e-12)  # type: ignore[arg-type]
    return one == other


def _ended(folder: EpisodeFolder) -> Path:
    """The file that holds the result."""
    places = (folder.result, folder.failure, folder.limited)
    return next((path for path in places if path.exists()), folder.result)

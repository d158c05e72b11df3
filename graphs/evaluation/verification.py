"""What is wrong with the files of an evaluation, and the repair of a copy as far as a replay can prove what was played.

Repair derives a result that is gone or damaged again where the trace is whole: the world is played by the recorded
actions, and every observation, reward and progression must be the recorded one. A trace that lost its end becomes an
episode that has not ended, to be played on with `resume`. Where bytes of a trace were changed, nothing is repaired: a
replay cannot prove what a model wrote.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from graphs.inner_agent.opening import open_session
from graphs.inner_agent.result import MACHINE_FAILURES
from graphs.inner_agent.run_file import recorded_settings
from graphs.settings import OUR_ERRORS
from memory_fs import MemoryFS, NotebookFailure, NotebookMisuse
from traces import (
    METRICS_VERSION,
    EpisodeFolder,
    EpisodeResult,
    Failure,
    RunFolder,
    TraceFailure,
    aggregate,
    read_result,
    read_results,
    read_run,
    write_summary,
)
from traces.integrity import only_other_bytes
from traces.plain_json import read_file, write_file
from traces.verification import Fault, episode_faults, notebook_faults, same

_WHOLE = ("episodes", "failed_episodes", "n_failed", "n_limited", "tasks", "overall", "cost")
"""What of a summary is made of nothing but the episodes, whatever the version that wrote it."""
_COMMON = ("world", "scaffold", "scaffold_digest", "model", "gameplay_model")


def run_faults(run: RunFolder) -> Iterator[Fault]:
    """Yield what is wrong with an evaluation; nothing for one not begun. Raises TraceFailure for a bad disk."""
    try:
        found = read_run(run)
    except TraceFailure as failure:
        yield Fault(run.run, str(failure))
        found = None
    if not run.run.exists() and any(True for _ in run.episodes()):
        yield Fault(run.run, "it is gone, and with it how the episodes were started: restore it")
    for folder in run.episodes():
        yield from episode_faults(folder)
    for path in run.strays():
        yield Fault(path, "it is not named like an episode's folder and counts nowhere: move it out of the run")
    results = read_results(run)
    if found is not None:
        yield from _plan_faults(run, found.get("configuration"), results)
    yield from summary_faults(run, results)


def summary_faults(run: RunFolder, results: list[EpisodeResult]) -> Iterator[Fault]:
    """Yield where a summary is not what its episodes give; nothing where there is none yet."""
    if not run.summary.exists():
        return
    try:
        summary = read_file(run.summary)
        scored = {_key(one): one for one in summary["episodes"]}
        failed = {_key(one): one for one in summary["failed_episodes"]}
        unopened = [_unopened(one) for key, one in failed.items() if key not in {_key_of(one) for one in results}]
    except (TraceFailure, TypeError, KeyError, AttributeError) as error:
        yield Fault(run.summary, f"it is no summary ({error})")
        return
    there = {_key_of(one) for one in results}
    for world, task, seed in scored.keys() - there:
        lost = f"{world}/{task} seed {seed} has no result, though the summary counts it"
        yield Fault(run.episode(world, task, seed).path, lost)
    if any(one.status == "damaged" for one in results):
        return  # reported for the episode; the others cannot give the same totals
    for key in {_key_of(one) for one in results} - scored.keys() - failed.keys():
        yield Fault(run.summary, f"it does not list {key[0]}/{key[1]} seed {key[2]}, which has ended")
    expected = aggregate([*results, *unopened])
    names = [*_WHOLE, *(() if unopened else _COMMON)]
    names += ["metrics"] if summary.get("metrics_version") == METRICS_VERSION else []
    for name in names:
        if not same(_without_damage(expected[name]), _without_damage(summary.get(name))):
            yield Fault(run.summary, f"{name} is not what the episodes give")


def _plan_faults(run: RunFolder, configuration: Any, results: list[EpisodeResult]) -> Iterator[Fault]:
    """Compare the plan of a run with what was played."""
    plan = configuration if isinstance(configuration, dict) else {}
    if plan.get("world") is None:
        return  # its episodes were begun one by one
    try:
        planned = {(str(plan["world"]), str(task), int(seed)) for task in plan["tasks"] for seed in plan["seeds"]}
    except (TypeError, KeyError, ValueError) as error:
        yield Fault(run.run, f"it does not say what was to be played ({error})")
        return
    for world, task, seed in sorted({_key_of(one) for one in results} - planned):
        yield Fault(run.run, f"{world}/{task} seed {seed} was played, but is not in its plan")
    for name in ("model", "gameplay_model"):
        played = {getattr(one, name) for one in results if one.status != "damaged"}
        if name in plan and (others := sorted(map(str, played - {plan[name]}))):
            yield Fault(run.run, f"{name} is {plan[name]!r}, though episodes were played by {', '.join(others)}")
    limit = plan.get("effective_max_steps")
    if any(one.steps != limit for one in results if limit and one.end_reason == "max_steps"):
        yield Fault(run.run, f"effective_max_steps is {limit}, though episodes ended by another limit of steps")
    if "max_steps" in plan and plan["max_steps"] not in (None, limit):
        yield Fault(run.run, f"max_steps is {plan['max_steps']}, effective_max_steps {limit}")
    for key in sorted(planned - {_key_of(one) for one in results}):
        if not (folder := run.episode(*key).path).exists():
            yield Fault(folder, "it was planned and has no result", damage=False)


def _key(one: Mapping[str, Any]) -> tuple[str, str, int]:
    return one["world"], one["task"], one["seed"]


def _key_of(one: EpisodeResult) -> tuple[str, str, int]:
    return one.world, one.task, one.seed


def _unopened(one: Mapping[str, Any]) -> EpisodeResult:
    """The result of an episode that failed before it had a folder: only the summary has it."""
    return EpisodeResult(
        world=one["world"],
        task=one["task"],
        seed=one["seed"],
        status="failed",
        steps=one["steps"],
        progression=0.0,
        episode_return=0.0,
        failure=Failure(**one["cause"]) if one["cause"] else None,
        attempt=one["attempt"],
    )


def _without_damage(value: Any) -> Any:
    """The value without counts of damaged episodes, which summaries of earlier versions do not hold."""
    if isinstance(value, dict):
        return {name: _without_damage(one) for name, one in value.items() if name != "n_damaged"}
    return value


ASIDE = ".damaged"
"""What is added to the name of a result that was derived again."""


def repair_run(run: RunFolder) -> Iterator[Fault]:
    """Repair the copy of a run in place; yield what was done (no damage) and what could not be. TraceFailure."""
    for folder in run.episodes():
        result = read_result(folder, content=True)
        if result is not None and result.status == "damaged":
            yield _repaired(folder, result)
        elif result is not None and result.scored and any(notebook_faults(folder, result)):
            yield _settled(folder)
        elif result is None and folder.steps.exists() and run.summary.exists():
            yield _repaired(folder, None)
    results = read_results(run)
    whole = all(one.status != "damaged" for one in results)
    if whole and any(fault.damage for fault in summary_faults(run, results)):
        write_summary(run, results)
        yield Fault(run.summary, "computed again from the episodes", damage=False)


def _repaired(folder: EpisodeFolder, result: EpisodeResult | None) -> Fault:
    sentence = result.failure.sentence if result is not None and result.failure is not None else "its result is gone"
    if result is not None and only_other_bytes(folder, result):
        return Fault(folder.path, f"cannot be repaired: {sentence}, and a replay cannot prove what a model wrote")
    moved = [path.rename(path.with_name(path.name + ASIDE)) for path in _results(folder) if path.exists()]
    try:
        settings = recorded_settings(folder)
        if settings is None or not folder.steps.exists():
            raise ValueError("there is no trace or no run.json to replay")
        session = open_session(dataclasses.replace(settings, ceilings={}), folder)
        steps, over = session.position.step - 1, session.position.over
        session.close()
    except (*MACHINE_FAILURES, *OUR_ERRORS, NotebookMisuse, ValueError) as error:
        for path in _results(folder):
            path.unlink(missing_ok=True)
        for path in moved:
            path.rename(path.with_name(path.name.removesuffix(ASIDE)))
        return Fault(folder.path, f"cannot be repaired: {sentence}; {error}")
    done = f"{steps} steps replayed as they are recorded"
    write_file(
        folder.path / "repaired.json",
        {"at": datetime.now(UTC).isoformat(timespec="seconds"), "damage": sentence, "steps": steps, "ended": over},
    )
    if over:
        return Fault(folder.path, f"{done}; its result is derived again", damage=False)
    return Fault(folder.path, f"{done}; it has not ended: go on with the run to play the rest", damage=False)


def _settled(folder: EpisodeFolder) -> Fault:
    """Make the notebook's files what the journal says; what was there otherwise is kept beside them."""
    try:
        MemoryFS(folder.memory, journal=folder.journal).close()
    except (NotebookFailure, NotebookMisuse) as error:
        return Fault(folder.memory, f"cannot be repaired: {error}")
    return Fault(folder.memory, "written again from the journal; what differed lies beside it", damage=False)


def _results(folder: EpisodeFolder) -> tuple[Path, Path, Path]:
    return folder.result, folder.failure, folder.limited

"""What is wrong with the files of an evaluation: its episodes, and its summary compared with them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from traces import METRICS_VERSION, EpisodeResult, Failure, RunFolder, TraceFailure, aggregate, read_results, read_run
from traces.plain_json import read_file
from traces.verification import Fault, episode_faults, same

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

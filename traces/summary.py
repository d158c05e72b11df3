"""summary.json: the scores of a run, mean and standard error as the paper reports them.

Progression is in [0, 1] for episodes and in percent in the aggregates. The standard error is the population
standard deviation / sqrt(n) over episodes. A failed episode has no score: it is listed apart with its cause, counted
in n_failed, and every mean is given twice, over the finished episodes and with the failed ones as zero, so that a
crash can never raise a score. The same holds for an episode whose files are damaged (n_damaged). An episode that a
ceiling stopped counts with what it had reached, which can only be too little; it is marked "limited" and counted in
n_limited.
"""

from collections.abc import Iterable, Sequence
from math import sqrt
from statistics import fmean, pstdev
from typing import Any

from traces.folders import RunFolder
from traces.metrics import METRICS_VERSION
from traces.plain_json import write_file
from traces.records import FORMAT, EpisodeResult
from traces.results import read_result

_NOT_AVERAGED = ("metrics_version", "progression")

Figures = dict[str, float | int | None]


def aggregate(results: Iterable[EpisodeResult]) -> dict[str, Any]:
    """Return the summary of a run's episodes, ordered by world, task and seed whatever order they ended in."""
    ordered = sorted(results, key=lambda one: (one.world, one.task, one.seed))
    finished = [one for one in ordered if one.scored]
    failed = [one for one in ordered if one.status == "failed"]
    damaged = [one for one in ordered if one.status == "damaged"]
    return {
        "format": FORMAT,
        "world": _common(one.world for one in ordered),
        "scaffold": _common(one.scaffold for one in ordered),
        "scaffold_digest": _common(one.scaffold_digest for one in ordered),
        "model": _common(one.model for one in ordered),
        "gameplay_model": _common(one.gameplay_model for one in ordered),
        "episodes": [_episode(one) for one in finished],
        "failed_episodes": [_failed_episode(one) for one in failed],
        "damaged_episodes": [_failed_episode(one) for one in damaged],
        "n_failed": len(failed),
        "n_damaged": len(damaged),
        "n_limited": sum(one.status == "limited" for one in ordered),
        "cost": _total_cost(ordered),
        "tasks": _by_task(ordered),
        "overall": score(ordered),
        "metrics_version": METRICS_VERSION,
        "metrics": _metrics(finished),
    }


def read_results(run: RunFolder) -> list[EpisodeResult]:
    """Return the results of all episodes of a run that ended. Raises TraceFailure or TraceDamaged."""
    found = (read_result(folder) for folder in run.episodes())
    return [one for one in found if one is not None]


def write_summary(run: RunFolder, results: Iterable[EpisodeResult]) -> dict[str, Any]:
    """Write summary.json and return what it holds. Raises TraceFailure."""
    summary = aggregate(results)
    write_file(run.summary, summary)
    return summary


def score(results: Sequence[EpisodeResult]) -> Figures:
    """Return mean and standard error of progression in percent: over finished episodes, and with the others as zero.

    The others are failed (`n_failed`) and damaged ones (`n_damaged`).
    """
    finished = [100 * one.progression for one in results if one.scored]
    with_zeros = mean_and_error(finished + [0.0] * (len(results) - len(finished)))
    return {
        **mean_and_error(finished),
        "n_failed": sum(one.status == "failed" for one in results),
        "n_damaged": sum(one.status == "damaged" for one in results),
        "mean_failures_zero": with_zeros["mean"],
        "se_failures_zero": with_zeros["se"],
    }


def mean_and_error(values: Sequence[float]) -> Figures:
    """Return {"mean", "se", "n"}; mean and se are None where there are no values."""
    if not values:
        return {"mean": None, "se": None, "n": 0}
    return {"mean": fmean(values), "se": pstdev(values) / sqrt(len(values)), "n": len(values)}


def _by_task(results: Sequence[EpisodeResult]) -> dict[str, Figures]:
    several = len({one.world for one in results}) > 1  # two worlds may both call a task "default"
    groups: dict[str, list[EpisodeResult]] = {}
    for one in results:
        groups.setdefault(f"{one.world}/{one.task}" if several else one.task, []).append(one)
    return {task: score(group) for task, group in groups.items()}


def _episode(one: EpisodeResult) -> dict[str, Any]:
    return {
        "world": one.world,
        "task": one.task,
        "seed": one.seed,
        "progression": one.progression,
        "return": one.episode_return,
        "steps": one.steps,
        "end_reason": one.end_reason,
        "tokens": one.tokens,
        "model_calls": one.model_calls,
        "cost": one.cost,
        "status": one.status,
        "wall_s": one.wall_s,
        "attempt": one.attempt,
    }


def _failed_episode(one: EpisodeResult) -> dict[str, Any]:
    cause = one.failure
    return {
        "world": one.world,
        "task": one.task,
        "seed": one.seed,
        "status": one.status,
        "steps": one.steps,
        "cause": {"kind": cause.kind, "where": cause.where, "sentence": cause.sentence, "step": cause.step}
        if cause
        else None,
        "attempt": one.attempt,
    }


def _metrics(results: Sequence[EpisodeResult]) -> dict[str, Any]:
    """Average each metric over the episodes that have it, all by today's definitions; `n` says how many those are.

    In a table by name (outcomes, codes), what an episode does not list counts as 0. Progression is in the scores.
    """
    figures: dict[str, Any] = {}
    measured = [one.metrics for one in results if one.metrics.get("metrics_version") == METRICS_VERSION]
    for name in dict.fromkeys(name for metrics in measured for name in metrics if name not in _NOT_AVERAGED):
        values = [metrics[name] for metrics in measured if metrics.get(name) is not None]
        tables = [value for value in values if isinstance(value, dict)]
        if tables:
            keys = sorted({key for table in tables for key in table})
            columns = {key: [table.get(key, 0) for table in tables] for key in keys}
            figures[name] = {key: mean_and_error([one for one in columns[key] if one is not None]) for key in keys}
        else:
            figures[name] = mean_and_error(values)
    return figures


def _total_cost(results: Sequence[EpisodeResult]) -> float | None:
    """US dollars of all episodes, failed ones too; None where any has no price."""
    costs = [one.cost for one in results]
    return None if None in costs else sum(cost for cost in costs if cost is not None)


def _common(values: Iterable[str | None]) -> str | None:
    """Return what all episodes have in common, else all that occurs, joined."""
    found = sorted({value for value in values if value})
    return ", ".join(found) or None

"""The episodes of a run, and those of two runs side by side, as text: one line per episode."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import get_args

from graphs.reviewer.quoting import one_line
from graphs.reviewer.trace_lookup import Episode
from traces import METRICS_VERSION, EpisodeResult, TraceFailure, TraceReader
from traces.records import Status
from traces.summary import score

COMPARED = {
    "unproductive_action_rate": "unproductive",
    "redundant_write_rate": "redundant writes",
    "empty_search_rate": "empty searches",
    "invalid_action_rate": "invalid actions",
}
"""Metrics that are shares, shown in percent, and their short names."""


def listing(run: str, episodes: Sequence[Episode]) -> str:
    """How each episode of a run stands; the mean counts a failed or damaged one as zero."""
    lines, ended = [], []
    for episode in episodes:
        try:
            result = episode.result()
            lines.append(_line(episode, result) if result else _playing(episode))
        except TraceFailure as failure:
            lines.append(f"{episode.name}: cannot be read: {one_line(str(failure), 300)}")
            continue
        ended += [result] if result else []
    if not lines:
        return f"Run {run} has no episode yet."
    figures = score(ended)
    scored = f"mean progression {figures['mean_failures_zero']:.1f} %" if ended else "none has ended yet"
    counted = {status: sum(one.status == status for one in ended) for status in get_args(Status)}
    said = ", ".join(f"{number} {status}" for status, number in counted.items() if number)
    return "\n".join(
        [
            f"{run}: {len(lines)} episodes ({said or 'all being played'}); {scored}, a failed or damaged one as 0.",
            *lines,
        ]
    )


def _line(episode: Episode, result: EpisodeResult) -> str:
    shown = f"{episode.name}: {result.status}, {result.steps} steps, progression {100 * result.progression:.1f} %"
    if result.failure and result.status == "damaged":
        return f"{episode.name}: damaged: {one_line(result.failure.sentence, 300)}"
    if result.failure:
        cause = result.failure
        return f"{shown}; {cause.kind} at step {cause.step}: {one_line(cause.sentence, 300)}"
    return f"{shown}, return {result.episode_return:g}, ended: {one_line(result.end_reason or 'no reason given')[1:-1]}"


def _playing(episode: Episode) -> str:
    if not episode.folder.steps.exists():
        return f"{episode.name}: no step yet"
    with TraceReader(episode.folder) as reader:
        if not len(reader):
            return f"{episode.name}: no step yet"
        last = reader.step(len(reader))
        return f"{episode.name}: being played, {last.step} steps, progression {_percent(last.info.get('progression'))}"


def comparison(before: str, after: str, results: Mapping[str, Mapping[str, EpisodeResult]]) -> str:
    """Two runs, episode by episode; `results`: of each run by episode name. A failed episode counts as zero."""
    ours, theirs = results[before], results[after]
    names = list(dict.fromkeys([*ours, *theirs]))
    damaged = [
        name for name in names if any(name in side and side[name].status == "damaged" for side in (ours, theirs))
    ]
    both = [name for name in names if name in ours and name in theirs and name not in damaged]
    lines = [_pair(name, ours.get(name), theirs.get(name)) for name in names]
    if not both:
        return "\n".join([f"{before} and {after} have no episode in common that has ended.", *lines])
    differences = [_reached(theirs[name]) - _reached(ours[name]) for name in both]
    up, down = sum(one > 0 for one in differences), sum(one < 0 for one in differences)
    heading = (
        f"{before} → {after}, over {len(both)} episodes that ended in both: progression "
        f"{_mean(ours, both):.1f} → {_mean(theirs, both):.1f} % ({100 * fmean(differences):+.1f}); "
        f"{up} better, {down} worse, {len(both) - up - down} equal. A failed episode counts as 0."
    )
    means = [
        f"mean {word}: {_metric_mean(ours, both, key)} → {_metric_mean(theirs, both, key)}"
        for key, word in COMPARED.items()
    ]
    tokens = [_metric_mean(side, both, "prompt_tokens_per_step", plain=True) for side in (ours, theirs)]
    other = sum(
        one.metrics.get("metrics_version") != METRICS_VERSION for side in results.values() for one in side.values()
    )
    note = [f"Metrics of {other} episodes were measured by other definitions and are left out."] if other else []
    note += [f"Damaged, and in no mean: {', '.join(damaged)}."] if damaged else []
    return "\n".join([heading, *means, f"mean prompt tokens per step: {' → '.join(tokens)}", *note, *lines])


def _pair(name: str, before: EpisodeResult | None, after: EpisodeResult | None) -> str:
    if before is None or after is None:
        side = "before" if after is None else "after"
        one = before or after
        return f"{name}: only {side}: {100 * _reached(one):.1f} %" if one else name
    figures = [f"{100 * _reached(one):.1f}" for one in (before, after)]
    difference = 100 * (_reached(after) - _reached(before))
    shares = "; ".join(
        f"{word} {_percent(_metric(before, key))} → {_percent(_metric(after, key))}" for key, word in COMPARED.items()
    )
    failed = "".join(f"; {one.status} {word}" for word, one in (("before", before), ("after", after)) if not one.scored)
    return (
        f"{name}: {' → '.join(figures)} % ({difference:+.1f}); steps {before.steps} → {after.steps}; {shares}{failed}"
    )


def _reached(one: EpisodeResult) -> float:
    return one.progression if one.scored else 0.0


def _mean(results: Mapping[str, EpisodeResult], names: Sequence[str]) -> float:
    return 100 * fmean(_reached(results[name]) for name in names)


def _metric(one: EpisodeResult, key: str) -> float | None:
    """A metric by today's definitions; None where it was measured by others, or has no value."""
    value = one.metrics.get(key) if one.metrics.get("metrics_version") == METRICS_VERSION else None
    return float(value) if isinstance(value, (int, float)) else None


def _metric_mean(results: Mapping[str, EpisodeResult], names: Sequence[str], key: str, plain: bool = False) -> str:
    values = [value for name in names if (value := _metric(results[name], key)) is not None]
    if not values:
        return "-"
    return f"{fmean(values):,.0f}" if plain else _percent(fmean(values))


def _percent(value: object) -> str:
    return f"{100 * value:.1f} %" if isinstance(value, (int, float)) else "-"

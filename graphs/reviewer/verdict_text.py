"""A verdict as people and reviewers read it: the decision, the paired differences, the interval, and the luck."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from graphs.reviewer.gate import Difference, Verdict

SHOWN = 40
"""Pairs listed one by one: the largest protocol's. Of more, the middle is left out; a search may have hundreds."""


def render(verdict: Verdict) -> str:
    """The verdict on several lines of plain text, figures in percent; its length is bounded however many pairs."""
    kept = "kept" if verdict.accepted else "to be confirmed" if verdict.needs_fresh else "not kept"
    lines = [
        f"{kept} ({verdict.rule}): {verdict.sentence}",
        "",
        *_figures(
            verdict.before_mean, verdict.before_se, verdict.after_mean, verdict.after_se, len(verdict.differences)
        ),
        _interval(verdict.mean_difference, verdict.interval, verdict.confidence),
        f"noise alone would be expected to show {_points(verdict.luck)} points of gain over the start after "
        f"{verdict.attempt} of {verdict.attempts_total} attempts, if the highest mean were kept and reported",
        "",
        *_table(verdict.differences),
    ]
    if fresh := verdict.fresh:
        differences = [Difference(**one) for one in fresh["differences"]]
        low, high = fresh["interval"]
        lines += [
            "",
            "on fresh seeds",
            *_figures(
                fresh["before_mean"], fresh["before_se"], fresh["after_mean"], fresh["after_se"], len(differences)
            ),
            _interval(fresh["mean_difference"], (low, high), verdict.confidence),
            *_table(differences),
        ]
    return "\n".join(lines)


def gain_words(gained: Mapping[str, Any]) -> str:
    """The gain of a version on the hold-out seeds (`settle_nodes.gained`), in a sentence."""
    words = _interval(gained["mean_difference"], tuple(gained["interval"]), gained["confidence"])
    return f"Less v0, seed by seed: {words}."


def _figures(before: float, before_se: float, after: float, after_se: float, pairs: int) -> Iterable[str]:
    yield f"incumbent {100 * before:6.2f} ± {100 * before_se:.2f} %   (mean ± standard error of {pairs} episodes)"
    yield f"candidate {100 * after:6.2f} ± {100 * after_se:.2f} %"


def _interval(mean: float, interval: tuple[float, float], confidence: float) -> str:
    low, high = interval
    where = f"{_points(low)} to {_points(high)}, each end at a confidence of {100 * confidence:.4g} %"
    if interval == (-1.0, 1.0):
        where = f"unknown at a confidence of {100 * confidence:.4g} %: too few pairs"
    return f"mean difference {_points(mean)} points; interval {where}"


def _table(differences: Sequence[Difference]) -> Iterable[str]:
    width = max(len("task"), *(min(len(one.task), 40) for one in differences))
    yield f"{'task':{width}}  {'seed':>6}  {'before':>7}  {'after':>7}  {'difference':>10}"
    shown = list(differences)
    left_out = len(shown) - SHOWN
    for number, one in enumerate(shown):
        if left_out > 0 and SHOWN // 2 <= number < len(shown) - SHOWN // 2:
            if number == SHOWN // 2:
                yield f"… {left_out} more …"
            continue
        task = one.task if len(one.task) <= 40 else one.task[:39] + "…"
        yield (
            f"{task:{width}}  {one.seed:>6}  {100 * one.before:7.2f}  {100 * one.after:7.2f}  {_points(one.gain):>10}"
        )
    gains = [one.gain for one in shown]
    better, worse = sum(gain > 0 for gain in gains), sum(gain < 0 for gain in gains)
    yield f"{better} better, {worse} worse, {len(gains) - better - worse} the same"


def _points(progression: float) -> str:
    return f"{100 * progression:+.2f}"

"""The scores a gate judges by: one progression per (task, seed), read from the results that an evaluation wrote."""

from __future__ import annotations

from collections.abc import Iterable

from traces import RunFolder, read_results

Pair = tuple[str, int]
"""A task and a seed: what two evaluations are paired by."""


def read_scores(run: RunFolder, pairs: Iterable[Pair]) -> dict[Pair, float]:
    """Progression in [0, 1] of each pair, in the order of `pairs`.

    A failed episode, and one that has not ended, counts 0: a scaffold cannot gain by crashing where it does badly. One
    that a ceiling stopped counts with what it had reached. Raises TraceFailure or TraceDamaged.
    """
    reached = {(one.task, one.seed): one.progression for one in read_results(run) if one.status != "failed"}
    return {pair: reached.get(pair, 0.0) for pair in pairs}

"""The scores a gate judges by: one progression per (task, seed), read from the results that an evaluation wrote."""

from __future__ import annotations

from collections.abc import Iterable

from traces import RunFolder, TraceDamaged, read_results

Pair = tuple[str, int]
"""A task and a seed: what two evaluations are paired by."""


def read_scores(run: RunFolder, pairs: Iterable[Pair]) -> dict[Pair, float]:
    """Progression in [0, 1] of each pair, in the order of `pairs`.

    A failed episode, and one that has not ended, counts 0: a scaffold cannot gain by crashing where it does badly. One
    that a ceiling stopped counts with what it had reached. Raises TraceFailure, and TraceDamaged where the files of an
    episode are damaged: as 0 it would raise whoever is compared with it.
    """
    results = read_results(run)
    for one in results:
        if one.status == "damaged" and one.failure is not None:
            raise TraceDamaged(
                f"{one.failure.sentence}: restore it, or move the episode's folder away and play it again"
            )
    reached = {(one.task, one.seed): one.progression for one in results if one.scored}
    return {pair: reached.get(pair, 0.0) for pair in pairs}

"""What noise alone would be expected to show: the climb of a search in which no attempt is any better.

Such a search keeps the highest of its noisy means and reports it on the seeds it was chosen on. The climb after k
attempts is the expected maximum of k + 1 means less the expected mean, simulated from the incumbent's own spread.

How much one pair's score moves from run to run:

- where the incumbent was played several times on the same pairs (`repeats`), from that: a score is drawn from its own
  pair's runs, spread out by sqrt(m / (m - 1)) since m runs lie closer to their own mean than to the true one;
- where each pair was played once, a score is drawn from all pairs of the same task. That takes the difference between
  the seeds of a task for noise, so the luck it tells is an upper bound. Differences between tasks are never taken for
  noise.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import sqrt

import numpy as np

from graphs.evaluation.resampling import Numbers
from graphs.evaluation.scores import Pair

SEARCHES = 2_000
"""Simulated searches: the standard error of the answer is about 1/40 of a mean's own standard error."""


def expected_luck(
    incumbent: Mapping[Pair, float], attempts: int, *, repeats: Sequence[Mapping[Pair, float]] = (), seed: int = 0
) -> float:
    """The gain over the start, in [0, 1], that `attempts` attempts without any progress are expected to show.

    `repeats`: further evaluations of the incumbent; a pair missing there counts 0, as everywhere. Same input, same
    figure.
    """
    random = np.random.default_rng(seed)
    means = np.zeros((SEARCHES, attempts + 1))
    for possible, pairs in _possible_scores(incumbent, repeats):
        for _ in range(pairs):
            means += possible[random.integers(0, len(possible), size=means.shape)]
    means /= max(1, len(incumbent))
    return round(float(means.max(axis=1).mean() - means.mean()), 6)


def _possible_scores(
    incumbent: Mapping[Pair, float], repeats: Sequence[Mapping[Pair, float]]
) -> list[tuple[Numbers, int]]:
    """What a score may turn out to be, and how many pairs draw from it."""
    if repeats:
        runs = np.array([[run.get(pair, 0.0) for pair in sorted(incumbent)] for run in (incumbent, *repeats)])
        centre = runs.mean(axis=0)
        spread_out = centre + (runs - centre) * sqrt(len(runs) / (len(runs) - 1))
        return [(column, 1) for column in spread_out.T]
    tasks: dict[str, list[float]] = {}
    for (task, _), score in sorted(incumbent.items()):
        tasks.setdefault(task, []).append(score)
    return [(np.array(scores), len(scores)) for scores in tasks.values()]

"""Two evaluations over the same tasks and seeds, side by side: means, differences, and what chance alone could do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import sqrt
from statistics import fmean, pstdev

from graphs.evaluation.resampling import subset_means
from graphs.evaluation.scores import Pair


@dataclass(frozen=True, slots=True)
class Difference:
    """One pair: what the incumbent and what the candidate reached, in [0, 1]."""

    task: str
    seed: int
    before: float
    after: float

    @property
    def gain(self) -> float:
        """After less before."""
        return self.after - self.before


@dataclass(frozen=True, kw_only=True)
class Paired:
    """An incumbent and a candidate, pair by pair. Progressions and their differences lie in [0, 1] and [-1, 1]."""

    before_mean: float
    after_mean: float
    before_se: float
    """Standard error over episodes: population standard deviation / sqrt(n), as the paper reports it."""
    after_se: float
    mean_difference: float
    interval: tuple[float, float]
    """Of the mean difference; each end is wrong with the probability that the gate allows this attempt."""
    chance: float
    """How likely at least this mean difference is for a candidate that plays like the incumbent; in (0, 1]."""
    differences: list[Difference]
    """In order of task and seed."""


def pair_up(incumbent: Mapping[Pair, float], candidate: Mapping[Pair, float], *, error: float, seed: int = 0) -> Paired:
    """Compare two evaluations; `error`: the probability with which an end of the interval may be wrong.

    A pair that only one of them has counts 0 for the other. Raises ValueError where there is no pair at all.
    """
    pairs = sorted(incumbent.keys() | candidate.keys())
    if not pairs:
        raise ValueError("the gate was given no scores: give the pairs (task, seed) that both evaluations played")
    differences = [Difference(*pair, incumbent.get(pair, 0.0), candidate.get(pair, 0.0)) for pair in pairs]
    before, after = [one.before for one in differences], [one.after for one in differences]
    means = subset_means([one.gain for one in differences], seed)
    return Paired(
        before_mean=fmean(before),
        after_mean=fmean(after),
        before_se=_standard_error(before),
        after_se=_standard_error(after),
        mean_difference=round(fmean(after) - fmean(before), 12),
        interval=means.interval(error),
        chance=means.chance(),
        differences=differences,
    )


def _standard_error(values: Sequence[float]) -> float:
    return pstdev(values) / sqrt(len(values))

"""Paired differences between evaluations, and how far chance alone can move them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import sqrt
from statistics import fmean, pstdev
from typing import Any

import numpy as np
import numpy.typing as npt

from traces import RunFolder, TraceDamaged, read_results

Pair = tuple[str, int]
"""A task and a seed: what two evaluations are paired by."""


def read_scores(run: RunFolder, pairs: Iterable[Pair]) -> dict[Pair, float]:
    """Progression in [0, 1] of each pair, in the order of `pairs`.

    A failed episode, and one that has not ended, counts 0: a scaffold cannot gain by crashing where it does badly. One
    that a ceiling stopped counts with what it had reached. Raises TraceFailure, and TraceDamaged where the files of an
    episode are damaged: as 0 it would favour what is compared with it.
    """
    results = read_results(run)
    for one in results:
        if one.status == "damaged" and one.failure is not None:
            raise TraceDamaged(
                f"{one.failure.sentence}: restore it, or move the episode's folder away and play it again"
            )
    reached = {(one.task, one.seed): one.progression for one in results if one.scored}
    return {pair: reached.get(pair, 0.0) for pair in pairs}


Numbers = npt.NDArray[np.float64]

EXACT = 16
"""Up to this many pairs every subset is looked at (65,536); beyond, DRAWN random ones are."""
DRAWN = 2**17 - 1
"""Random subsets beyond EXACT pairs; with the empty one, the smallest chance that can be found is 1 in 131,072."""
CHUNK = 4_096
"""Random subsets drawn at a time: with 1,000 pairs 32 MB."""
ROUNDING = 1e-12
"""Means closer than this are equal: they differ by rounding only."""


@dataclass(frozen=True, slots=True)
class SubsetMeans:
    """The means of subsets of the differences, sorted; the empty subset is left out here and counted below."""

    means: Numbers

    @property
    def subsets(self) -> int:
        """How many there are, the empty one included."""
        return len(self.means) + 1

    def chance(self) -> float:
        """How likely a mean difference at least as large is when nothing but chance is at work; in (0, 1]."""
        return (1 + int(np.searchsorted(self.means, ROUNDING, side="right"))) / self.subsets

    def interval(self, error: float) -> tuple[float, float]:
        """Where the mean difference lies; each end is wrong with probability `error` at most.

        With too few pairs for so small an error, an end is the lowest or highest value, -1 or 1.
        """
        spared = min(spared_subsets(error, self.subsets), len(self.means))
        if spared == 0:
            return -1.0, 1.0
        return round(float(self.means[spared - 1]), 12), round(float(self.means[-spared]), 12)


def subset_means(differences: Sequence[float], seed: int) -> SubsetMeans:
    """The means of all subsets of at most EXACT differences, else of DRAWN random ones. Same seed, same means."""
    values = np.asarray(differences, dtype=np.float64)
    if len(values) <= EXACT:
        sums, sizes = np.zeros(1), np.zeros(1)
        for value in values:
            sums, sizes = np.concatenate([sums, sums + value]), np.concatenate([sizes, sizes + 1])
        return SubsetMeans(np.sort(sums[1:] / sizes[1:]))
    return SubsetMeans(np.sort(np.concatenate(list(_drawn(values, np.random.default_rng(seed))))))


def spared_subsets(error: float, subsets: int) -> int:
    """How many subsets, the empty one among them, may contradict a gain that is to be chance with `error` at most."""
    return int(error * subsets + ROUNDING)


def all_subsets(pairs: int) -> int:
    """How many subsets are looked at. Where every pair gets better the chance is one in so many: none is smaller."""
    return 2**pairs if pairs <= EXACT else DRAWN + 1


def _drawn(values: Numbers, random: np.random.Generator) -> Iterator[npt.NDArray[Any]]:
    for first in range(0, DRAWN, CHUNK):
        taken = random.integers(0, 2, size=(min(CHUNK, DRAWN - first), len(values)), dtype=np.int8).astype(bool)
        sizes = taken.sum(axis=1)
        sums = np.where(taken, values, 0.0).sum(axis=1)
        # An empty draw, 1 in 2**17 at most, says nothing against chance: it counts as a mean of 0.
        yield np.divide(sums, sizes, out=np.zeros(len(sums)), where=sizes > 0)


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
        before_se=standard_error(before),
        after_se=standard_error(after),
        mean_difference=round(fmean(after) - fmean(before), 12),
        interval=means.interval(error),
        chance=means.chance(),
        differences=differences,
    )


def standard_error(values: Sequence[float]) -> float:
    """Of the mean of these values."""
    return pstdev(values) / sqrt(len(values))


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

"""How far chance alone can move a mean of paired differences: Hartigan's random subsamples, the exact paired bootstrap.

If a candidate plays like the incumbent, each pair's difference is as likely to fall one way as the other, so turning
the signs of any subset of the pairs gives an outcome that was just as likely (the sign-flip test, also known as the
wild bootstrap with Rademacher weights). A turned outcome is at least as good as the one seen exactly where the turned
subset has a mean of at most 0. The means of all subsets of the pairs (Hartigan 1969, "typical values") therefore give
two things that cannot contradict each other:

- the chance of a gain at least this large: the share of subsets, the empty one among them, with a mean of at most 0;
- an interval for the mean difference: its lower end is above 0 exactly where that chance is small enough.

Why not Efron's bootstrap of the mean (percentile, BCa): at the small error rates that a search of many attempts needs
it is fooled two to five times as often as stated with 10 seeds, four to thirteen times with 5 (`benchmarks/gate.py`),
and differences that are all equal convince it at any confidence, however few. This one is exact at any number of pairs;
and since turning signs leaves the sum of squares alone it is the studentised test as well, so that with many pairs it
stays right where the candidate has the same mean but another spread.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Numbers = npt.NDArray[np.float64]

EXACT = 16
"""Up to this many pairs every subset is looked at (65,536); beyond, DRAWN random ones are."""
DRAWN = 2**17 - 1
"""Random subsets beyond EXACT pairs; with the empty one, the smallest chance that can be told is 1 in 131,072."""
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

        Too few pairs for so small an error tell nothing: then an end is the worst or the best there is, -1 or 1.
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

"""Searches of loop 1 in which no candidate plays any better than the start: all they gain is luck.

The scores are like those of a game with 22 achievements, of which an episode unlocks some: every seed has a difficulty
of its own, and every run of it a noise of its own.
"""

from __future__ import annotations

from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

from graphs.evaluation.statistics import Pair, pair_up
from graphs.reviewer.gate import RULES, Allowed, Rule

ACHIEVEMENTS = 22
MEAN, BETWEEN_SEEDS = 0.35, 0.05
"""Mean progression, and how much seeds differ in difficulty (standard deviation)."""
Numbers = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Game:
    """Seeds of one game; `noise`: the standard deviation of a run's progression on one seed."""

    seeds: int
    noise: float

    def difficulties(self, random: np.random.Generator) -> Numbers:
        """The expected progression of each seed."""
        return random.normal(MEAN, BETWEEN_SEEDS, self.seeds)

    def play(self, expected: Numbers, random: np.random.Generator) -> Numbers:
        """One run of each: achievements unlocked / 22."""
        reached = np.round(ACHIEVEMENTS * (expected + random.normal(0, self.noise, expected.shape)))
        return np.asarray(np.clip(reached, 0, ACHIEVEMENTS) / ACHIEVEMENTS)

    def scores(self, expected: Numbers, random: np.random.Generator) -> dict[Pair, float]:
        """The same, by pair."""
        return {("default", seed): float(score) for seed, score in enumerate(self.play(expected, random))}


@dataclass(frozen=True)
class Climbed:
    """What a search without progress showed."""

    points: float
    """Progression of the last version less that of the start, on the gate seeds, in points."""
    versions: int
    """Candidates that were kept, every one of them by luck."""


def search(
    rule: Rule,
    game: Game,
    random: np.random.Generator,
    *,
    versions: int = 5,
    attempts: int = 6,
    confidence: float = 0.9,
) -> Climbed:
    """A search by one rule; it ends when a version was looked for in vain."""
    allowed = Allowed(confidence, versions * attempts)
    expected = game.difficulties(random)
    start = incumbent = game.scores(expected, random)
    kept = 0
    for _ in range(versions):
        for _ in range(attempts):
            candidate = game.scores(expected, random)
            seen = pair_up(incumbent, candidate, error=allowed.error)
            decision = RULES[rule](seen, None, allowed)
            if decision.needs_fresh:
                other = game.difficulties(random)
                again = pair_up(game.scores(other, random), game.scores(other, random), error=allowed.error)
                decision = RULES[rule](seen, again, allowed)
            if decision.accepted:
                incumbent, kept = candidate, kept + 1
                break
        else:
            break
    gain = sum(incumbent.values()) - sum(start.values())
    return Climbed(100 * gain / game.seeds, kept)


def percentile_bootstrap(differences: Numbers, random: np.random.Generator, resamples: int = 4_000) -> Numbers:
    """The share of Efron's resamples with a mean of at most 0, for each row of differences."""
    means = _resampled_means(differences, random, resamples)
    return np.asarray((means <= 1e-12).mean(axis=1))


def bca_accepts(differences: Numbers, error: float, random: np.random.Generator, resamples: int = 4_000) -> float:
    """How many rows of differences have a BCa interval whose lower end, wrong with `error`, lies above 0; a share."""
    normal, accepted = NormalDist(), 0
    means = _resampled_means(differences, random, resamples)
    at_most_0 = (means <= 1e-12).mean(axis=1)
    for row, resampled, below in zip(differences, means, at_most_0, strict=True):
        centred = row.mean() - (row.sum() - row) / (len(row) - 1)
        spread = float((centred**2).sum()) ** 1.5
        acceleration = float((centred**3).sum()) / (6 * spread) if spread else 0.0
        share = float(((resampled < row.mean() - 1e-12) + 0.5 * (abs(resampled - row.mean()) <= 1e-12)).mean())
        bias = normal.inv_cdf(min(max(share, 1 / resamples), 1 - 1 / resamples))
        shifted = bias + normal.inv_cdf(error)
        adjusted = normal.cdf(bias + shifted / (1 - acceleration * shifted))
        accepted += below < adjusted
    return accepted / len(differences)


def _resampled_means(differences: Numbers, random: np.random.Generator, resamples: int) -> Numbers:
    pairs = differences.shape[1]
    taken = random.multinomial(pairs, [1 / pairs] * pairs, size=resamples)
    return np.asarray(differences @ taken.T / pairs)

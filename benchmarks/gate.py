"""What the gate's rules keep when there is nothing to keep, and what they miss when there is.

    python benchmarks/gate.py

Promises: without any progress the default rule keeps something in at most the stated 10 % of searches, however noisy
the game, and in one comparison it is fooled no more often than stated. The paper's rule climbs by luck, as the first
table says. All is simulated and seeded: the same figures everywhere.
"""

from __future__ import annotations

import numpy as np
import paths  # noqa: F401 - before anything of the repository
from searches_without_progress import Game, bca_accepts, percentile_bootstrap, search

from graphs.evaluation.statistics import Paired, pair_up, subset_means
from graphs.reviewer.gate import RULES, Allowed, Rule

NOISES = (0.11, 0.14, 0.17)
"""Standard deviation of one seed's progression from run to run."""
SEARCHES, COMPARISONS, POWER = 400, 4_000, 200
ERROR = 0.1
ATTEMPTS = 30


def without_progress() -> bool:
    """Searches of 5 versions with up to 6 attempts each, 10 seeds; whether the default rule keeps its promise."""
    print(f"no progress at all, 5 versions, up to 6 attempts each, 10 seeds ({SEARCHES} searches a row)")
    print("noise of a run | rule    | climb, gate seeds (points) | searches that kept something | versions kept")
    kept_promise = True
    for noise in NOISES:
        for rule in Rule:
            ended = [search(rule, Game(10, noise), np.random.default_rng([1, one])) for one in range(SEARCHES)]
            points = [one.points for one in ended]
            fooled = float(np.mean([one.versions > 0 for one in ended]))
            print(
                f"     {100 * noise:4.0f} points | {rule:7} "
                f"| {np.mean(points):5.1f} (one in ten: {np.quantile(points, 0.9):4.1f})   "
                f"| {fooled:28.1%} | {np.mean([one.versions for one in ended]):.2f}"
            )
            kept_promise &= rule != Rule.PAIRED or fooled <= ERROR
    return kept_promise


def against_other_bootstraps() -> bool:
    """One comparison without progress; whether ours is fooled no more often than stated."""
    print("\none comparison without progress, noise 14 points: times the stated error that it is fooled")
    print("seeds | stated error | this gate | percentile bootstrap | BCa bootstrap")
    honest = True
    for seeds in (5, 10):
        random = np.random.default_rng(2)
        game = Game(seeds, 0.14)
        expected = np.array([game.difficulties(random) for _ in range(COMPARISONS)])
        differences = game.play(expected, random) - game.play(expected, random)
        chances = np.array([subset_means(row.tolist(), 0).chance() for row in differences])
        percentile = percentile_bootstrap(differences, random)
        for error in (ERROR, ERROR / 6, ERROR / ATTEMPTS):
            ours = float((chances <= error).mean()) / error
            bca = bca_accepts(differences, error, random) / error
            print(
                f"{seeds:5} | {error:12.4f} | {ours:7.2f} x | {float((percentile <= error).mean()) / error:18.2f} x "
                f"| {bca:11.2f} x"
            )
            tolerance = 3 * (1 / error / COMPARISONS) ** 0.5  # three standard errors of the simulation
            honest &= ours <= 1 + tolerance
    return honest


def with_progress() -> None:
    """How often a candidate that is better is kept, as one of 30 attempts: what honesty costs in seeds."""
    print(f"\na candidate that is better, noise 14 points, one of {ATTEMPTS} attempts: how often it is kept")
    print("seeds | gain      | mean   | paired | confirm")
    allowed = Allowed(1 - ERROR, ATTEMPTS)
    for seeds in (10, 16, 30):
        trials = POWER if seeds <= 16 else POWER // 5
        for gain in (0.05, 0.1, 0.2, 0.3):
            kept = dict.fromkeys(Rule, 0)
            for trial in range(trials):
                random, game = np.random.default_rng([3, trial]), Game(seeds, 0.14)
                seen, fresh = (_compared(game, gain, allowed.error, random) for _ in range(2))
                for rule in Rule:
                    kept[rule] += RULES[rule](seen, fresh, allowed).accepted
            shares = " | ".join(f"{count / trials:6.0%}" for count in kept.values())
            print(f"{seeds:5} | {100 * gain:2.0f} points | {shares}")


def _compared(game: Game, gain: float, error: float, random: np.random.Generator) -> Paired:
    expected = game.difficulties(random)
    return pair_up(game.scores(expected, random), game.scores(expected + gain, random), error=error)


def main() -> bool:
    """Print the tables; whether the promise is kept."""
    promises = without_progress(), against_other_bootstraps()
    with_progress()
    return all(promises)


if __name__ == "__main__":
    raise SystemExit(not main())

"""The gate's statistics: exact where they can be, and never fooled more often than stated."""

from __future__ import annotations

import itertools
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from searches_without_progress import Game, percentile_bootstrap, search

from graphs.evaluation.statistics import DRAWN, EXACT, expected_luck, subset_means
from graphs.reviewer.gate import Rule, judge, reachable


def sign_flip_chance(differences: list[float]) -> float:
    """The textbook's way: all signs, and how many reach the sum that was seen."""
    seen = sum(differences)
    flips = [
        sum(sign * one for sign, one in zip(signs, differences, strict=True))
        for signs in itertools.product((1, -1), repeat=len(differences))
    ]
    return sum(flip >= seen - 1e-9 for flip in flips) / len(flips)


def test_the_chance_is_that_of_the_sign_flip_test() -> None:
    random = np.random.default_rng(5)
    for pairs in (1, 2, 5, 9):
        for _ in range(20):
            differences = (random.integers(-4, 7, pairs) / 22).tolist()
            assert subset_means(differences, 0).chance() == pytest.approx(sign_flip_chance(differences))


def test_each_end_of_the_interval_is_where_the_sign_flip_test_turns() -> None:
    differences = [0.05, 0.3, -0.1, 0.2, 0.15, 0.25, 0.02, 0.4]
    low, high = subset_means(differences, 0).interval(0.05)
    for end, sign in ((low, 1), (high, -1)):
        inside, outside = end + sign * 1e-6, end - sign * 1e-6
        assert sign_flip_chance([sign * (one - outside) for one in differences]) <= 0.05
        assert sign_flip_chance([sign * (one - inside) for one in differences]) > 0.05
    assert low < np.mean(differences) < high


def test_random_subsets_come_close_to_all_of_them() -> None:
    random = np.random.default_rng(6)
    exact = random.normal(0.05, 0.15, EXACT).tolist()
    drawn = [*exact, 0.0]  # a pair that did not change leaves the chance as it is, and is one too many to be exact
    one, other = subset_means(exact, 0), subset_means(drawn, 0)
    assert other.subsets == DRAWN + 1
    assert other.chance() == pytest.approx(one.chance(), abs=0.005)
    assert subset_means(drawn, 0).chance() == other.chance()
    assert subset_means([0.1] * 60, 0).chance() == 1 / (DRAWN + 1)


def test_the_interval_covers_the_true_difference_as_often_as_stated() -> None:
    random = np.random.default_rng(8)
    trials = 1_500
    below = above = 0
    for row in random.normal(0.1, 0.15, (trials, 8)):
        low, high = subset_means(row.tolist(), 0).interval(0.05)
        below, above = below + (low > 0.1), above + (high < 0.1)
    assert below / trials < 0.05 + 3 * (0.05 / trials) ** 0.5
    assert above / trials < 0.05 + 3 * (0.05 / trials) ** 0.5
    assert below / trials > 0.02  # nor is it so wide that it says nothing


def test_one_comparison_without_progress_is_fooled_no_more_than_stated_unlike_the_percentile_bootstrap() -> None:
    random = np.random.default_rng(9)
    game, trials, error = Game(8, 0.14), 3_000, 0.1 / 6
    expected = np.array([game.difficulties(random) for _ in range(trials)])
    differences = game.play(expected, random) - game.play(expected, random)
    ours = np.mean([subset_means(row.tolist(), 0).chance() <= error for row in differences])
    theirs = np.mean(percentile_bootstrap(differences, random, 2_000) <= error)
    assert ours <= error + 3 * (error / trials) ** 0.5
    assert theirs > 1.5 * error


def test_the_papers_rule_climbs_without_progress_and_the_default_rule_does_not() -> None:
    climbed = {
        rule: [search(rule, Game(10, 0.14), np.random.default_rng([4, one])) for one in range(150)] for rule in Rule
    }
    points = {rule: np.mean([one.points for one in ended]) for rule, ended in climbed.items()}
    fooled = {rule: np.mean([one.versions > 0 for one in ended]) for rule, ended in climbed.items()}
    assert 5 < points[Rule.MEAN] < 10
    assert fooled[Rule.MEAN] > 0.75
    assert fooled[Rule.PAIRED] <= 0.1
    assert points[Rule.PAIRED] < 1
    assert fooled[Rule.PAIRED] < fooled[Rule.CONFIRM] < fooled[Rule.MEAN]


def test_a_true_gain_opens_the_default_gate() -> None:
    kept = 0
    for trial in range(40):
        random, game = np.random.default_rng([10, trial]), Game(16, 0.14)
        expected = game.difficulties(random)
        before, after = game.scores(expected, random), game.scores(expected + 0.25, random)
        kept += judge(Rule.PAIRED, before, after, attempt=1, attempts_total=30).accepted
    assert kept > 30


@pytest.mark.parametrize(("pairs", "attempts"), [(9, 30), (10, 30), (40, 30), (5, 3), (4, 1)])
def test_a_gate_that_can_open_is_not_warned_of(pairs: int, attempts: int) -> None:
    assert reachable(pairs, 0.9, attempts) is None
    before, after = ({("default", seed): score for seed in range(pairs)} for score in (0.1, 0.2))
    assert judge("paired", before, after, attempt=1, attempts_total=attempts).accepted


@pytest.mark.parametrize(
    ("pairs", "attempts", "advice"),
    [
        (5, 30, "give 9 pairs or a search of at most 3 attempts."),
        (8, 30, "give 9 pairs or a search of at most 25 attempts or a confidence of 88.2 %."),
        (3, 1, "give 4 pairs or a confidence of 87.5 %."),
        (40, 20_000, "give a search of at most 13107 attempts or a confidence of 84.7 %."),
    ],
)
def test_a_gate_that_can_never_open_says_so_and_what_would_help(pairs: int, attempts: int, advice: str) -> None:
    sentence = reachable(pairs, 0.9, attempts)
    assert sentence is not None
    assert sentence.endswith(advice)
    before, after = ({("default", seed): score for seed in range(pairs)} for score in (0.0, 1.0))
    ended = judge("paired", before, after, attempt=1, attempts_total=attempts)
    assert (ended.accepted, ended.sentence) == (False, sentence)


def test_every_advice_helps() -> None:
    assert reachable(9, 0.9, 30) is None
    assert reachable(8, 0.9, 25) is None
    assert reachable(8, 0.882, 30) is None
    assert reachable(3, 0.875, 1) is None
    assert reachable(40, 0.847, 20_000) is None


def test_luck_grows_with_the_attempts_and_with_the_noise() -> None:
    calm = {("default", seed): 0.30 + 0.01 * (seed % 2) for seed in range(10)}
    wild = {("default", seed): 0.10 + 0.40 * (seed % 2) for seed in range(10)}
    by_attempts = [expected_luck(wild, attempts) for attempts in (1, 6, 30)]
    assert by_attempts == sorted(by_attempts)
    assert expected_luck(calm, 6) < by_attempts[1] / 10
    # The expected maximum of 7 normals is 1.352 standard deviations; of a mean of 10, 0.2 / sqrt(10).
    assert by_attempts[1] == pytest.approx(1.352 * 0.2 / 10**0.5, rel=0.06)
    assert expected_luck(dict.fromkeys(wild, 0.5), 30) == 0.0


def test_luck_takes_no_difference_between_tasks_for_noise() -> None:
    tasks = {(task, seed): score for task, score in (("easy", 1.0), ("hard", 0.0)) for seed in range(5)}
    assert expected_luck(tasks, 30) == 0.0


def test_repeats_of_the_incumbent_tell_noise_from_difficulty() -> None:
    seeds = {("default", seed): 0.1 * seed for seed in range(10)}
    assert expected_luck(seeds, 6) > 0.1
    assert expected_luck(seeds, 6, repeats=[seeds]) == 0.0
    shaken = {pair: score + 0.02 for pair, score in seeds.items()}
    assert 0 < expected_luck(seeds, 6, repeats=[shaken]) < 0.02


def test_the_same_input_gives_the_same_verdict_in_another_process() -> None:
    before, after = ({("t", seed): ((seed * k) % 23) / 22 for seed in range(40)} for k in (7, 9))
    here = judge("paired", before, after, attempt=3, attempts_total=30, seed=5).to_plain()
    program = (
        "from graphs.reviewer.gate import judge; import json\n"
        "b, a = ({('t', s): ((s * k) % 23) / 22 for s in range(40)} for k in (7, 9))\n"
        "print(json.dumps(judge('paired', b, a, attempt=3, attempts_total=30, seed=5).to_plain()))"
    )
    root = Path(__file__).parents[3]
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=root)
    assert ended.stdout == json.dumps(here) + "\n"

"""The gate: what each rule keeps, where ties fall, and that every verdict can be judged in its turn."""

from __future__ import annotations

import json
from typing import Any

import pytest

from graphs.evaluation.statistics import Pair
from graphs.reviewer.gate import Rule, Verdict, judge
from graphs.reviewer.verdict_text import SHOWN, render
from graphs.settings import SettingsError


def scores(*values: float, task: str = "default") -> dict[Pair, float]:
    return {(task, 42 + number): value for number, value in enumerate(values)}


def verdict(before: dict[Pair, float], after: dict[Pair, float], rule: str = "paired", **more: Any) -> Verdict:
    return judge(rule, before, after, **{"attempt": 1, "attempts_total": 1, **more})


FLAT = scores(*[0.25] * 10)
HIGHER = scores(*[0.35] * 10)


@pytest.mark.parametrize("rule", list(Rule))
def test_a_tie_is_not_kept_by_any_rule(rule: Rule) -> None:
    swapped = scores(0.5, 0.25)
    assert not verdict(FLAT, FLAT, rule).accepted
    assert not verdict(scores(0.25, 0.5), swapped, rule).accepted


@pytest.mark.parametrize("rule", list(Rule))
def test_a_lower_mean_is_not_kept_by_any_rule_and_asks_for_nothing_more(rule: Rule) -> None:
    ended = verdict(HIGHER, FLAT, rule)
    assert not ended.accepted
    assert not ended.needs_fresh


def test_the_papers_rule_keeps_any_strictly_higher_mean() -> None:
    ended = verdict(scores(0.2, 0.2, 0.2), scores(0.0, 0.0, 0.7), "mean")
    assert ended.accepted
    assert ended.sentence.startswith("The mean rises from 20.00 % to 23.33 %")


def test_the_paired_rule_wants_more_than_one_lucky_seed() -> None:
    one = verdict(FLAT, scores(1.0, *[0.25] * 9))
    assert one.mean_difference == pytest.approx(0.075)
    assert (one.accepted, one.chance) == (False, 0.5)
    every = verdict(FLAT, HIGHER)
    assert (every.accepted, every.chance) == (True, 2**-10)


def test_the_paired_rule_asks_for_more_in_a_longer_search() -> None:
    seven_of_ten = scores(*[0.35] * 7, *[0.25] * 3)  # chance: 1 in 2 ** 7
    alone, in_a_search = (verdict(FLAT, seven_of_ten, attempts_total=attempts) for attempts in (1, 30))
    assert (alone.accepted, in_a_search.accepted) == (True, False)
    assert alone.confidence == pytest.approx(0.9)
    assert in_a_search.confidence == pytest.approx(1 - 0.1 / 30)
    assert "1 in 128" in in_a_search.sentence
    assert "1 in 300" in in_a_search.sentence


def test_the_interval_lies_above_zero_exactly_where_the_paired_rule_keeps() -> None:
    for better in range(11):
        after = scores(*[0.35] * better, *[0.2] * (10 - better))
        for attempts in (1, 3, 30):
            ended = verdict(FLAT, after, attempts_total=attempts)
            assert ended.accepted == (ended.interval[0] > 0) == (ended.chance <= 0.1 / attempts)


def test_confirm_asks_for_fresh_seeds_after_a_first_rise_and_keeps_after_a_second() -> None:
    first = verdict(FLAT, HIGHER, "confirm")
    assert (first.accepted, first.needs_fresh, first.fresh) == (False, True, None)
    low, high = scores(0.1, 0.3, task="fresh"), scores(0.2, 0.3, task="fresh")
    again = verdict(FLAT, HIGHER, "confirm", fresh=(low, high))
    assert (again.accepted, again.needs_fresh) == (True, False)
    assert again.fresh is not None
    assert again.fresh["mean_difference"] == pytest.approx(0.05)
    for fresh in ((high, low), (low, low)):
        assert not verdict(FLAT, HIGHER, "confirm", fresh=fresh).accepted


def test_what_one_of_the_two_did_not_play_counts_zero() -> None:
    missing = {pair: score for pair, score in HIGHER.items() if pair[1] > 42}
    ended = verdict(HIGHER, missing)
    assert [one.gain for one in ended.differences] == [-0.35, *[0.0] * 9]


def test_means_and_standard_errors_are_the_papers() -> None:
    ended = verdict(scores(0.0, 1.0, 0.0, 1.0), scores(1.0, 1.0, 1.0, 1.0))
    assert (ended.before_mean, ended.after_mean, ended.mean_difference) == (0.5, 1.0, 0.5)
    assert (ended.before_se, ended.after_se) == (0.25, 0.0)  # population deviation / sqrt(n)


@pytest.mark.parametrize("rule", list(Rule))
@pytest.mark.parametrize("fresh", [None, (FLAT, HIGHER)])
def test_a_verdict_comes_back_equal_from_json(rule: Rule, fresh: Any) -> None:
    ended = verdict(FLAT, HIGHER, rule, fresh=fresh)
    assert Verdict.from_plain(json.loads(json.dumps(ended.to_plain()))) == ended


def test_what_is_no_verdict_is_refused_as_such() -> None:
    for plain in ({}, {**verdict(FLAT, HIGHER).to_plain(), "interval": None}):
        with pytest.raises(ValueError, match="not a verdict"):
            Verdict.from_plain(plain)


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        ({"rule": "hope"}, "mean, paired, confirm"),
        ({"confidence": 1.0}, "between 0 and 1"),
        ({"attempt": 2}, "not one of the 1"),
        ({"attempt": 0}, "not one of the 1"),
    ],
)
def test_an_impossible_question_is_our_error(wrong: dict[str, Any], why: str) -> None:
    with pytest.raises(SettingsError, match=why):
        verdict(FLAT, HIGHER, **{"rule": "paired", **wrong})


def test_no_scores_at_all_are_no_verdict() -> None:
    with pytest.raises(ValueError, match="no scores"):
        verdict({}, {})


def test_a_rendered_verdict_shows_differences_interval_and_luck() -> None:
    shown = render(verdict(FLAT, scores(*[0.35] * 9, 0.05), attempts_total=30, attempt=4))
    assert shown.startswith("not kept (paired): The mean rises from 25.00 % to 32.00 %")
    assert "incumbent  25.00 ± 0.00 %" in shown
    assert "default      51    25.00     5.00      -20.00" in shown
    assert "9 better, 1 worse, 0 the same" in shown
    assert "after 4 of 30 attempts" in shown
    assert "each end at a confidence of 99.67 %" in shown


def test_a_rendered_verdict_is_bounded_and_shows_the_fresh_seeds() -> None:
    many = {("a task with a name that goes on and on and on and on", seed): 0.1 for seed in range(500)}
    shown = render(verdict(many, dict.fromkeys(many, 0.2), "confirm", fresh=(FLAT, HIGHER)))
    assert f"… {500 - SHOWN} more …" in shown
    assert "on fresh seeds" in shown
    assert len(shown) < 8_000
    assert max(map(len, shown.split("\n"))) < 200


def test_a_gate_with_too_few_pairs_says_that_its_interval_is_unknown() -> None:
    few = verdict(scores(0.1, 0.1, 0.1), scores(0.9, 0.9, 0.9), attempts_total=30)
    assert few.interval == (-1.0, 1.0)
    assert "can never open" in few.sentence
    assert "too few pairs" in render(few)

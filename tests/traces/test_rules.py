"""Rules over metrics: how one is written, when it holds, and what is said of a text that is none."""

import pytest

from traces import MetricsAccumulator, StepRecord
from traces.rules import METRICS, Rule, RuleError


def metrics(*outcomes: str) -> dict[str, object]:
    measured = MetricsAccumulator()
    for step, outcome in enumerate(outcomes, 1):
        measured.update(StepRecord(step, {"long": "", "short": str(step)}, "Wait", action_outcome=outcome))
    return measured.result()


def test_a_rule_holds_from_its_step_on() -> None:
    rule = Rule.parse(" missing_action_rate > 0.5 @ 3 ")
    assert str(rule) == "missing_action_rate>0.5@3"
    assert not rule.holds(metrics("missing", "missing"))
    assert rule.holds(metrics("missing", "missing", "valid"))
    assert not rule.holds(metrics("missing", "missing", "valid", "valid"))
    assert rule.said(metrics("missing", "missing", "valid")).endswith("missing_action_rate is 0.666667 after 3 steps")


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ("invalid_action_rate>=1@2", True),
        ("invalid_action_rate>1@2", False),
        ("progression<0.1@2", True),
        ("return<=-1@1", False),
        ("redundant_write_rate>=0@1", False),  # nothing was written: it has no value
    ],
)
def test_each_comparison(text: str, holds: bool) -> None:
    assert Rule.parse(text).holds(metrics("missing", "invalid")) is holds


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("missing_action_rate>0.9", "is no rule: write one as missing_action_rate>0.9@10"),
        ("missing_action_rate=0.9@10", "is no rule"),
        ("missing_action_rate>nan@10", "is no rule"),
        ("missing_action_rate>0.9@" + "9" * 5_000, "is no rule"),
        ("boredom>0.9@10", "is about one of progression"),
        ("tokens>5@10", "is about one of progression"),
        ("steps>5@0", "lie between 1 and 1,000,000, not at 0"),
        ("steps>5@1000001", "lie between 1 and 1,000,000, not at 1,000,001"),
    ],
)
def test_a_text_that_is_no_rule_is_refused_in_one_sentence(text: str, sentence: str) -> None:
    with pytest.raises(RuleError, match=sentence) as refused:
        Rule.parse(text)
    assert len(str(refused.value)) < 1_000


def test_every_metric_that_is_one_number_can_be_in_a_rule() -> None:
    assert {"progression", "missing_action_rate", "empty_search_rate", "model_calls_per_step"} < set(METRICS)
    assert not {"tokens", "mistakes_by_code", "metrics_version"} & set(METRICS)

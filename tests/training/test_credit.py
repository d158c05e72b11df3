"""Credit on an episode made by hand, where every figure can be worked out on paper."""

from __future__ import annotations

import pytest

from traces import Conversation, OperationRecord, StepRecord
from training.credit import CreditRule, credits

HALF = CreditRule(discount=0.5, horizon=3)


def written(revision: int) -> OperationRecord:
    return OperationRecord(call=0, operation="append", outcome="written", file="a.md", revision=revision)


def recalled(*revisions: int) -> OperationRecord:
    lines = tuple(range(1, len(revisions) + 1))
    return OperationRecord(
        call=0, operation="search", outcome="hit", file="a.md", lines=lines, provenance=tuple((9, r) for r in revisions)
    )


def step(
    number: int, *, log: tuple[OperationRecord, ...] = (), plan: tuple[OperationRecord, ...] = (), reward: float = 0
):
    conversations = [
        Conversation(routine, "memory", "m", [], operations=list(operations))
        for routine, operations in (("LOG", log), ("PLAN", plan))
    ]
    return StepRecord(number, {"long": "", "short": ""}, "go", conversations=conversations, reward=reward)


def test_a_line_recalled_before_a_reward_pays_its_recall_and_whoever_wrote_it() -> None:
    episode = [
        step(1, log=(written(1),)),
        step(2, plan=(recalled(1),)),
        step(3, reward=1.0),  # one step after the PLAN: worth a half
    ]
    assert credits(episode, HALF) == {(2, 1, 0): 0.5, (1, 0, 0): 0.5}


def test_a_reward_is_shared_by_the_lines_a_plan_recalled() -> None:
    episode = [
        step(1, log=(written(1), written(2))),
        step(2, plan=(recalled(1), recalled(1, 2, 2)), reward=1.0),
    ]
    earned = credits(episode, HALF)
    assert earned == {(2, 1, 0): 0.25, (2, 1, 1): 0.75, (1, 0, 0): 0.5, (1, 0, 1): 0.5}
    recalls = [earned[key] for key in earned if key[0] == 2]
    assert sum(recalls) == 1.0, "a PLAN gives its value away once"


def test_rewards_beyond_the_horizon_and_below_zero_are_no_merit() -> None:
    episode = [
        step(1, log=(written(1),)),
        step(2, plan=(recalled(1),), reward=-5.0),
        step(3),
        step(4),
        step(5, reward=1.0),  # 3 steps on: 0.125, the last that counts
        step(6, reward=100.0),
    ]
    assert credits(episode, HALF) == {(2, 1, 0): 0.125, (1, 0, 0): 0.125}


def test_lines_that_no_operation_of_the_agent_wrote_earn_nothing() -> None:
    seeded = [step(1, plan=(recalled(7),), reward=1.0)]
    assert credits(seeded, HALF) == {}


def test_a_line_recalled_in_log_earns_nothing_by_that() -> None:
    episode = [step(1, log=(written(1),)), step(2, log=(recalled(1),), reward=1.0)]
    assert credits(episode, HALF) == {}


def test_a_recall_after_the_reward_earns_nothing() -> None:
    episode = [step(1, log=(written(1),), reward=1.0), step(2, plan=(recalled(1),))]
    assert credits(episode, HALF) == {}


def test_each_plan_that_recalls_a_line_pays_it_again() -> None:
    episode = [
        step(1, log=(written(1),)),
        step(2, plan=(recalled(1),)),
        step(3, plan=(recalled(1),), reward=1.0),
    ]
    assert credits(episode, HALF)[(1, 0, 0)] == 1.5


@pytest.mark.parametrize(("discount", "horizon"), [(0.0, 5), (1.1, 5), (0.9, -1)])
def test_a_rule_that_makes_no_sense_is_refused(discount: float, horizon: int) -> None:
    with pytest.raises(ValueError, match="discount"):
        CreditRule(discount, horizon)

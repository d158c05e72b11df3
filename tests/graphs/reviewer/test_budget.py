"""Budgets of a search: read from disk, for reviewer and player together, per attempt and in all."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from graphs.reviewer.budget import Budget, BudgetReached, Spent, add_up, nothing, spent_before
from graphs.reviewer.lineage import LineageRecord, append, read
from graphs.spending import CeilingReached, played
from traces import EpisodeResult, Failure, RunFolder, write_result


def spent(reviewer: float = 0.0, player: float = 0.0, name: str = "tokens") -> Spent:
    return add_up({"reviewer": {name: reviewer}, "player": {name: player}})


def result(run: RunFolder, seed: int, status: Any = "finished", **more: Any) -> None:
    folder = run.episode("vault", "one-door", seed)
    folder.create()
    values: dict[str, Any] = {"tokens": {"prompt": 900, "completion": 100, "cached": 500}, "model_calls": 10}
    failure = Failure("provider", "timeout", "No answer.", 1) if status == "failed" else None
    facts = {"world": "vault", "task": "one-door", "seed": seed, "status": status, "failure": failure}
    write_result(
        folder, EpisodeResult(**{**facts, **values, "steps": 1, "progression": 0.0, "episode_return": 0.0, **more})
    )


def test_reviewer_and_player_share_a_budget() -> None:
    budget = Budget({}, {"tokens": 100})
    budget.check(nothing(), spent(60, 39))
    with pytest.raises(BudgetReached, match="search's ceiling of 100 tokens") as reached:
        budget.check(nothing(), spent(60, 40))
    assert reached.value.whole
    assert isinstance(reached.value, CeilingReached)


def test_an_attempts_budget_ends_the_attempt_only() -> None:
    budget = Budget({"minutes": 5}, {"minutes": 50})
    with pytest.raises(BudgetReached, match="attempt's ceiling of 5 minutes") as reached:
        budget.check(spent(5, name="minutes"), spent(20, name="minutes"))
    assert not reached.value.whole
    budget.check(spent(4.9, name="minutes"), spent(49, name="minutes"))


def test_what_is_left_is_the_smaller_of_the_two_and_becomes_the_next_ceilings() -> None:
    budget = Budget({"tokens": 100, "calls": 5}, {"tokens": 1_000, "cost": 2.0})
    left = budget.left(spent(30), add_up(spent(920), spent(1.5, name="cost")))
    assert left == {"tokens": 70, "calls": 5, "cost": 0.5}
    assert budget.left(spent(30), spent(960))["tokens"] == 40
    assert Budget({}, {}).left(spent(30), spent(960)) == {}


def test_an_evaluation_that_goes_on_is_not_charged_twice_for_its_finished_episodes() -> None:
    budget = Budget({}, {"tokens": 1_000, "minutes": 10})
    before = add_up(spent(0, 400), spent(0, 4, name="minutes"))
    assert budget.left(nothing(), before, resumed={"tokens": 400, "minutes": 4}) == {"tokens": 1_000, "minutes": 6}


def test_what_evaluations_spent_counts_failures_and_earlier_attempts(tmp_path: Path) -> None:
    run = RunFolder(tmp_path / "evaluation")
    assert set(played(run).values()) == {0.0}
    result(run, 1, "failed", wall_s=600.0)
    run.episode("vault", "one-door", 1).set_attempt_aside()
    result(run, 1, cost=0.25, wall_s=120.0)
    result(run, 2, "limited", cost=0.5, wall_s=60.0)
    assert played(run) == {"calls": 30.0, "tokens": 3_000.0, "cost": 0.75, "minutes": 10.0}


def test_the_lineage_remembers_what_was_spent_by_whom(tmp_path: Path) -> None:
    for number, amounts in enumerate((spent(10, 100), spent(5, 50), {})):
        append(tmp_path, LineageRecord(name=f"v1.a{number}", kind="attempt", status="rejected", spent=amounts))
    before = spent_before(read(tmp_path))
    assert (before["reviewer"]["tokens"], before["player"]["tokens"]) == (15, 150)
    with pytest.raises(BudgetReached):
        Budget({}, {"tokens": 165}).check(nothing(), before)

"""Budgets of a search: read from disk, for reviewer and player together, per attempt and in all."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from candidates import search

from graphs.reviewer.evaluating import Spent, add_up, budgets, over_budget, spent_before, spent_in_all
from graphs.reviewer.lineage import LineageRecord, append, read
from graphs.spending import Budgets, CeilingReached, check_all, left_of, played, raise_reached, spent_playing
from traces import EpisodeResult, Failure, RunFolder, write_result, write_run

Json = dict[str, float]


def spent(reviewer: float = 0.0, player: float = 0.0, name: str = "tokens") -> Spent:
    return add_up({"reviewer": {name: reviewer}, "player": {name: player}})


def of(folder: Path, attempt: Json, total: Json, *, before: Spent, under_way: Spent) -> Budgets:
    """The budgets of a search with these ceilings: `before` is in its lineage, `under_way` spent by an attempt."""
    append(folder, LineageRecord(name="v1.a1", kind="attempt", status="rejected", spent=before))
    return budgets(search(folder, attempt_ceilings=attempt, ceilings=total), under_way)


def result(run: RunFolder, seed: int, status: Any = "finished", **more: Any) -> None:
    folder = run.episode("vault", "one-door", seed)
    folder.create()
    values: dict[str, Any] = {"tokens": {"prompt": 900, "completion": 100, "cached": 500}, "model_calls": 10}
    failure = Failure("provider", "timeout", "No answer.", 1) if status == "failed" else None
    facts = {"world": "vault", "task": "one-door", "seed": seed, "status": status, "failure": failure}
    write_result(
        folder, EpisodeResult(**{**facts, **values, "steps": 1, "progression": 0.0, "episode_return": 0.0, **more})
    )


def test_reviewer_and_player_share_a_budget(tmp_path: Path) -> None:
    check_all(of(tmp_path / "a", {}, {"tokens": 100}, before=spent(50, 9), under_way=spent(10, 30)))
    with pytest.raises(CeilingReached, match="search's ceiling of 100 tokens") as reached:
        check_all(of(tmp_path / "b", {}, {"tokens": 100}, before=spent(50, 10), under_way=spent(10, 30)))
    assert over_budget(reached.value).goto == "finish"


def test_an_attempts_budget_ends_the_attempt_only(tmp_path: Path) -> None:
    before, limits = spent(15, name="minutes"), ({"minutes": 5}, {"minutes": 50})
    with pytest.raises(CeilingReached, match="attempt's ceiling of 5 minutes") as reached:
        check_all(of(tmp_path / "a", *limits, before=before, under_way=spent(5, name="minutes")))
    assert over_budget(reached.value).goto == "settle"
    check_all(of(tmp_path / "b", *limits, before=before, under_way=spent(4.9, name="minutes")))


def test_what_is_left_is_the_smaller_of_the_two_and_becomes_the_next_ceilings(tmp_path: Path) -> None:
    limits = {"tokens": 100, "calls": 5}, {"tokens": 1_000, "cost": 2.0}
    before = add_up(spent(890), spent(1.5, name="cost"))
    assert left_of(of(tmp_path / "a", *limits, before=before, under_way=spent(30))) == {
        "tokens": 70,
        "calls": 5,
        "cost": 0.5,
    }
    assert left_of(of(tmp_path / "b", *limits, before=spent(930), under_way=spent(30)))["tokens"] == 40
    assert left_of(of(tmp_path / "c", {}, {}, before=spent(930), under_way=spent(30))) == {}


def test_an_evaluation_that_goes_on_is_not_charged_twice_for_its_finished_episodes(tmp_path: Path) -> None:
    run = RunFolder(tmp_path / "evaluation")
    result(run, 1, wall_s=240.0)
    write_run(run, {})
    under_way = add_up({"player": spent_playing([run])})
    limits = {}, {"tokens": 1_500, "minutes": 10}
    left = left_of(of(tmp_path / "search", *limits, before={}, under_way=under_way), run)
    assert left == {"tokens": 1_500, "minutes": 6}


def test_what_notebook_arms_spent_counts(tmp_path: Path) -> None:
    arm = RunFolder(tmp_path / "controls" / "off")
    result(arm, 1)
    write_run(arm, {})
    whole, attempt = of(tmp_path, {}, {"tokens": 2_000}, before=spent(50), under_way=spent(0, 30))
    assert (whole.spent["tokens"], attempt.spent["tokens"]) == (1_080, 30)
    assert spent_in_all(search(tmp_path))["player"]["tokens"] == 1_000


def test_work_that_its_ceilings_stopped_ends_by_the_budget_of_which_least_is_left(tmp_path: Path) -> None:
    under_way = spent(0, 90)
    nearly = of(tmp_path, {"tokens": 100}, {"tokens": 1_000, "cost": 4.0}, before=spent(100), under_way=under_way)
    check_all(nearly)
    with pytest.raises(CeilingReached, match="attempt's ceiling of 100 tokens"):
        raise_reached(nearly)


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

"""What a report tells of a run: failures apart, what is missing, one version of definitions; the paper's figures."""

from __future__ import annotations

from pathlib import Path

import pytest
from report_runs import lay_out_run

from traces import RunFolder, TraceDamaged
from traces.published import published
from traces.report_data import Played, read_played, seed_words


def played(path: Path) -> Played:
    (one,) = read_played(RunFolder(path))
    return one


def test_a_failure_never_raises_a_score_and_a_limited_episode_counts_as_far_as_it_got(tmp_path: Path) -> None:
    reached = {("a", 1): 0.5, ("a", 2): 0.9, ("a", 3): 0.3}
    lay_out_run(tmp_path, reached, fates={("a", 2): "failed", ("a", 3): "limited"})
    score = played(tmp_path).score
    assert score.mean == pytest.approx(40)
    assert score.mean_with_zeros == pytest.approx(80 / 3)
    assert (score.finished, score.failed, score.limited) == (2, 1, 1)
    assert played(tmp_path).progressions == {("a", 1): 0.5, ("a", 2): 0.0, ("a", 3): 0.3}


def test_what_was_planned_and_has_not_ended_is_missing(tmp_path: Path) -> None:
    lay_out_run(tmp_path, {("a", 1): 0.5, ("a", 2): None}, seeds=[1, 2, 3])
    one = played(tmp_path)
    assert one.missing == 2
    assert one.score.finished == 1


def test_a_run_of_which_nothing_ended_has_no_score(tmp_path: Path) -> None:
    lay_out_run(tmp_path, {("a", 1): None})
    score = played(tmp_path).score
    assert (score.mean, score.mean_with_zeros, score.finished, score.failed) == (None, None, 0, 0)


def test_behaviour_is_averaged_within_one_version_of_its_definitions_and_without_failed_episodes(
    tmp_path: Path,
) -> None:
    lay_out_run(tmp_path, {("a", 1): 0.5, ("a", 2): 0.5}, fates={("a", 2): "failed"}, metrics={"metrics_version": 7})
    lay_out_run(tmp_path, {("a", 3): 0.5}, seeds=[1, 2, 3], metrics={"empty_search_rate": 0.0})
    one = played(tmp_path)
    newer = one.metrics_versions[0]
    assert one.metrics_versions == [newer, 7]
    assert one.behaviour(7)["empty_search_rate"] == {"mean": 0.5, "se": 0.0, "n": 1}
    assert one.behaviour(newer)["empty_search_rate"] == {"mean": 0.0, "se": 0.0, "n": 1}
    assert one.behaviour(newer)["prompt_tokens_per_step"]["mean"] is None


def test_cost_is_that_of_all_episodes_and_unknown_where_one_has_no_price(tmp_path: Path) -> None:
    lay_out_run(tmp_path / "priced", {("a", 1): 0.5, ("a", 2): 0.5}, cost=0.25, fates={("a", 1): "failed"})
    lay_out_run(tmp_path / "free", {("a", 1): 0.5})
    cost = played(tmp_path / "priced").cost
    assert (cost.dollars, cost.prompt, cost.model_calls, cost.wall_s) == (0.5, 2_000, 800, 120.0)
    assert played(tmp_path / "free").cost.dollars is None


def test_a_folder_without_a_run_has_nothing_and_a_plan_that_makes_no_sense_is_named(tmp_path: Path) -> None:
    assert read_played(RunFolder(tmp_path)) == []
    lay_out_run(tmp_path, {("a", 1): 0.5})
    text = (tmp_path / "run.json").read_text()
    (tmp_path / "run.json").write_text(text.replace('"tasks": [', '"tasks": 3, "other": ['))
    with pytest.raises(TraceDamaged, match=r"run\.json"):
        read_played(RunFolder(tmp_path))


@pytest.mark.parametrize(
    ("seeds", "words"),
    [([], ""), ([4], "4"), ([2, 1], "1, 2"), ([42, 44, 43], "42–44"), ([0, 1, 2, 7, 9, 10], "0–2, 7, 9, 10")],
)
def test_seeds_are_told_in_short(seeds: list[int], words: str) -> None:
    assert seed_words(seeds) == words


def test_the_published_figures_are_those_of_the_paper() -> None:
    rows = {row.agent: row.figures for row in published().rows}
    assert len(rows) == 12
    assert rows["AutoMem v0"] == {"crafter": (25.0, 5.5), "minihack": (7.5, 4.16), "nethack": (0.42, 0.37)}
    assert rows["AutoMem + loop 2"] == {"crafter": (51.36, 3.81), "minihack": (30.0, 7.25), "nethack": (1.85, 0.44)}
    assert all(row.figures.keys() == {"crafter", "minihack", "nethack"} for row in published().rows)


def test_published_effects_are_told_of_published_worlds_only() -> None:
    assert published().effect("log_writes_per_search", "minihack") == "2.89 → 0.82 by training the specialist (loop 2)"
    assert "−13 to −50 %" in (published().effect("empty_search_rate", "crafter") or "")
    assert published().effect("empty_search_rate", "vault") is None
    assert published().effect("return", "crafter") is None

"""summary.json: the arithmetic of the paper's protocol, and a failure that can never raise a score."""

import math
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from traces import (
    METRICS_VERSION,
    EpisodeResult,
    Failure,
    RunFolder,
    aggregate,
    read_results,
    write_result,
    write_summary,
)


def finished(seed, progression, task="short", world="corridor", **changes):
    values = {
        "world": world,
        "task": task,
        "seed": seed,
        "steps": 10 * seed,
        "progression": progression,
        "episode_return": 2 * progression,
        "end_reason": "solved",
        "tokens": {"prompt": 100, "completion": 10, "cached": 0},
        "model_calls": 40,
        "wall_s": 1.5,
        "scaffold": "corridor/v0",
        "scaffold_digest": "abc",
        "model": "scripted",
    }
    return EpisodeResult(status="finished", **(values | changes))


def failed(seed, task="short", **changes):
    cause = Failure("provider", "http://host:8000/v1", "The server does not answer.", 4)
    values = {"world": "corridor", "task": task, "seed": seed, "steps": 3, "progression": 0.9, "episode_return": 0.0}
    return EpisodeResult(status="failed", failure=cause, **(values | changes))


def test_mean_and_standard_error_are_in_percent_over_episodes():
    summary = aggregate([finished(2, 0.5), finished(1, 0.25), finished(3, 0.75, task="long")])
    assert summary["tasks"]["short"] == {
        "mean": 37.5,
        "se": 12.5 / math.sqrt(2),
        "n": 2,
        "n_failed": 0,
        "n_damaged": 0,
        "mean_failures_zero": 37.5,
        "se_failures_zero": 12.5 / math.sqrt(2),
    }
    assert summary["tasks"]["long"]["mean"] == 75.0
    assert summary["tasks"]["long"]["se"] == 0.0
    assert summary["overall"]["mean"] == 50.0
    assert summary["overall"]["se"] == pytest.approx(20.412414523 / math.sqrt(3))  # population deviation of 25, 50, 75
    assert summary["overall"]["n"] == 3


def test_episodes_are_listed_in_order_whatever_order_they_ended_in():
    summary = aggregate([finished(10, 0.5), finished(2, 0.5), finished(1, 0.5, task="a")])
    assert [(one["task"], one["seed"]) for one in summary["episodes"]] == [("a", 1), ("short", 2), ("short", 10)]
    assert summary["episodes"][1] == {
        "world": "corridor",
        "task": "short",
        "seed": 2,
        "progression": 0.5,
        "return": 1.0,
        "steps": 20,
        "end_reason": "solved",
        "tokens": {"prompt": 100, "completion": 10, "cached": 0},
        "model_calls": 40,
        "cost": None,
        "status": "finished",
        "wall_s": 1.5,
        "attempt": 1,
    }


def test_a_failed_episode_is_listed_apart_and_counted_as_zero_in_the_second_mean():
    summary = aggregate([finished(1, 0.5), failed(2)])
    assert [one["seed"] for one in summary["episodes"]] == [1]
    assert summary["failed_episodes"] == [
        {
            "world": "corridor",
            "task": "short",
            "seed": 2,
            "status": "failed",
            "steps": 3,
            "cause": {
                "kind": "provider",
                "where": "http://host:8000/v1",
                "sentence": "The server does not answer.",
                "step": 4,
            },
            "attempt": 1,
        }
    ]
    assert summary["n_failed"] == 1
    assert summary["overall"] == {
        "mean": 50.0,
        "se": 0.0,
        "n": 1,
        "n_failed": 1,
        "n_damaged": 0,
        "mean_failures_zero": 25.0,
        "se_failures_zero": 25.0 / math.sqrt(2),
    }


def test_a_run_of_failures_has_no_mean():
    summary = aggregate([failed(1)])
    assert summary["tasks"]["short"] == {
        "mean": None,
        "se": None,
        "n": 0,
        "n_failed": 1,
        "n_damaged": 0,
        "mean_failures_zero": 0.0,
        "se_failures_zero": 0.0,
    }
    assert aggregate([])["overall"]["mean_failures_zero"] is None


@settings(deadline=None, derandomize=True)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=10), st.data())
def test_a_crash_can_never_raise_the_score_with_failures_as_zero(progressions, data):
    crashed = data.draw(st.integers(0, len(progressions) - 1))
    whole = [finished(seed, one) for seed, one in enumerate(progressions)]
    broken = [*whole[:crashed], failed(crashed, progression=progressions[crashed]), *whole[crashed + 1 :]]
    after = aggregate(broken)["overall"]["mean_failures_zero"]
    assert after <= aggregate(whole)["overall"]["mean_failures_zero"] + 1e-9


def test_what_the_episodes_share_is_named_once():
    summary = aggregate([finished(1, 0.5), finished(2, 0.5), failed(3)])
    assert (summary["world"], summary["scaffold"], summary["model"]) == ("corridor", "corridor/v0", "scripted")
    assert summary["gameplay_model"] is None


def test_tasks_of_several_worlds_are_kept_apart():
    summary = aggregate([finished(1, 0.5, task="default"), finished(1, 0.0, task="default", world="vault")])
    assert summary["world"] == "corridor, vault"
    assert {name: task["mean"] for name, task in summary["tasks"].items()} == {
        "corridor/default": 50.0,
        "vault/default": 0.0,
    }


def test_metrics_are_averaged_over_the_finished_episodes_that_have_them():
    def metrics(rate, codes, version=METRICS_VERSION):
        return {"metrics_version": version, "progression": 0.5, "rate": rate, "mistakes_by_code": codes}

    summary = aggregate(
        [
            finished(1, 0.5, metrics=metrics(0.25, {"unreadable": 1.0})),
            finished(2, 0.5, metrics=metrics(0.75, {"unclosed": 0.5})),
            finished(3, 0.5, metrics=metrics(None, {})),
            finished(4, 0.5, metrics=metrics(9.0, {}, version=0)),
            failed(5, metrics=metrics(9.0, {})),
        ]
    )
    assert summary["metrics_version"] == METRICS_VERSION
    assert summary["metrics"]["rate"] == {"mean": 0.5, "se": 0.25 / math.sqrt(2), "n": 2}
    assert summary["metrics"]["mistakes_by_code"]["unreadable"]["mean"] == pytest.approx(1 / 3)
    assert summary["metrics"]["mistakes_by_code"]["unclosed"] == {
        "mean": pytest.approx(1 / 6),
        "se": pytest.approx(math.sqrt(1 / 18) / math.sqrt(3)),
        "n": 3,
    }
    assert set(summary["metrics"]) == {"rate", "mistakes_by_code"}


def test_a_run_is_summed_up_from_its_folders(tmp_path):
    run = RunFolder(tmp_path)
    for one in (finished(1, 0.5), failed(2), finished(10, 1.0)):
        write_result(run.episode(one.world, one.task, one.seed), one)
    run.episode("corridor", "short", 3).create()  # begun, not ended
    results = read_results(run)
    assert results == [finished(1, 0.5), failed(2), finished(10, 1.0)]
    summary = write_summary(run, results)
    assert summary["overall"]["n"] == 2
    assert run.summary.read_text().startswith('{\n  "format": 1,\n  "world": "corridor",')


def test_a_damaged_episode_is_listed_apart_and_never_raises_a_mean():
    damaged = replace(finished(2, 0.0), status="damaged", failure=Failure("damaged", "files", "It was cut.", 3))
    summary = aggregate([finished(1, 0.5), damaged])
    assert [one["seed"] for one in summary["episodes"]] == [1]
    assert [(one["seed"], one["cause"]["sentence"]) for one in summary["damaged_episodes"]] == [(2, "It was cut.")]
    assert (summary["n_damaged"], summary["n_failed"]) == (1, 0)
    overall = summary["overall"]
    assert (overall["mean"], overall["mean_failures_zero"], overall["n"], overall["n_damaged"]) == (50.0, 25.0, 1, 1)

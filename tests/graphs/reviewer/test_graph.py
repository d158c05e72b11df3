"""The graph of loop 1, with a reviewer that follows a script: accepted, turned down, continued, sent back, broken."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from puppet_reviewer import breaks, helps, in_vain, rewords
from searching import searching

from graphs.inner_agent.routine import call_seed
from graphs.reviewer.gate import Verdict
from graphs.reviewer.search import Search
from graphs.reviewer.workspace import workspace_of
from scaffolds import Scaffold


def test_a_revision_that_helps_becomes_the_next_version(tmp_path: Path) -> None:
    with searching(tmp_path, helps(), holdout_seeds=[11, 12]) as search:
        told = search.go()
    start, attempt, *measured, end = search.lineage()
    assert (start.mean, attempt.mean, attempt.status, attempt.version) == (0.0, 1.0, "accepted", 1)
    assert attempt.changes["vocabulary"] == ["plan: +search"]
    assert [(one.name, one.mean) for one in measured] == [("holdout v0", 0.0), ("holdout v1", 1.0)]
    assert end.reason == "Version 1 is reached, as many as were asked for."
    assert told.output["version"] == 1
    adopted, played = Scaffold.load(told.output["scaffold"]), search.run / "attempts" / "v1.a1" / "candidate"
    assert adopted.digest == Scaffold.load(played).digest
    verdict = Verdict.from_plain(json.loads((search.run / "attempts" / "v1.a1" / "verdict.json").read_text()))
    assert [(one.seed, one.before, one.after) for one in verdict.differences] == [(1, 0, 1), (2, 0, 1)]
    assert sorted(event["tool"] for event in told.of("tool")) == [
        "edit_file",
        "list_episodes",
        "write_file",
        "write_file",
    ]
    before, after = told.of("holdout")[0]["rows"]
    assert (after["mean"], before["reason"]) == (1.0, "")
    assert after["reason"].startswith("Less v0, seed by seed: mean difference +100.00 points; interval unknown at a")
    assert measured[1].verdict is not None
    assert measured[1].verdict["mean_difference"] == 1.0


def test_what_is_turned_down_is_continued_once_then_tried_afresh_until_the_attempts_are_used_up(tmp_path: Path) -> None:
    revisions = [in_vain(1), in_vain(2), in_vain(3), in_vain(4)]
    with searching(tmp_path, *revisions, attempts=2, continuations=1) as search:
        told = search.go()
    rejected = [(name, "rejected") for name in ("v1.a1", "v1.a1.c1", "v1.a2", "v1.a2.c1")]
    assert search.statuses() == rejected
    assert told.output["version"] == 0
    assert told.output["ended"] == "Version 1 is not reached: 2 attempts and 2 continuations did not lead to it."
    files = Scaffold.load(search.run / "attempts" / "v1.a2.c1" / "candidate").settings.files
    assert {"more-3.md", "more-4.md"} <= files.keys()  # it continues v1.a2, which began from the start again
    assert "more-1.md" not in files
    _, continuing, afresh, _ = search.puppet.asked
    assert "- previous" in continuing
    assert "v1.a1 was rejected. The mean stays at 0.00 %" in continuing
    assert "- previous" not in afresh
    assert "- v1.a1.c1" in afresh


def test_the_next_version_is_made_from_the_last_and_has_to_beat_it(tmp_path: Path) -> None:
    with searching(tmp_path, helps(1), in_vain(2), versions=2) as search:
        search.go()
    assert search.statuses() == [("v1.a1", "accepted"), ("v2.a1", "rejected")]
    last = search.lineage()[-2]
    assert last.parent == "v1"
    assert last.verdict is not None
    assert last.verdict["before_mean"] == last.verdict["after_mean"] == 1.0


def test_faults_go_back_to_the_reviewer_which_mends_them(tmp_path: Path) -> None:
    with searching(tmp_path, rewords(1), helps(2)) as search:
        told = search.go()
    assert search.statuses() == [("v1.a1", "accepted")]
    assert "Nothing structural has changed" in search.puppet.asked[1]
    assert [bool(event["faults"]) for event in told.of("checked")] == [True, False]


def test_an_attempt_whose_faults_stay_ends_before_anything_is_played(tmp_path: Path) -> None:
    with searching(tmp_path, *map(rewords, range(4)), helps(), attempts=2) as search:
        search.go()
    assert search.statuses() == [("v1.a1", "check failed"), ("v1.a2", "accepted")]
    failed = search.lineage()[1]
    assert "After 3 repairs there is still: Nothing structural" in failed.reason
    assert failed.evaluation is None
    assert not (search.run / "attempts" / "v1.a1" / "evaluation").exists()


def test_a_candidate_that_breaks_in_every_episode_loses_its_attempt_and_the_search_goes_on(tmp_path: Path) -> None:
    with searching(tmp_path, breaks(["blue", "red"]), helps(2), attempts=2) as search:
        search.go()
    assert search.statuses() == [("v1.a1", "crashed"), ("v1.a2", "accepted")]
    assert "broken on purpose" in search.lineage()[1].reason


def test_an_episode_in_which_the_candidate_breaks_counts_nothing(tmp_path: Path) -> None:
    with searching(tmp_path, [*breaks(["blue"]), helps()[1]]) as search:
        search.go()
    attempt = search.lineage()[1]
    assert attempt.verdict is not None
    assert [one["after"] for one in attempt.verdict["differences"]] == [0.0, 1.0]


def test_a_candidate_that_hangs_loses_its_attempt(tmp_path: Path) -> None:
    with searching(tmp_path, breaks(["blue"], how="\n".join(["while True:", " " * 16 + "pass"])), seeds=[1]) as search:
        search.go()
    assert search.statuses() == [("v1.a1", "crashed")]


def test_a_rise_is_confirmed_on_fresh_seeds_that_no_reviewer_is_shown(tmp_path: Path) -> None:
    with searching(tmp_path, helps(1), in_vain(2), gate="confirm", versions=2, holdout_seeds=[11]) as search:
        search.go()
    assert search.statuses() == [("v1.a1", "accepted"), ("v2.a1", "rejected")]
    verdict = search.lineage()[1].verdict
    assert verdict is not None
    fresh = {one["seed"] for one in verdict["fresh"]["differences"]}
    assert len(fresh) == 2
    assert not fresh & {1, 2, 11, *range(42, 52)}
    assert "fresh" not in search.puppet.asked[1]


def test_the_control_arm_plays_the_incumbent_in_every_candidates_place(tmp_path: Path) -> None:
    with searching(tmp_path, in_vain(1), helps(2), attempts=2, reevaluate_incumbent=True) as search:
        search.go()
    controls = [one for one in search.lineage() if one.kind == "control"]
    assert [(one.name, one.parent, one.status, one.episodes) for one in controls] == [
        ("v1.a1", "v0", "measured", 2),
        ("v1.a2", "v0", "measured", 2),
    ]
    assert [one.verdict["accepted"] for one in controls if one.verdict] == [False, False]
    settings = [
        json.loads((search.run / "controls" / name / "evaluation" / "run.json").read_text())["configuration"][
            "settings"
        ]
        for name in ("v1.a1", "v1.a2")
    ]
    assert [one["sampling"] for one in settings] == [1, 2]


def test_a_reviewer_is_shown_versions_and_their_evaluations_and_nothing_of_the_judges(tmp_path: Path) -> None:
    given: dict[str, Any] = {"gate": "confirm", "reevaluate_incumbent": True, "holdout_seeds": [11], "versions": 2}
    with searching(tmp_path, helps(1), in_vain(2), approve=True, **given) as search:
        told = search.go("yes", "yes")
    assert told.question is not None
    assert told.question["name"] == "v2.a1"
    folders = workspace_of(Search.read(search.run), "v2.a1").folders()
    assert {name: str(path.relative_to(search.run)) for name, path in folders.items()} == {
        "candidate": "attempts/v2.a1/candidate",
        "notes": "attempts/v2.a1/notes",
        "parent": "versions/v1",
        "history/v1.a1": "attempts/v1.a1",
        "runs/incumbent": "attempts/v1.a1/evaluation",
        "runs/v0": "evaluations/v0",
    }


def test_another_sampling_makes_other_calls_and_none_leaves_them_as_they_were() -> None:
    assert call_seed(42, 1, 0) == call_seed(42, 1, 0, sampling=0) == 433_462_836
    assert len({call_seed(42, 1, 0, sampling=number) for number in range(5)}) == 5

"""A person is asked before a candidate is evaluated and before it is adopted, and their reasons reach the reviewer."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from puppet_reviewer import helps, in_vain
from searching import searching

from graphs.outer_loop import read_answer


def test_nothing_is_played_nor_adopted_before_a_person_agrees(tmp_path: Path) -> None:
    with searching(tmp_path, helps(), approve=True) as search:
        asked = search.go()
        assert asked.question is not None
        assert (asked.question["step"], asked.question["name"]) == ("evaluate", "v1.a1")
        assert asked.question["changes"]["vocabulary"] == ["plan: +search"]
        assert '+plan = ["search", "read", "tail", "count", "act"]' in asked.question["diff"]
        assert not (search.run / "attempts" / "v1.a1" / "evaluation").exists()
        played = search.go({"approve": True}, resume=True)
        assert played.question is not None
        assert played.question["step"] == "adopt"
        assert played.question["verdict"]["after_mean"] == 1.0
        assert not (search.run / "versions" / "v1").exists()
        done = search.go("yes", resume=True)
    assert done.question is None
    assert search.statuses() == [("v1.a1", "accepted")]
    assert (search.run / "versions" / "v1" / "scaffold.toml").exists()


@pytest.mark.parametrize(
    ("answers", "played"),
    [([{"approve": False, "reason": "too clever by half"}], False), (["yes", "no too clever by half"], True)],
)
def test_a_refusal_ends_the_attempt_and_its_reason_is_there_for_the_next_reviewer(
    tmp_path: Path, answers: list[object], played: bool
) -> None:
    with searching(tmp_path, helps(1), in_vain(2), attempts=2, approve=True) as search:
        told = search.go(*answers)
        refused = search.lineage()[1]
        assert (refused.status, refused.evaluation is not None) == ("refused", played)
        assert refused.reason.endswith("too clever by half")
        left = json.loads((search.run / "attempts" / "v1.a1" / "verdict.json").read_text())
        assert left["status"] == "refused"
        assert "too clever by half" in left["reason"]
        assert "- v1.a1" in search.puppet.asked[1]
        assert told.question is not None
        assert told.question["name"] == "v1.a2"
        search.go("yes", resume=True)
    assert search.statuses() == [("v1.a1", "refused"), ("v1.a2", "rejected")]


def test_no_long_text_of_a_reviewer_hides_its_code_from_the_person_who_is_asked(tmp_path: Path) -> None:
    (edit, *written) = helps()[1]
    long = [
        (tool, {**given, "content": given["content"] + "More of it, without a claim.\n" * 400})
        for tool, given in written
    ]
    revision = [helps()[0], [edit, *long[1:], written[0]]]
    with searching(tmp_path, revision, approve=True) as search:
        question = search.go().question
        assert question is not None
        assert '+plan = ["search", "read", "tail", "count", "act"]' in question["diff"]
        assert question["diff"].endswith("more lines")
        assert Path(question["folder"], "METHOD.md").read_text().startswith("# Method 1")


def test_an_answer_that_is_neither_yes_nor_no_is_asked_for_again(tmp_path: Path) -> None:
    with searching(tmp_path, in_vain(), approve=True) as search:
        told = search.go("perhaps")
        assert told.question is not None
        assert "neither yes nor no" in told.question["ask"]
        search.go("y", resume=True)
    assert search.statuses() == [("v1.a1", "rejected")]


def test_a_candidate_edited_while_a_person_thinks_is_checked_anew_before_it_is_played(tmp_path: Path) -> None:
    with searching(tmp_path, in_vain(), approve=True) as search:
        search.go()
        toml = search.run / "attempts" / "v1.a1" / "candidate" / "scaffold.toml"
        toml.write_text(toml.read_text().replace('plan = ["read"', 'plan = ["search", "read"'))
        asked = search.go("yes", resume=True)
        assert asked.question is not None
        assert asked.question["changes"]["vocabulary"] == ["plan: +search"]
        search.go("yes", "yes", resume=True)
    assert search.statuses() == [("v1.a1", "accepted")]


@pytest.mark.parametrize(
    ("answer", "read"),
    [
        (True, (True, "")),
        ("Yes.", (True, "")),
        ("no, it forgets the map", (False, "it forgets the map")),
        ({"approve": False, "reason": "why"}, (False, "why")),
        ({"approve": "yes"}, (True, "")),
        ("", None),
        ({}, None),
        (1, None),
        ("nothing", None),
    ],
)
def test_answers_are_read_in_any_of_their_forms(answer: object, read: object) -> None:
    assert read_answer(answer) == read

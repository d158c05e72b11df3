"""The scripted reviewer at work: the very agent, tools and check of a model, on episodes that were played."""

from __future__ import annotations

import asyncio
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from candidates import workspace
from foreign_scaffold import why_not_contained

from chat_models.scripted_reviewer import Past, ScriptedReviewer, _past
from graphs.agent.loop import AgentRun
from graphs.evaluation import graph as evaluation
from graphs.inner_agent import Context
from graphs.reviewer.agent import review
from graphs.reviewer.check import Checked, check_candidate
from graphs.reviewer.workspace import Workspace
from scaffolds import SHIPPED

START = SHIPPED / "crafter" / "v0"
contained = pytest.mark.skipif(why_not_contained() != "", reason=why_not_contained())


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An episode of the scripted player: a day, a night of which much is slept, a morning without a gain."""
    folder = tmp_path_factory.mktemp("scripted") / "run"
    given = {"world": "crafter", "seeds": [0], "out": str(folder)}
    evaluation.invoke(given, context=Context(scaffold=str(START), max_steps=340))
    return folder


def reviewed(made: Workspace, continues: str = "") -> AgentRun:
    return asyncio.run(review(made, ScriptedReviewer(), continues=continues))


def checked(made: Workspace) -> Checked:
    return check_candidate(made.parent, made.candidate, made.notes, runs=made.runs)


def attempt(folder: Path, run: Path, history: dict[str, Path]) -> Workspace:
    """An attempt that is shown these earlier ones."""
    made = workspace(folder, {"incumbent": run}, parent=START)
    return Workspace(made.attempt, START, history, {"incumbent": run})


def judged(made: Workspace, **verdict: Any) -> Path:
    """An earlier attempt, turned down unless told otherwise."""
    told = {"mean_difference": 0.0, "chance": 1.0, "accepted": False, **verdict}
    (made.attempt / "verdict.json").write_text(json.dumps(told, indent=2))
    return made.attempt


def edits_of(made: Workspace) -> str:
    return (made.candidate / "METHOD.md").read_text().splitlines()[0]


@contained
def test_attempts_follow_one_another_and_each_passes_the_check(tmp_path: Path, run: Path) -> None:
    first = attempt(tmp_path / "a1", run, {})
    assert reviewed(first).finished
    assert edits_of(first) == "# Edit: repetition-notice"
    assert checked(first).faults == []

    history = {"v1.a1": judged(first)}
    second = attempt(tmp_path / "c1", run, history)
    shutil.copytree(first.candidate, second.candidate, dirs_exist_ok=True)
    assert reviewed(second, continues="v1.a1 was rejected.").finished
    assert edits_of(second) == "# Edits: repetition-notice + lookout"
    assert (checked(second).faults, sorted(checked(second).changes)) == ([], ["hooks", "settings"])

    history |= {"v1.a1.c1": judged(second, mean_difference=0.02, chance=0.1)}
    third = attempt(tmp_path / "a2", run, history)
    assert reviewed(third).finished
    assert edits_of(third) == "# Edits: lookout + keyed-map"
    assert (checked(third).faults, sorted(checked(third).changes)) == (
        [],
        ["hooks", "operations", "settings", "vocabulary"],
    )
    hooks = (third.candidate / "hooks.py").read_text()
    assert ("class Lookout" in hooks, "class Repetition" in hooks) == (True, False)


EDITS = ("repetition-notice", "lookout", "keyed-map")


def tried_before(folder: Path, run: Path, *attempts: tuple[str, ...]) -> dict[str, Path]:
    """Attempts with these edits, all turned down and without a gain."""
    history = {}
    for number, names in enumerate(attempts, 1):
        earlier = attempt(folder / str(number), run, {})
        (earlier.candidate / "METHOD.md").write_text(f"# Edits: {' + '.join(names)}\n\nThey were tried.\n")
        history[f"v1.a{number}"] = judged(earlier)
    return history


@contained
def test_what_was_tried_in_other_company_is_tried_again_when_nothing_new_is_left(tmp_path: Path, run: Path) -> None:
    history = tried_before(tmp_path, run, EDITS[:1], EDITS[:2], EDITS[2:])
    fresh = attempt(tmp_path / "fresh", run, history)
    assert reviewed(fresh).finished
    assert edits_of(fresh) == "# Edit: lookout"
    assert checked(fresh).faults == []


@contained
def test_when_everything_was_tried_it_says_so_and_the_check_finds_nothing_changed(tmp_path: Path, run: Path) -> None:
    last = attempt(tmp_path / "last", run, tried_before(tmp_path, run, *[(name,) for name in EDITS]))
    assert reviewed(last).finished
    assert "Nothing structural has changed" in "\n".join(checked(last).faults)


@contained
def test_the_same_evaluation_is_reviewed_alike(tmp_path: Path, run: Path) -> None:
    made = [attempt(tmp_path / name, run, {}) for name in ("one", "other")]
    for one in made:
        reviewed(one)
    first, second = (
        {path.relative_to(one.attempt): path.read_bytes() for path in one.attempt.rglob("*.md")} for one in made
    )
    assert first == second
    assert first


def told(edits: str, **verdict: Any) -> list[str]:
    """METHOD.md and verdict.json of an attempt, as they are read."""
    facts = {"mean_difference": 0.0, "chance": 1.0, "accepted": False, **verdict}
    return [f"# Edits: {edits}\n\nText.\n", json.dumps({**facts, "fresh": {**facts, "chance": 0.0}}, indent=2)]


def together(*edits: str) -> frozenset[frozenset[str]]:
    return frozenset(map(frozenset, edits))


def test_only_what_gained_more_than_it_continued_and_likely_not_by_luck_is_promising() -> None:
    history = ["v1.a1", "v1.a1.c1", "v1.a2", "v1.a2.c1"]
    attempts = [
        *told("a", mean_difference=0.001, chance=0.6),
        *told("a + b", mean_difference=0.02, chance=0.1),
        *told("c", mean_difference=0.03, chance=0.05),
        *told("c + d", mean_difference=0.01, chance=0.2),
    ]
    assert _past(history, attempts) == Past(together("a", "ab", "c", "cd"), ("b", "c"), ("c", "d"))


def test_what_was_promising_before_a_version_was_accepted_is_not_tried_again() -> None:
    attempts = [*told("a", mean_difference=0.02, chance=0.1), *told("b", mean_difference=0.1, accepted=True)]
    assert _past(["v1.a1", "v1.a2"], attempts) == Past(together("a", "b"), (), ("b",))


def test_an_attempt_without_a_verdict_or_a_method_teaches_nothing_but_its_edits() -> None:
    assert _past(["v1.a1", "v1.a2"], ["# Edit: a\n", "", "", ""]) == Past(together("a", ""), (), ())

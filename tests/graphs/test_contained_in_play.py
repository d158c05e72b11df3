"""Contained scaffolds in play: they play as trusted ones do, and one that means harm fails its own episode only."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest
from foreign_scaffold import foreign_scaffold, why_not_contained
from openai_stub import OpenAIStub
from playing import by_turn, folder_of, play, steps_of
from processes import alive

from graphs.evaluation import graph as evaluation
from graphs.inner_agent import Context
from graphs.inner_agent.sessions import SESSIONS
from scaffolds import HookFailure
from scaffolds.containment import Bounds, ContainedHooks
from scaffolds.containment.starting import Started, start

pytestmark = pytest.mark.skipif(why_not_contained() != "", reason=why_not_contained())


@pytest.fixture
def scaffold(tmp_path: Path) -> Path:
    return foreign_scaffold(tmp_path / "foreign")


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The numbers of all contained processes started from here on."""
    numbers: list[int] = []

    def noted(bounds: Bounds, modules: Sequence[str]) -> Started:
        process = start(bounds, modules)
        numbers.append(process.pid)
        return process

    monkeypatch.setattr("scaffolds.containment.process.start", noted)
    return numbers


def test_a_contained_scaffold_plays_as_a_trusted_one_does(tmp_path: Path, scaffold: Path) -> None:
    for thread, trusted in (("contained", False), ("direct", True)):
        play(tmp_path, 6, thread=thread, scaffold=str(scaffold), trust_scaffold_code=trusted)
        SESSIONS.close(folder_of(tmp_path, thread))
    contained, direct = steps_of(tmp_path, "contained"), steps_of(tmp_path, "direct")
    assert [step.notices for step in contained] == [[f"observation {n}"] for n in range(1, 7)]
    for one, other in zip(contained, direct, strict=True):
        assert (one.observation, one.notices, one.action) == (other.observation, other.notices, other.action)
        assert [talk.messages for talk in one.conversations] == [talk.messages for talk in other.conversations]
    assert folder_of(tmp_path, "contained").journal.read_bytes() == folder_of(tmp_path, "direct").journal.read_bytes()


def test_a_model_uses_an_operation_that_runs_contained(tmp_path: Path, scaffold: Path) -> None:
    with OpenAIStub() as server:
        server.default = by_turn(
            {("PLAN", 0): [("overview", {})], ("PLAN", 1): [("act", {"action": "Wait"})], ("LOG", 0): [("done", {})]}
        )
        play(tmp_path, 2, model="vllm:m", base_url=server.url, dialect="functions", scaffold=str(scaffold))
    facts = steps_of(tmp_path)[1].conversations[1].operations[0]
    assert (facts.operation, facts.outcome, facts.file, facts.provenance) == ("overview", "hit", "status.md", ((2, 3),))
    SESSIONS.close(folder_of(tmp_path))


def test_a_contained_episode_goes_on_where_it_stood_in_a_new_process(
    tmp_path: Path, scaffold: Path, started: list[int]
) -> None:
    play(tmp_path, 3, scaffold=str(scaffold))
    assert alive(started[-1])
    SESSIONS.close(folder_of(tmp_path))
    assert not any(map(alive, started))
    play(tmp_path, 1, scaffold=str(scaffold))
    assert steps_of(tmp_path)[3].notices == ["observation 4"]
    SESSIONS.close(folder_of(tmp_path))


@pytest.mark.parametrize(
    ("attack", "kind"),
    [("import os; os._exit(1)", "ended"), ("while True: print('x' * 999)", "output"), ("open('/etc/passwd')", "hooks")],
)
def test_harmful_code_fails_its_episode_with_the_reason_and_the_others_go_on(
    tmp_path: Path, attack: str, kind: str
) -> None:
    scaffold = foreign_scaffold(tmp_path / "foreign", attack)
    given = {"world": "vault", "tasks": ["three-doors", "one-door"], "seeds": [1, 2], "out": str(tmp_path / "run")}
    summary = evaluation.invoke(given, context=Context(scaffold=str(scaffold)))["summary"]
    ended = {(e["task"], e["seed"]): e["status"] for e in summary["episodes"]}
    assert ended == {(task, seed): "failed" if "three" in task else "finished" for task, seed in ended}
    failure = json.loads(next((tmp_path / "run/episodes/vault/three-doors/seed-1").glob("failure.json")).read_text())
    failure = failure.get("failure", failure)
    assert (failure["where"], failure["kind"], failure["step"]) == ("hooks", kind, 2)
    assert "hooks.py" in failure["sentence"]


def test_a_broken_hook_leaves_no_process_behind(tmp_path: Path, started: list[int]) -> None:
    scaffold = foreign_scaffold(tmp_path / "foreign", "0 / 0")
    with pytest.raises(HookFailure, match=r"hooks\.py:9: observe, step 2: ZeroDivisionError"):
        play(tmp_path, 2, task="three-doors", scaffold=str(scaffold))
    assert not any(map(alive, started))
    assert len(started) == 2, "one to read the code, one for the episode"


def test_hooks_that_no_longer_agree_with_the_replay_leave_no_process_behind(
    tmp_path: Path, scaffold: Path, started: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    play(tmp_path, 3, scaffold=str(scaffold))
    SESSIONS.close(folder_of(tmp_path))
    monkeypatch.setattr(ContainedHooks, "observe", failing)
    with pytest.raises(HookFailure, match="no more"):
        play(tmp_path, 1, scaffold=str(scaffold))
    assert not any(map(alive, started))


def failing(self: object, view: object) -> list[str]:
    raise HookFailure("no more")

"""The probe: thirty contained steps of each of a few tasks find what would spoil an evaluation."""

from __future__ import annotations

import asyncio
from functools import partial
from pathlib import Path

import pytest
from candidates import UPSERT, hooks, revise, search, workspace
from foreign_scaffold import why_not_contained

from chat_models import FailureKind, ProviderFailure
from graphs.evaluation.playing import Halted
from graphs.inner_agent.sessions import SESSIONS
from graphs.reviewer.probe import SEED, STEPS, probe
from graphs.reviewer.search import Context
from graphs.reviewer.workspace import Workspace
from scaffolds.containment import Bounds
from traces import RunFolder, read_result
from worlds import EngineFailure

contained = pytest.mark.skipif(why_not_contained() != "", reason=why_not_contained())


@pytest.fixture
def made(tmp_path: Path) -> Workspace:
    return workspace(tmp_path)


def probed(made: Workspace, steps: int = 8, **changed: object) -> list[str]:
    out = made.attempt / "probe"
    return asyncio.run(probe(made.candidate, search(made.attempt, **changed), out, steps=steps))


def runs(made: Workspace) -> list[RunFolder]:
    return [RunFolder(path) for path in (made.attempt / "probe").iterdir()]


def test_a_sound_candidate_has_no_faults_and_plays_every_task_on_a_seed_of_its_own(made: Workspace) -> None:
    revise(made, UPSERT)
    assert probed(made, STEPS) == []
    (run,) = runs(made)
    results = [read_result(folder) for folder in run.episodes()]
    assert [(one.task, one.seed) for one in results if one] == [("one-door", SEED), ("three-doors", SEED)]
    assert all(one and one.steps <= STEPS for one in results)


def test_three_tasks_at_most_are_probed(made: Workspace) -> None:
    tasks = ["six-doors", "one-door", "three-doors"]
    assert probed(made, 2, tasks=[*tasks, "one-door"]) == []
    assert {folder.path.parts[-2] for folder in runs(made)[0].episodes()} == set(tasks)


def test_a_probe_that_was_played_is_not_played_again_until_the_candidate_changes(made: Workspace) -> None:
    revise(made, UPSERT)
    probed(made)
    before = {folder.steps: folder.steps.stat().st_mtime_ns for folder in runs(made)[0].episodes()}
    probed(made)
    assert {folder.steps: folder.steps.stat().st_mtime_ns for folder in runs(made)[0].episodes()} == before
    revise(made, ("prompts/system.md", "# Goal", "# The goal"))
    probed(made)
    assert len(runs(made)) == 2


@contained
@pytest.mark.parametrize(
    ("code", "says"),
    [
        (hooks("return [view.nothing]"), "at step 1: candidate/hooks.py:6: observe, step 1: AttributeError"),
        (hooks("if view.step == 5: 1 / 0\nreturn []"), "at step 5: candidate/hooks.py:6: observe, step 5: Zero"),
        (hooks("import os; os._exit(3)"), "it ended with exit status 3"),
        (hooks("while True: print('x' * 999)"), "it printed more than 1,048,576 bytes"),
        (hooks("return ['x' * 20_000]"), "it may return 16,000 characters"),
        (hooks("return ['x' * 9_000]"), "the notices took 9,000 characters a step"),
    ],
)  # fmt: skip
def test_code_that_breaks_hangs_or_floods_is_a_fault(made: Workspace, code: str, says: str) -> None:
    faults = probed(revise(made, hooks=code), tasks=["one-door"])
    assert len(faults) == 1
    assert says in faults[0]
    assert str(made.candidate) not in faults[0]


@contained
def test_code_that_hangs_is_a_fault(made: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("scaffolds.scaffold.Bounds", partial(Bounds, answer_s=0.3))
    (fault,) = probed(revise(made, hooks=hooks("import time; time.sleep(60)")), tasks=["one-door"])
    assert "it did not answer within 0.3 s" in fault


@contained
def test_a_flood_into_the_notebook_is_a_fault(made: Workspace) -> None:
    toml = made.candidate / "scaffold.toml"
    toml.write_text(toml.read_text() + '\n[files."log.md"]\npurpose = "all"\nmaintained_by = "hooks"\n')
    code = (
        "class Hooks:\n    def maintain(self, view, notebook):\n"
        "        notebook.write('log.md', (f'{view.step} ' * 20 + chr(10)) * 2_000)\n"
    )
    (fault,) = probed(revise(made, hooks=code), tasks=["one-door"])
    assert "bytes a step went into the notebook" in fault


@contained
def test_code_that_plays_in_the_models_place_is_a_fault(made: Workspace) -> None:
    code = (
        "from scaffolds import Repair\n\nclass Hooks:\n    def act(self, action, view):\n"
        "        return Repair(view.actions[0], 'I know better')\n"
    )
    (fault,) = probed(revise(made, hooks=code), tasks=["one-door"])
    assert "hooks repaired or vetoed the action in 8 of 8 steps" in fault


def test_prompts_that_only_break_in_play_are_a_fault(made: Workspace) -> None:
    revise(made, ("prompts/plan.md", "PLAN step {{ step }}", "{{ 1 / (8 - step) }}"))
    assert "Div" in probed(made)[0]
    revise(made, ("prompts/plan.md", "{{ 1 / (8 - step) }}", "Step {{ step }}"))
    (fault,) = probed(made)
    assert fault.startswith("It cannot be played: ")


def test_a_server_that_is_away_is_not_the_candidates_fault(made: Workspace) -> None:
    context = Context(base_url="http://127.0.0.1:9/v1", attempts=1, patience_s=0.0)
    with pytest.raises(Halted, match="no server answers"):
        probed(revise(made, UPSERT), model="vllm:m", context=context)


@pytest.mark.parametrize(
    "error", [EngineFailure("no process"), ProviderFailure(FailureKind.REFUSED, "gone"), BrokenPipeError("gone")]
)
def test_a_probe_that_the_machine_does_not_even_open_halts(
    made: Workspace, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr(SESSIONS, "hold", fail)
    with pytest.raises(Halted, match="could not be played"):
        probed(made)


def test_a_fault_before_the_first_step_is_one_of_the_probe(made: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise ZeroDivisionError("by nothing")

    monkeypatch.setattr(SESSIONS, "hold", fail)
    assert ["ZeroDivisionError: by nothing" in fault for fault in probed(made)] == [True, True]

"""A curator at its workspace: the tools it explores and decides with, and what it must leave behind."""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import pytest
from trace_files import lines_of, write_lines
from training_runs import collected

from chat_models.scripted_curator import ScriptedCurator
from graphs.agent.loop import AgentLimits
from graphs.curator.curate import Curation, Task, curate
from graphs.curator.policy_tools import ShippedPolicy, policy_tools
from graphs.curator.selection_tools import CHARACTERS, selection_tools
from graphs.curator.workspace import Workspace
from traces import RunFolder
from training.candidates import candidates, write_candidates
from training.selection import DEFAULT_POLICY, load_policy, policy_names

TASK = Task(1, 2, "scripted (no language model)", "a-base", "scripted", 10, "small-cpu")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    return collected(tmp_path_factory.mktemp("collect"), [1, 2, 3], task="three-doors")


@pytest.fixture(scope="module")
def features(run: RunFolder, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("candidates") / "candidates.jsonl"
    write_candidates(candidates(run), path)
    return path


@pytest.fixture
def workspace(run: RunFolder, features: Path, tmp_path: Path) -> Workspace:
    return Workspace(tmp_path / "1", run, features)


def use(workspace: Workspace, tool: str, /, **arguments: Any) -> str:
    tools = [*selection_tools(workspace), *policy_tools(workspace, workspace.iteration / "ledger.jsonl", {})]
    chosen = next(one for one in tools if one.name == tool)
    return str(chosen.invoke({"type": "tool_call", "id": "1", "name": tool, "args": arguments}).content)


def some(workspace: Workspace, routine: str, count: int = 1) -> list[str]:
    return [one.id for one in workspace.candidates if one.routine == routine and one.recalls][:count]


def test_the_overview_counts_every_candidate(workspace: Workspace) -> None:
    told = use(workspace, "candidates_overview")
    assert told.startswith(f"{len(workspace.candidates)} candidates of 3 episodes")
    assert f"- LOG: {sum(one.routine == 'LOG' for one in workspace.candidates)}" in told


def test_a_list_is_filtered_sorted_and_says_how_to_see_the_rest(workspace: Workspace) -> None:
    told = use(workspace, "list_candidates", routine="LOG", operation="append", sort="credit", limit=3)
    wanted = sorted(
        (one for one in workspace.candidates if one.routine == "LOG" and "append" in one.operations),
        key=lambda one: -one.credit,
    )
    assert told.splitlines()[0] == f"{len(wanted)} candidates, 1 to 3 by credit:"
    assert [line.split("  ")[0] for line in told.splitlines()[1:4]] == [one.id for one in wanted[:3]]
    assert told.endswith(f"… {len(wanted) - 3} more: offset=3")


def test_measured_effects_are_listed_and_by_effect_selects_them(workspace: Workspace) -> None:
    assert "effect" not in use(workspace, "candidates_overview")
    one, other = [each for each in workspace.candidates if each.records][:2]
    found = [
        replace(each, effect=0.5, effect_low=0.25, effect_high=1.0)
        if each is one
        else replace(each, effect=-0.25)
        if each is other
        else each
        for each in workspace.candidates
    ]
    write_candidates(found, workspace.iteration / "candidates.jsonl")
    measured = Workspace(workspace.iteration, workspace.run, workspace.iteration / "candidates.jsonl")
    assert "0.5, of the 2 that were measured" in use(measured, "candidates_overview")
    for descending in (True, False):
        lines = use(measured, "list_candidates", sort="effect", descending=descending, limit=2).splitlines()[1:3]
        first, second = lines if descending else lines[::-1]
        assert first.startswith(f"{one.id}  credit")
        assert "  effect +0.500 [+0.250, +1.000]  " in first
        assert "  effect -0.250  " in second
    use(measured, "reset_policy", shipped="by_effect")
    assert list(measured.select().chosen) == [one.id]


def test_a_candidate_is_shown_as_the_model_had_it(workspace: Workspace) -> None:
    chosen = some(workspace, "PLAN")[0]
    told = use(workspace, "show_candidate", id=chosen)
    step = workspace.by_id[chosen].step
    assert f"PLAN step {step}" in told
    assert "post-processing keeps it: left out what follows" in told
    assert "message 0, system" not in told
    assert len(use(workspace, "show_candidate", id=chosen, system=True)) <= CHARACTERS + 200


@pytest.mark.parametrize(
    ("name", "arguments", "said"),
    [
        ("show_candidate", {"id": "no/such/seed-1/step-1/LOG"}, "There is no candidate"),
        ("decide", {"ids": ["../x"], "verdict": "accept", "reason": "because"}, "There is no candidate"),
        ("write_policy", {"toml": "total = 0"}, "summary"),
        ("write_policy_code", {"python": "def score(candidate): return 'x'"}, "finite number or None"),
        (
            "write_policy_code",
            {"python": "import socket\nsocket.socket().connect(('10.0.0.1', 80))"},
            "policy.py failed",
        ),
        ("write_selection_logic", {"markdown": "I liked some. " * 20}, "quotes no accepted example"),
        ("write_recipe", {"recipe": {"rationale": "x"}}, "data"),
        ("reset_policy", {"iteration": 3}, "There is no iteration 3"),
        ("read_earlier", {"iteration": 1}, "Iteration 1 has no selection_logic.md"),
        ("read_recipe", {"name": "none-such"}, "There is no recipe"),
    ],
)
def test_a_mistake_comes_back_as_a_sentence(
    workspace: Workspace, name: str, arguments: dict[str, Any], said: str
) -> None:
    assert said in use(workspace, name, **arguments)


def test_every_shipped_policy_can_be_gone_back_to(workspace: Workspace) -> None:
    assert sorted(get_args(ShippedPolicy)) == policy_names()
    for name in policy_names():
        assert use(workspace, "reset_policy", shipped=name) == "Done."
        assert workspace.policy_file.read_text() == load_policy(name)


def test_a_new_selection_starts_from_the_policy_that_is_given(run: RunFolder, features: Path, tmp_path: Path) -> None:
    given = load_policy("credited")
    started = Workspace(tmp_path / "1", run, features, policy=given)
    assert (started.policy_file.read_text(), started.policy().quotas.by_chance) == (given, 0.0)
    started.write_policy(load_policy("default"))
    assert Workspace(tmp_path / "1", run, features, policy=given).policy_file.read_text() == load_policy("default")


def test_a_faulty_policy_leaves_the_one_before(workspace: Workspace) -> None:
    use(workspace, "write_policy", toml="total = 0")
    use(workspace, "write_policy_code", python="def score(candidate): raise ValueError('no')")
    assert workspace.policy_file.read_bytes() == DEFAULT_POLICY.read_bytes()
    assert not workspace.code_file.exists()


def test_policy_code_runs_contained_and_orders(workspace: Workspace) -> None:
    use(
        workspace,
        "write_policy_code",
        python="def score(candidate):\n    return candidate['step'] if candidate['recalls'] else None",
    )
    policy = 'summary = "late ones"\ntotal = 4\norder = "score"\n[quotas]\nlog_share = 0.0\n'
    assert "Written" in use(workspace, "write_policy", toml=policy)
    last = sorted((one.step for one in workspace.candidates if one.routine == "PLAN" and one.recalls), reverse=True)[:4]
    assert sorted((workspace.by_id[one].step for one in workspace.select().chosen), reverse=True) == last


def test_selection_logic_must_quote_what_was_decided(workspace: Workspace) -> None:
    good, bad = some(workspace, "PLAN", 2)
    use(workspace, "decide", ids=[good], verdict="accept", reason="finds the code at once")
    use(workspace, "decide", ids=[bad], verdict="reject", reason="recalls what is in view")
    text = f"Accepted, since it finds the code: `{good}`. Rejected: `{bad}`. " + "And so on. " * 10
    assert use(workspace, "write_selection_logic", markdown=text) == "Written."
    assert "no candidate" in use(workspace, "write_selection_logic", markdown=text.replace(bad, f"{bad[:-5]}9999/PLAN"))
    assert workspace.logic_file.read_text() == text


def curated(workspace: Workspace, earlier: Mapping[int, Path] | None = None, task: Task = TASK) -> Curation:
    return asyncio.run(
        curate(workspace, task, workspace.iteration / "ledger.jsonl", earlier or {}, ScriptedCurator(), AgentLimits())
    )


def test_the_scripted_curator_leaves_a_selection_its_reasons_and_a_recipe(workspace: Workspace) -> None:
    done = curated(workspace)
    assert done.recipe is not None, done.reason
    selected = [json.loads(line)["id"] for line in (workspace.folder / "selected.jsonl").read_text().splitlines()]
    assert selected == list(workspace.select().chosen)
    assert len(selected) >= TASK.minimum
    assert {one.verdict for one in workspace.decisions().values()} == {"accept", "reject"}
    assert all(one.id in workspace.logic_file.read_text() for one in workspace.decisions().values())
    assert json.loads((workspace.folder / "coverage.json").read_text())["selected"] == len(selected)


def test_a_curator_taken_up_again_asks_nothing_twice(workspace: Workspace) -> None:
    curated(workspace)
    transcript = (workspace.iteration / "curator.jsonl").read_bytes()
    assert curated(workspace).recipe is not None
    assert (workspace.iteration / "curator.jsonl").read_bytes() == transcript


def test_a_killed_curator_goes_on_where_it_stood(
    workspace: Workspace, run: RunFolder, features: Path, tmp_path: Path
) -> None:
    curated(workspace)
    whole = (workspace.iteration / "curator.jsonl").read_bytes().splitlines(keepends=True)
    for kept in (2, 5, len(whole) // 2, len(whole) - 1):
        cut = Path(shutil.copytree(workspace.iteration, tmp_path / f"cut-{kept}"))
        (cut / "curator.jsonl").write_bytes(b"".join(whole[:kept]) + whole[kept][:20])
        other = Workspace(cut, run, features)
        assert curated(other).recipe is not None
        assert other.select().chosen == workspace.select().chosen


def test_too_few_examples_are_said_to_the_curator_until_it_is_given_up(workspace: Workspace) -> None:
    done = curated(workspace, task=Task(1, 1, "scripted", "a-base", "scripted", 100_000, "small-cpu"))
    assert done.recipe is None
    assert "at least 100000 are needed" in done.reason


@pytest.mark.parametrize("total", [4, 10])
def test_the_scripted_curator_makes_room_where_the_policy_selects_fewer_than_are_needed(
    workspace: Workspace, total: int
) -> None:
    workspace.write_policy(DEFAULT_POLICY.read_text().replace("total = 600", f"total = {total}"))
    done = curated(workspace)
    assert done.recipe is not None, done.reason


def test_a_second_iteration_may_reuse_the_selection(
    workspace: Workspace, run: RunFolder, features: Path, tmp_path: Path
) -> None:
    curated(workspace)
    second = Workspace(tmp_path / "2", run, features)
    task = Task(2, 2, "scripted", "a-base", "scripted", 10, "small-cpu")
    done = curated(second, {1: workspace.iteration}, task)
    assert done.recipe is not None, done.reason
    assert done.recipe.data.source == "reuse"


def test_a_turn_that_was_cut_at_the_token_limit_is_shown_and_counted_as_dropped(
    workspace: Workspace, tmp_path: Path
) -> None:
    copy = RunFolder(Path(shutil.copytree(workspace.run.path, tmp_path / "cut")))
    for folder in copy.episodes():
        write_lines(folder, [line.replace(b'"stop"', b'"length"') for line in lines_of(folder)])
    cut = Workspace(tmp_path / "2", copy, workspace.candidates_file)
    assert "drops it: a reply cut at the token limit" in use(cut, "show_candidate", id=some(cut, "PLAN")[0])
    assert "After post-processing 0 examples" in use(cut, "preview_selection")


def test_a_decision_that_a_kill_has_torn_is_as_if_never_made(workspace: Workspace) -> None:
    one, two = some(workspace, "PLAN", 2)
    workspace.decide([one], "accept", "first")
    with workspace.decisions_file.open("ab") as file:
        file.write(b'{"id":"vault/one')
    assert list(workspace.decisions()) == [one]
    workspace.decide([two], "reject", "second")
    assert list(workspace.decisions()) == [one, two]


def test_code_may_score_as_many_candidates_as_a_hundred_long_episodes_have(
    workspace: Workspace, tmp_path: Path
) -> None:
    many = tmp_path / "many" / "candidates.jsonl"
    many.parent.mkdir()
    first = workspace.candidates[0]
    write_candidates((replace(first, id=f"vault/t/seed-1/step-{step}/LOG") for step in range(60_000)), many)
    large = Workspace(tmp_path / "2", workspace.run, many)
    large.write_code("def score(candidate):\n    return 1 / 3\n")
    assert set((large.scores() or {}).values()) == {1 / 3}


@pytest.mark.parametrize("printed", ["worst", '\\"worst\\"', "[1]"])
def test_code_that_answers_behind_the_harness_with_no_numbers_is_refused(workspace: Workspace, printed: str) -> None:
    code = f'import os\nos.write(1, b"{printed}\\n" * {len(workspace.candidates)})\nos._exit(0)\n'
    assert "no score" in use(workspace, "write_policy_code", python=code)

"""The reviewer at work: what it is told, what it can do, and a conversation from the task to mended faults."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from candidates import ANALYSIS, METHOD, evaluated, workspace
from langchain_core.messages import HumanMessage, ToolMessage
from puppet_agent import PuppetAgent, puppet_agent

from chat_models import ConfigurationError, ProviderFailure, Retry
from graphs.agent.loop import AgentLimits, AgentRun
from graphs.reviewer.agent import review, reviewer_tools, system_message
from graphs.reviewer.check import check_candidate
from graphs.reviewer.workspace import Workspace
from scaffolds import VARIABLES
from scaffolds.prompts import FILTERS
from tools import MEMORY_OPERATIONS

ONCE = AgentLimits(retry=Retry(attempts=1))
ADD = (
    "edit_file",
    {"path": "candidate/scaffold.toml", "old": '"append", "write"', "new": '"append", "upsert", "write"'},
)
TEXTS = [
    ("write_file", {"path": "notes/analysis.md", "content": ANALYSIS}),
    ("write_file", {"path": "candidate/METHOD.md", "content": METHOD}),
]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return evaluated(tmp_path_factory.mktemp("review") / "run")


@pytest.fixture
def made(tmp_path: Path, run: Path) -> Workspace:
    return workspace(tmp_path, {"incumbent": run, "v1.a1": run})


def reviewed(made: Workspace, model: Any, *faults: str, **given: Any) -> AgentRun:
    return asyncio.run(review(made, model, faults, **{"limits": ONCE, **given}))


def tasks(model: PuppetAgent) -> list[str]:
    """The messages that the model was last shown to work on."""
    return [message.text for message in model.asked[-1] if isinstance(message, HumanMessage)]


def test_a_review_reads_the_traces_revises_the_copy_and_passes_the_check(made: Workspace) -> None:
    step = {"run": "incumbent", "task": "one-door", "seed": 1, "step": 2}
    looks = [("list_episodes", {"run": "incumbent"}), ("show_step", step)]
    model = puppet_agent(looks, [ADD, *TEXTS, ("read_file", {"path": "candidate/METHOD.md"})], "It is done.")
    ended = reviewed(made, model)
    assert (ended.finished, ended.spent.calls, ended.spent.tokens, ended.spent.cost) == (True, 3, 330, None)
    answers = [message for message in model.asked[-1] if isinstance(message, ToolMessage)]
    assert [answer.status for answer in answers] == ["success"] * 6
    assert "PLAN step 2" in answers[1].text
    assert "upsert" in answers[-1].text.lower()
    assert check_candidate(made.parent, made.candidate, made.notes, runs=made.runs).faults == []
    assert made.transcript.name == "review.jsonl"
    assert len(made.transcript.read_text().splitlines()) == 11


def test_faults_are_the_next_message_of_the_same_conversation(made: Workspace) -> None:
    reviewed(made, puppet_agent("I am done."))
    model = puppet_agent([ADD, *TEXTS], "Mended.")
    again = reviewed(made, model, "Nothing structural has changed.", "METHOD.md cites nothing.", round=1)
    first, second = tasks(model)
    assert first.startswith("# Your task")
    assert second.startswith(
        "# Check 1\nYour revision cannot be played yet:\n- Nothing structural has changed.\n- METH"
    )
    assert again.spent.calls == 2


def test_the_same_faults_in_another_round_are_asked_about_anew_and_in_the_same_round_are_not(made: Workspace) -> None:
    reviewed(made, puppet_agent("I am done."))
    assert reviewed(made, puppet_agent("Mended."), "A fault.", round=1).spent.calls == 1
    assert reviewed(made, puppet_agent(), "A fault.", round=1).finished  # killed before it was written down
    model = puppet_agent("Mended again.")
    assert reviewed(made, model, "A fault.", round=2).spent.calls == 1
    assert len(tasks(model)) == 3


def test_a_review_that_broke_off_goes_on_where_it_stopped(made: Workspace) -> None:
    with pytest.raises(ProviderFailure):
        reviewed(made, puppet_agent([ADD], ConnectionError("gone")))
    limited = reviewed(made, puppet_agent(TEXTS[:1]), limits=AgentLimits(calls=2))
    assert (limited.finished, limited.spent.calls) == (False, 2)
    assert limited.reason == "the agent's ceiling of 2 model calls is reached"
    ended = reviewed(made, puppet_agent(TEXTS[1:], "Done."))
    assert (ended.finished, ended.spent.calls) == (True, 4)
    assert check_candidate(made.parent, made.candidate, made.notes, runs=made.runs).faults == []


def test_the_task_names_world_runs_history_and_what_became_of_the_last_try(made: Workspace) -> None:
    shown = Workspace(made.attempt, made.parent, {"v1.a1": made.parent}, made.runs)
    model = puppet_agent("Done.")
    reviewed(shown, model, continues="the mean fell by 3 points")
    (task,) = tasks(model)
    assert "for the world vault" in task
    assert "at most 50%" in task
    assert "turned down: the mean fell by 3 points" in task
    assert "## Runs\n- incumbent\n- v1.a1\n\n## History\n- v1.a1\n" in task
    fresh = puppet_agent("Done.")
    reviewed(workspace(made.attempt, made.runs), fresh)
    assert "None: this is the first attempt." in tasks(fresh)[0]
    assert "turned down" not in tasks(fresh)[0]


def test_the_system_message_holds_everything_a_scaffold_is_built_from() -> None:
    said = system_message()
    names = [name for variables in VARIABLES.values() for name in variables]
    for name in (*names, *FILTERS, *MEMORY_OPERATIONS, "done", "act", "hooks_share", "observe", "maintain"):
        assert f"`{name}`" in said or f"def {name}(" in said, name
    assert "notes/analysis.md" in said
    assert "[TASK/seed-N step S]" in said
    assert "{{ step }}" in said, "examples of template syntax are shown as they are"


def test_its_tools_are_files_traces_and_contained_python(made: Workspace) -> None:
    names = [tool.name for tool in reviewer_tools(made)]
    assert names == [
        *("list_files", "read_file", "write_file", "edit_file", "delete_file"),
        *("list_episodes", "episode_overview", "search_trace", "show_step", "compare_runs", "run_python"),
    ]
    assert all(tool.description for tool in reviewer_tools(made))


def test_a_model_without_tools_is_refused(made: Workspace) -> None:
    from langchain_core.language_models import GenericFakeChatModel

    with pytest.raises(ConfigurationError, match="The reviewer needs a model that calls tools"):
        reviewed(made, GenericFakeChatModel(messages=iter([])))


def test_the_conversation_holds_no_identifiers_made_up_by_chance(made: Workspace, tmp_path: Path) -> None:
    other = workspace(tmp_path / "other", made.runs)
    for one in (made, other):
        reviewed(one, puppet_agent([ADD, *TEXTS], "Done."))
    first, second = (
        [json.loads(line)["data"] for line in one.transcript.read_text().splitlines()] for one in (made, other)
    )
    assert first == second

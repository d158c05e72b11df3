"""A scaffold's hooks in play: notices reach the model, repairs and vetoes decide what is sent, files are maintained."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from openai_stub import OpenAIStub
from playing import folder_of, play, speaker, steps_of, turn_of

from graphs.inner_agent.sessions import SESSIONS
from scaffolds import SHIPPED, HookFailure

HOOKS = """
from scaffolds import Repair, Send, Veto


class Hooks:
    def __init__(self):
        self._seen = 0

    def observe(self, view):
        self._seen += 1
        return [f"observation {self._seen}"]

    def maintain(self, view, notebook):
        notebook.write("status.md", f"step {view.step}: {view.observation['short'].splitlines()[0]}")

    def act(self, action, view):
        if action == "Go Left":
            return Repair("Go West", "west is to the left")
        if action == "Press 4":
            return Veto("no door here has a 4")
        return Send(action)
"""


@pytest.fixture
def server() -> Iterator[OpenAIStub]:
    with OpenAIStub() as stub:
        yield stub


@pytest.fixture
def scaffold(tmp_path: Path) -> Path:
    folder = tmp_path / "hooked"
    shutil.copytree(SHIPPED / "vault" / "v0", folder)
    (folder / "hooks.py").write_text(HOOKS)
    with (folder / "scaffold.toml").open("a") as toml:
        toml.write('\n[files."status.md"]\npurpose = "how things stand"\nmaintained_by = "hooks"\n')
    return folder


def acting(*actions: str) -> Any:
    said = iter(actions)
    return speaker(lambda messages: "<|DONE|>" if turn_of(messages)[0] == "LOG" else f"<|ACTION|>{next(said)}<|END|>")


def hooked(stub: OpenAIStub, scaffold: Path) -> dict[str, Any]:
    return {"model": "vllm:m", "base_url": stub.url, "scaffold": str(scaffold), "trust_scaffold_code": True}


def test_notices_reach_both_routines_and_files_are_maintained(
    tmp_path: Path, server: OpenAIStub, scaffold: Path
) -> None:
    server.default = acting("Wait", "Wait")
    play(tmp_path, 2, **hooked(server, scaffold))
    second = steps_of(tmp_path)[1]
    assert second.notices == ["observation 2"]
    assert all("- observation 2" in c.messages[1]["content"] for c in second.conversations)
    assert (folder_of(tmp_path).memory / "status.md").read_text().startswith("step 2: ")
    assert second.hook_operations[0].outcome == "written"


def test_a_repaired_action_is_sent_and_the_model_told(tmp_path: Path, server: OpenAIStub, scaffold: Path) -> None:
    server.default = acting("Go Left", "Wait")
    play(tmp_path, 2, **hooked(server, scaffold))
    first, second = steps_of(tmp_path)
    assert (first.chosen, first.action, first.action_outcome) == ("Go Left", "Go West", "repaired")
    assert "west is to the left" in second.notices[0]


def test_a_vetoed_action_is_not_sent_and_the_model_chooses_again(
    tmp_path: Path, server: OpenAIStub, scaffold: Path
) -> None:
    server.default = acting("Press 4", "Go East")
    play(tmp_path, 1, **hooked(server, scaffold))
    record = steps_of(tmp_path)[0]
    assert (record.action, record.action_outcome, record.model_calls) == ("Go East", "valid", 2)
    assert "no door here has a 4" in record.conversations[0].messages[3]["content"]
    assert [o.outcome for o in record.conversations[0].operations] == ["vetoed", "act"]


def test_the_default_is_sent_when_vetoes_use_up_the_turns(tmp_path: Path, server: OpenAIStub, scaffold: Path) -> None:
    server.default = acting(*[f"{' ' * n}Press 4" for n in range(10)], "Wait")
    play(tmp_path, 2, **hooked(server, scaffold))
    first, second = steps_of(tmp_path)
    assert (first.action, first.action_outcome, first.model_calls) == ("Wait", "vetoed", 10)
    assert "vetoed (no door here has a 4)" in second.notices[0]


def test_an_action_that_was_vetoed_is_not_asked_for_without_end(
    tmp_path: Path, server: OpenAIStub, scaffold: Path
) -> None:
    server.default = acting(*["Press 4"] * 10)
    play(tmp_path, 1, **hooked(server, scaffold))
    (step,) = steps_of(tmp_path)
    assert (step.action, step.action_outcome, step.model_calls) == ("Wait", "vetoed", 3)


def test_hooks_that_count_go_on_counting_in_a_rebuilt_session(
    tmp_path: Path, server: OpenAIStub, scaffold: Path
) -> None:
    server.default = acting(*["Wait"] * 5)
    play(tmp_path, 3, **hooked(server, scaffold))
    SESSIONS.close(folder_of(tmp_path))
    play(tmp_path, 1, **hooked(server, scaffold))
    assert steps_of(tmp_path)[3].notices == ["observation 4"]


def test_a_hook_that_breaks_ends_the_episode_as_a_failure_of_the_machine(
    tmp_path: Path, server: OpenAIStub, scaffold: Path
) -> None:
    broken = HOOKS.replace("self._seen += 1", "self._seen += 1; 1 / (2 - self._seen)")
    (scaffold / "hooks.py").write_text(broken)
    server.default = acting("Wait", "Wait")
    with pytest.raises(HookFailure, match=r"hooks\.py"):
        play(tmp_path, 2, **hooked(server, scaffold))
    assert "ZeroDivisionError" in folder_of(tmp_path).failure.read_text()

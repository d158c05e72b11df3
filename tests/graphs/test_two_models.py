"""Two models: the memory model consults, the gameplay model commits; one model in both roles does it alike."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from openai_stub import OpenAIStub
from playing import by_turn, play, speaker, steps_of, turn_of

from scaffolds import SHIPPED


@pytest.fixture
def memory() -> Iterator[OpenAIStub]:
    with OpenAIStub() as stub:
        yield stub


@pytest.fixture
def gameplay() -> Iterator[OpenAIStub]:
    with OpenAIStub() as stub:
        yield stub


def both(memory: OpenAIStub, gameplay: OpenAIStub) -> dict[str, Any]:
    return {
        "model": "vllm:specialist",
        "base_url": memory.url,
        "gameplay_model": "vllm:base",
        "gameplay_base_url": gameplay.url,
    }


def test_the_memory_model_consults_and_the_gameplay_model_commits(
    tmp_path: Path, memory: OpenAIStub, gameplay: OpenAIStub
) -> None:
    memory.default = by_turn({("PLAN", 0): "<|READ|>strategy.md<|END|>", ("PLAN", 1): "That is all I need."})
    gameplay.default = speaker(lambda messages: "<|ACTION|>Go East<|END|>")
    play(tmp_path, 2, **both(memory, gameplay))
    second = steps_of(tmp_path)[1]
    assert [(c.routine, c.role, c.model) for c in second.conversations] == [
        ("LOG", "memory", "vllm:specialist"),
        ("PLAN", "memory", "vllm:specialist"),
        ("PLAN", "gameplay", "vllm:base"),
    ]
    assert second.action == "Go East"
    assert all(turn_of(body["messages"])[0] == "PLAN" for body in gameplay.bodies)


@pytest.mark.parametrize(
    "blurted",
    [
        "<|ACTION|>Go West<|END|>",
        "I know it.\n<|ACTION|>Go West<|END|>",
        "<|ACTION|>Wait<|END|>\n<|ACTION|>Go West<|END|>",
        "<|READ|>strategy.md<|END|>\n<|ACTION|>Go West<|END|>",
    ],
)
def test_an_action_the_memory_model_blurts_out_never_reaches_the_gameplay_model(
    tmp_path: Path, memory: OpenAIStub, gameplay: OpenAIStub, blurted: str
) -> None:
    memory.default = speaker(lambda messages: blurted)
    gameplay.default = speaker(lambda messages: "<|ACTION|>Wait<|END|>")
    play(tmp_path, 1, **both(memory, gameplay))
    handed = gameplay.bodies[0]["messages"]
    assert "Go West" not in "".join(message["content"] for message in handed[2:])
    assert handed[-1]["role"] == "user"
    assert "HANDOFF step 1" in handed[-1]["content"]
    assert ("### READ strategy.md" in handed[-1]["content"]) == ("READ" in blurted)
    record = steps_of(tmp_path)[0]
    assert record.action == "Wait"
    assert "removed" in [operation.outcome for operation in record.conversations[0].operations]


def test_the_gameplay_model_may_recall_further_and_is_not_committed_blindly(
    tmp_path: Path, memory: OpenAIStub, gameplay: OpenAIStub
) -> None:
    memory.default = speaker(lambda messages: "Nothing to look up.")
    hasty = "<|TAIL|>strategy.md|3<|END|><|ACTION|>Go West<|END|>"
    said = iter([hasty, "<|ACTION|>Go East<|END|>"])
    gameplay.default = speaker(lambda messages: next(said))
    play(tmp_path, 1, **both(memory, gameplay))
    record = steps_of(tmp_path)[0]
    assert record.action == "Go East"
    assert [o.operation for o in record.conversations[-1].operations] == ["tail", "act", "act"]


def test_tool_calls_are_handed_over_without_the_action_and_every_call_left_is_answered(
    tmp_path: Path, memory: OpenAIStub, gameplay: OpenAIStub
) -> None:
    memory.default = speaker(lambda messages: [("read", {"file": "strategy.md"}), ("act", {"action": "Go West"})])
    gameplay.default = speaker(lambda messages: [("act", {"action": "Wait"})])
    play(tmp_path, 1, dialect="functions", **both(memory, gameplay))
    handed = gameplay.bodies[0]["messages"]
    asked = [call for message in handed for call in message.get("tool_calls") or []]
    answered = [message["tool_call_id"] for message in handed if message["role"] == "tool"]
    assert [call["function"]["name"] for call in asked] == ["read"]
    assert answered == [call["id"] for call in asked]
    assert handed[-1]["role"] == "tool"  # many chat templates refuse a user message after a tool message
    assert "HANDOFF step 1" in handed[-1]["content"]


def test_a_mistaken_consultation_is_answered_before_it_is_handed_over(
    tmp_path: Path, memory: OpenAIStub, gameplay: OpenAIStub
) -> None:
    memory.default = by_turn(
        {("PLAN", 0): "<|TAIL|>strategy.md|many<|END|>", ("PLAN", 1): "<|TAIL|>strategy.md|5<|END|>"}, "Done."
    )
    gameplay.default = speaker(lambda messages: "<|ACTION|>Wait<|END|>")
    play(tmp_path, 1, **both(memory, gameplay))
    consulted = steps_of(tmp_path)[0].conversations[0]
    assert [(o.operation, o.outcome, o.code) for o in consulted.operations][:2] == [
        ("", "mistake", "bad_arguments"),
        ("tail", "empty", None),
    ]


def test_a_consultation_that_never_ends_is_handed_over_after_its_turns(
    tmp_path: Path, memory: OpenAIStub, gameplay: OpenAIStub
) -> None:
    memory.default = speaker(lambda messages: f"{turn_of(messages)}: <|READ|>strategy.md<|END|>")
    gameplay.default = speaker(lambda messages: "<|ACTION|>Go East<|END|>")
    play(tmp_path, 1, **both(memory, gameplay))
    record = steps_of(tmp_path)[0]
    assert [len(c.calls) for c in record.conversations] == [10, 1]
    assert record.action == "Go East"


def brief(folder: Path) -> str:
    """A scaffold whose memory model consults in one reply, of a PLAN's two."""
    shutil.copytree(SHIPPED / "vault" / "brief", folder)
    return str(folder)


def test_a_scaffold_may_grant_the_consultation_fewer_turns_and_the_gameplay_model_has_all_of_its_own(
    tmp_path: Path, memory: OpenAIStub, gameplay: OpenAIStub
) -> None:
    memory.default = speaker(lambda messages: "<|SEARCH|>rooms.md|door<|END|>")
    said = iter(["<|SEARCH|>codes.md|red<|END|>", "<|ACTION|>Go East<|END|>"])
    gameplay.default = speaker(lambda messages: next(said))
    play(tmp_path, 1, scaffold=brief(tmp_path / "brief"), **both(memory, gameplay))
    record = steps_of(tmp_path)[0]
    assert [len(c.calls) for c in record.conversations] == [1, 2]
    assert record.action == "Go East"
    handed = gameplay.bodies[0]["messages"][-1]["content"]
    assert "### SEARCH rooms.md" in handed
    assert "PLAN: 2 replies left." in handed


def test_a_memory_model_that_may_go_on_consulting_is_not_told_to_act(
    tmp_path: Path, memory: OpenAIStub, gameplay: OpenAIStub
) -> None:
    folder = Path(brief(tmp_path / "brief"))
    settings = (folder / "scaffold.toml").read_text()
    (folder / "scaffold.toml").write_text(
        settings.replace("plan = 2", "plan = 3").replace("consult = 1", "consult = 2")
    )
    memory.default = speaker(lambda messages: "<|SEARCH|>rooms.md|door<|END|>")
    gameplay.default = speaker(lambda messages: "<|ACTION|>Go East<|END|>")
    play(tmp_path, 1, scaffold=str(folder), **both(memory, gameplay))
    assert [len(c.calls) for c in steps_of(tmp_path)[0].conversations] == [2, 1]
    assert "PLAN: 4 replies left." in memory.bodies[1]["messages"][-1]["content"]
    assert "PLAN: 3 replies left." in gameplay.bodies[0]["messages"][-1]["content"]


def test_a_model_that_plays_alone_has_all_turns_of_a_plan(tmp_path: Path, memory: OpenAIStub) -> None:
    said = iter(["<|SEARCH|>rooms.md|door<|END|>", "<|ACTION|>Go East<|END|>"])
    memory.default = speaker(lambda messages: next(said))
    play(tmp_path, 1, scaffold=brief(tmp_path / "brief"), model="vllm:base", base_url=memory.url)
    record = steps_of(tmp_path)[0]
    assert [len(c.calls) for c in record.conversations] == [2]
    assert record.action == "Go East"


def test_one_model_in_both_roles_goes_through_the_same_handoff(tmp_path: Path, memory: OpenAIStub) -> None:
    memory.default = speaker(
        lambda messages: "<|ACTION|>Go East<|END|>" if "HANDOFF" in messages[-1]["content"] else "Nothing to look up."
    )
    play(tmp_path, 1, model="vllm:base", base_url=memory.url, handoff="always")
    record = steps_of(tmp_path)[0]
    assert [(c.role, c.model) for c in record.conversations] == [("memory", "vllm:base"), ("gameplay", "vllm:base")]
    assert record.action == "Go East"

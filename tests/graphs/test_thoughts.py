"""What a model thinks is kept in the trace for people; no operation in it runs, and no prompt holds it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from openai_stub import OpenAIStub, say
from playing import play, steps_of

DRAFT = "I could <|APPEND|>notes.md|a draft<|END|> or <|ACTION|>Go East<|END|>."
ACT = "<|ACTION|>Wait<|END|>"
READ = "<|READ|>notes.md<|END|>"


@pytest.fixture
def server() -> Iterator[OpenAIStub]:
    with OpenAIStub() as stub:
        yield stub


def played(server: OpenAIStub, tmp_path: Path, *replies: Any, **settings: Any) -> Any:
    """The one recorded step of an episode in which these replies are given."""
    server.script(*replies)
    play(tmp_path, model="vllm:stub", base_url=server.url, **settings)
    (step,) = steps_of(tmp_path)
    return step


@pytest.mark.parametrize(
    ("first", "second", "thoughts"),
    [
        (say(f"<think>{DRAFT}</think>{READ}"), say(f"{DRAFT}[/THINK]{ACT}"), (f"<think>{DRAFT}</think>", "[/THINK]")),
        (say(READ, reasoning_content=DRAFT), say(ACT, reasoning=DRAFT), (DRAFT, DRAFT)),
    ],
)
def test_thoughts_are_recorded_apart(
    server: OpenAIStub, tmp_path: Path, first: Any, second: Any, thoughts: tuple[str, str]
) -> None:
    step = played(server, tmp_path, first, second)
    (plan,) = step.conversations
    assert [call.thoughts[-len(end) :] for call, end in zip(plan.calls, thoughts, strict=True)] == list(thoughts)
    assert [one.operation for one in plan.operations] == ["read", "act"]
    assert (step.action, step.action_outcome) == ("Wait", "valid")
    assert "draft" not in json.dumps([plan.messages, server.bodies])


def test_a_thought_cut_in_mid_draft_is_a_truncated_reply(server: OpenAIStub, tmp_path: Path) -> None:
    """Its opening tag is in the prompt, so that nothing in the text says that it is one."""
    step = played(server, tmp_path, say(DRAFT, finish_reason="length"), say(f"Hm.</think>{ACT}"))
    (plan,) = step.conversations
    assert [(one.outcome, one.code) for one in plan.operations] == [("mistake", "truncated"), ("act", None)]
    assert step.action == "Wait"


@pytest.mark.parametrize("dialect", ["tags", "functions"])
def test_a_limit_used_up_by_thinking_has_its_own_advice(server: OpenAIStub, tmp_path: Path, dialect: str) -> None:
    nothing = say("", finish_reason="length", reasoning_content="so much")
    step = played(server, tmp_path, *[nothing] * 10, dialect=dialect)
    assert {one.code for one in step.conversations[0].operations} == {"truncated"}
    assert "think less" in str(server.bodies[1]["messages"][-1]["content"])

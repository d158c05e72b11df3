"""A reply equal to the one before it in its routine is answered so, not run again, and soon ends the routine."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from openai_stub import OpenAIStub, say
from playing import by_turn, play, speaker, steps_of

from graphs.inner_agent.routine import REPEATED
from scaffolds import SHIPPED

READ = "<|READ|>notes.md<|END|>"
NOTE = "<|APPEND|>notes.md|again<|END|>"
WAIT = "<|ACTION|>Wait<|END|>"


@pytest.fixture
def server() -> Iterator[OpenAIStub]:
    with OpenAIStub() as stub:
        yield stub


def played(server: OpenAIStub, tmp_path: Path, steps: int = 1, **settings: Any) -> list[Any]:
    play(tmp_path, steps, model="vllm:stub", base_url=server.url, **settings)
    return steps_of(tmp_path)


def answers(conversation: Any) -> list[str]:
    """What the model is answered, after the opening message."""
    return [message["content"] for message in conversation.messages[2:] if message["role"] in ("user", "tool")]


def test_the_same_again_is_run_once_and_ends_the_routine(server: OpenAIStub, tmp_path: Path) -> None:
    server.default = speaker(lambda messages: READ)
    (step,) = played(server, tmp_path)
    (plan,) = step.conversations
    assert [one.outcome for one in plan.operations] == ["missing", "repeated", "repeated"]
    assert [call.repeated for call in plan.calls] == [False, True, True]
    assert [REPEATED in text for text in answers(plan)] == [False, True]
    assert step.action_outcome == "missing"


def test_a_note_written_twice_is_noted_once(server: OpenAIStub, tmp_path: Path) -> None:
    server.default = by_turn({("LOG", 0): NOTE, ("LOG", 1): f"<think>?</think>{NOTE}", ("LOG", 2): "<|DONE|>"}, WAIT)
    _, step = played(server, tmp_path, 2)
    assert [one.outcome for one in step.conversations[0].operations] == ["written", "repeated", "done"]


def test_an_action_that_was_held_back_is_sent_when_it_is_written_again(server: OpenAIStub, tmp_path: Path) -> None:
    server.default = speaker(lambda messages: f"{READ}\n{WAIT}")
    (step,) = played(server, tmp_path)
    assert (step.action, step.action_outcome, step.model_calls) == ("Wait", "valid", 2)


def test_replies_in_turn_are_no_repeats(server: OpenAIStub, tmp_path: Path) -> None:
    count = "<|COUNT|>notes.md|a<|END|>"
    server.script(*[say(text) for text in (READ, count, READ, count, WAIT)])
    (step,) = played(server, tmp_path)
    assert [call.repeated for call in step.conversations[0].calls] == [False] * 5


def test_replies_of_thoughts_alone_are_compared_by_their_thoughts(server: OpenAIStub, tmp_path: Path) -> None:
    thoughts = ("a", "b", "b")
    server.script(*[say("", finish_reason="length", reasoning_content=one) for one in thoughts], say(WAIT))
    (step,) = played(server, tmp_path)
    assert [call.repeated for call in step.conversations[0].calls] == [False, False, True, False]


def test_a_repeated_mistake_stays_a_mistake_and_calls_are_all_answered(server: OpenAIStub, tmp_path: Path) -> None:
    server.default = speaker(lambda messages: [("read", {"file": "notes.md"}), ("fly", {})])
    (step,) = played(server, tmp_path, dialect="functions")
    (plan,) = step.conversations
    assert [one.outcome for one in plan.operations] == ["missing", "mistake", *["repeated", "mistake"] * 2]
    assert answers(plan)[-2:] == [REPEATED, "Not carried out."]


def test_a_scaffold_says_how_many_repeats_a_routine_may_hold(server: OpenAIStub, tmp_path: Path) -> None:
    folder = tmp_path / "patient"
    shutil.copytree(SHIPPED / "vault" / "v0", folder)
    toml = folder / "scaffold.toml"
    toml.write_text(toml.read_text().replace("[turns]\n", "[turns]\nrepeats = 4\n"))
    server.default = speaker(lambda messages: READ)
    (step,) = played(server, tmp_path, scaffold=str(folder))
    assert step.model_calls == 5

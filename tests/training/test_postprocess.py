"""The transformations and checks that every training example goes through."""

from __future__ import annotations

from typing import Any

import pytest
from effort import effort
from hypothesis import given, settings
from hypothesis import strategies as st
from tool_vocabularies import LOG, PLAN

from tools import dialect
from training.postprocess import Dropped, Processed, process

TAGS = dialect("tags")
VOCABULARY = {"LOG": LOG, "PLAN": PLAN}
SEARCH = "<|SEARCH|>map_notes.md|tree<|END|>"
APPEND = "<|APPEND|>map_notes.md|tree at 3,4<|END|>"
ACT = "<|ACTION|>Do<|END|>"


def talk(*replies: str) -> list[dict[str, Any]]:
    """A conversation of these replies, results between them."""
    messages = [{"role": "system", "content": "rules"}, {"role": "user", "content": "LOG step 3"}]
    for reply in replies:
        messages += [{"role": "assistant", "content": reply}, {"role": "user", "content": "results"}]
    return messages[:-1]


def replies(example: Processed | Dropped) -> list[str]:
    assert isinstance(example, Processed), example
    return [message["content"] for message in example.messages if message["role"] == "assistant"]


def made(routine: str, *said: str, truncated: bool = False) -> Processed | Dropped:
    return process(talk(*said), routine, VOCABULARY[routine], TAGS, truncated=truncated)


def test_an_untouched_turn_stays_as_it_is() -> None:
    example = made("LOG", SEARCH, f"{APPEND}\n<|DONE|>")
    assert replies(example) == [SEARCH, f"{APPEND}\n<|DONE|>"]
    assert isinstance(example, Processed)
    assert example.changed == ()


def test_thoughts_of_every_reply_are_removed() -> None:
    example = made("LOG", f"<think>{APPEND}</think>\n{SEARCH}", f"Hm.</think>{APPEND}\n<|DONE|>")
    assert replies(example) == [SEARCH, f"{APPEND}\n<|DONE|>"]
    assert isinstance(example, Processed)
    assert example.changed == ("thoughts removed",)


def test_a_reply_written_twice_is_not_trained_on() -> None:
    assert made("PLAN", SEARCH, SEARCH) is Dropped.REPEATED
    assert made("PLAN", SEARCH, f"<think>again</think>{SEARCH}") is Dropped.REPEATED


def test_a_fence_around_operations_is_unwrapped() -> None:
    assert replies(made("LOG", f"I note it.\n```text\n{APPEND}\n<|DONE|>\n```")) == [f"I note it.\n{APPEND}\n<|DONE|>"]


def test_log_is_cut_after_done() -> None:
    assert replies(made("LOG", f"{APPEND}\n<|DONE|>\nNow I wait.\n{SEARCH}")) == [f"{APPEND}\n<|DONE|>"]


def test_a_log_that_ends_on_done_alone_keeps_that_reply() -> None:
    assert replies(made("LOG", APPEND, "<|DONE|>")) == [APPEND, "<|DONE|>"]


@pytest.mark.parametrize("written", [ACT, "<ACTION>Do<|END|}", "ACTION: Do", f"{ACT}\n<|ACTION|>Sleep<|END|>"])
def test_the_action_is_stripped_from_plan(written: str) -> None:
    assert replies(made("PLAN", f"{SEARCH}\nThen:\n{written}")) == [SEARCH]


def test_plan_ends_with_its_last_recall() -> None:
    example = made("PLAN", SEARCH, "<|READ|>strategy.md<|END|>", ACT)
    assert replies(example) == [SEARCH, "<|READ|>strategy.md<|END|>"]
    assert isinstance(example, Processed)
    assert example.messages[-1]["role"] == "assistant"
    assert example.changed == ("left out what follows",)


def test_text_after_the_last_operation_is_trimmed_and_thoughts_before_it_stay() -> None:
    assert replies(made("PLAN", f"Where was it?\n{SEARCH}\nI wait for the result.")) == [f"Where was it?\n{SEARCH}"]


@pytest.mark.parametrize(
    ("routine", "said", "why"),
    [
        ("LOG", ["<|DONE|>"], Dropped.NO_OPERATION),
        ("PLAN", [ACT], Dropped.NO_OPERATION),
        ("LOG", ["nothing to note"], Dropped.NO_OPERATION),
        ("LOG", [f"```\nsome code\n```\n{APPEND}"], Dropped.FENCE),
        ("LOG", [f"```\n{APPEND}"], Dropped.FENCE),
        ("PLAN", [f"{SEARCH}\n{ACT}", SEARCH], Dropped.ACTION),
        ("LOG", [f"{SEARCH}\nand then", APPEND], Dropped.TAIL),
        ("LOG", ["hm", APPEND], Dropped.NOTHING),
        ("LOG", [f"<|SERCH|>a|b<|END|>\n{APPEND}"], Dropped.MISTAKE),
        ("LOG", [f"RESULTS\n\n{APPEND}"], Dropped.IMITATION),
        ("LOG", [f"### SEARCH map_notes.md|tree\n3: tree\n{APPEND}"], Dropped.IMITATION),
        ("LOG", [f"PLAN step 4\n{APPEND}"], Dropped.IMITATION),
        ("LOG", [f"{SEARCH}\r\nRESULTS\r\n3: tree\r\n{APPEND}"], Dropped.IMITATION),
        ("LOG", [f"{SEARCH}\n**Results:**\n3: tree\n{APPEND}"], Dropped.IMITATION),
        ("LOG", [f"{SEARCH}\n> ### SEARCH map_notes.md|tree\n> 3: tree\n{APPEND}"], Dropped.IMITATION),
        ("LOG", [f"<|im_start|>assistant\n{APPEND}"], Dropped.CONTROL),
    ],
)
def test_what_teaches_no_memory_or_something_wrong_is_dropped(routine: str, said: list[str], why: Dropped) -> None:
    assert made(routine, *said) is why


def test_a_reply_cut_at_the_token_limit_is_dropped() -> None:
    assert made("LOG", APPEND, truncated=True) is Dropped.TRUNCATED


PIECES = st.sampled_from(
    ["```\n", "```text\n", "~~~\n", SEARCH, APPEND, ACT, "<|DONE|>", "ACTION: Do", "a word", "\n", " ", "<|END|>", "<|"]
)


@settings(max_examples=effort(120, 400), deadline=None)
@given(
    routine=st.sampled_from(["LOG", "PLAN"]),
    said=st.lists(st.lists(PIECES, max_size=8).map("".join), min_size=1, max_size=3),
)
def test_processing_twice_changes_nothing_and_the_result_passes_every_check(routine: str, said: list[str]) -> None:
    once = made(routine, *said)
    if isinstance(once, Dropped):
        return
    again = process(once.messages, routine, VOCABULARY[routine], TAGS)
    assert isinstance(again, Processed)
    assert again.messages == once.messages
    assert again.changed == ()
    for text, original in zip(replies(once), said, strict=False):
        letters = iter(original)
        assert all(letter in letters for letter in text)  # only deletions: what is left comes in the original's order
        reading = TAGS.read({"role": "assistant", "content": text}, VOCABULARY[routine])
        assert not reading.mistakes
        assert "act" not in [call.operation.name for call in reading.calls]
        assert "```" not in text
        assert "~~~" not in text
        assert not text[max(call.span[1] for call in reading.calls if call.span) :].strip()

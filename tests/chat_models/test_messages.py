"""Plain messages to LangChain's and back: nothing is lost, and tool calls stay in order."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from langchain_core.messages import ChatMessage

from chat_models.messages import plain_calls, text_of, to_langchain, to_plain, to_wire

unhurried = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])  # a busy machine is no fault

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
ARGUMENTS = st.one_of(
    TEXT,
    st.dictionaries(TEXT, st.one_of(TEXT, st.integers(-(2**40), 2**40), st.none()), max_size=3).map(json.dumps),
    st.sampled_from(["", "null", "[]", '"x"', "{", '{"a": NaN}', '{"a": 1} x']),
)
CALLS = st.lists(st.tuples(TEXT, ARGUMENTS), min_size=1, max_size=5).map(
    lambda pairs: [
        {"id": f"id-{n}", "type": "function", "function": {"name": name, "arguments": arguments}}
        for n, (name, arguments) in enumerate(pairs)
    ]
)
MESSAGES = st.one_of(
    st.fixed_dictionaries({"role": st.sampled_from(["system", "user", "assistant"]), "content": TEXT}),
    st.fixed_dictionaries({"role": st.just("tool"), "tool_call_id": TEXT, "content": TEXT}),
    st.fixed_dictionaries({"role": st.just("assistant"), "content": TEXT, "tool_calls": CALLS}),
)


@unhurried
@given(st.lists(MESSAGES, max_size=4))
def test_plain_messages_come_back_as_they_were(messages):
    assert [to_plain(message) for message in to_langchain(messages)] == messages


@unhurried
@given(CALLS)
def test_what_goes_to_a_server_has_readable_calls_in_the_same_order(calls):
    (message,) = to_langchain([{"role": "assistant", "content": "", "tool_calls": calls}])
    sent = to_wire(message)["tool_calls"]
    assert [call["id"] for call in sent] == [call["id"] for call in calls]
    for before, after in zip(calls, sent, strict=True):
        shown = json.loads(after["function"]["arguments"])
        assert isinstance(shown, dict)
        assert shown == _wanted(before["function"]["arguments"])
    assert to_plain(message)["tool_calls"] == calls  # what is kept is not what is shown


def _wanted(arguments: str) -> Any:
    def refuse(constant: str) -> None:
        raise ValueError(constant)  # NaN is no JSON, though Python reads it

    try:
        value = json.loads(arguments or "{}", parse_constant=refuse)
    except ValueError:
        value = None
    return value if isinstance(value, dict) else {"unreadable": arguments}


@unhurried
@given(CALLS)
def test_every_call_that_other_providers_are_sent_can_be_answered(calls):
    (message,) = to_langchain([{"role": "assistant", "content": "", "tool_calls": calls}])
    assert [call["id"] for call in message.tool_calls] == [call["id"] for call in calls]
    assert message.invalid_tool_calls == []


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=6,
)


@unhurried
@given(st.lists(JSON | st.fixed_dictionaries({"id": JSON, "function": st.fixed_dictionaries({"arguments": JSON})})))
def test_any_list_of_calls_becomes_well_formed_ones_with_ids_of_their_own(entries):
    calls = plain_calls(entries)
    assert len({call["id"] for call in calls}) == len(entries)
    for call in calls:
        assert call["id"]
        assert {type(value) for value in call["function"].values()} == {str}


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ("as it is", "as it is"),
        ([], ""),
        (None, ""),
        ([{"type": "output_text", "text": "a"}, {"type": "reasoning", "text": "b"}, {"text": "c"}], "ac"),
        ([{"type": "text", "text": None}, {"type": "text"}, 7], ""),
    ],
)
def test_text_is_what_the_model_said_aloud(content, text):
    assert text_of(content) == text


def test_a_message_that_has_no_plain_form_is_refused():
    with pytest.raises(ValueError, match="ChatMessage"):
        to_plain(ChatMessage("hi", role="narrator"))

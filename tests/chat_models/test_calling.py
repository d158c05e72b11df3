"""Calling any chat model: what is retried and how long it waits, what passes through, what comes back."""

from __future__ import annotations

import asyncio
import json

import pytest
from langchain_core.messages import AIMessage, AIMessageChunk
from langchain_core.messages.tool import invalid_tool_call, tool_call, tool_call_chunk
from openai_stub import calls
from openai_stub import tool_call as written_call
from puppet_model import Marking, Puppet, Seeded, puppet

from chat_models import ConfigurationError, FailureKind, ProviderFailure, Retry, acall, call, calling, retrying

HI = [{"role": "user", "content": "hi"}]
TOOLS = [{"type": "function", "function": {"name": "done", "parameters": {"type": "object", "properties": {}}}}]
AT_ONCE = Retry(attempts=3, base_s=0.0)


# Waiting


def test_waits_double_up_to_the_cap_and_are_shortened_by_less_than_half():
    retry = Retry(base_s=1.0, cap_s=5.0)
    for attempt, full in [(1, 1.0), (2, 2.0), (3, 4.0), (4, 5.0), (5, 5.0), (5000, 5.0)]:
        waits = {retry.wait_s(attempt, seed) for seed in range(200)}
        assert len(waits) > 150
        assert full / 2 <= min(waits) < 0.6 * full
        assert 0.9 * full < max(waits) <= full


def test_waits_are_a_function_of_seed_and_attempt():
    retry = Retry()
    assert [retry.wait_s(n, 42) for n in (1, 2, 3)] == [Retry().wait_s(n, 42) for n in (1, 2, 3)]
    assert retry.wait_s(1, 42) != retry.wait_s(1, 43)


def test_what_the_provider_asks_for_is_honoured_within_the_cap():
    retry = Retry(base_s=0.5, cap_s=30.0)
    assert retry.wait_s(1, 0, 7.0) == 7.0
    assert retry.wait_s(1, 0, 3600.0) == 30.0
    assert retry.wait_s(3, 0, 0.001) == retry.wait_s(3, 0)


@pytest.mark.parametrize("wrong", [{"attempts": 0}, {"base_s": -1.0}, {"cap_s": -0.1}])
def test_a_retry_that_makes_no_sense_is_refused(wrong):
    with pytest.raises(ConfigurationError, match="needs at least 1"):
        Retry(**wrong)


def test_the_waits_between_attempts_are_those_of_the_retry(monkeypatch):
    slept: list[float] = []
    monkeypatch.setattr(retrying.time, "sleep", slept.append)

    async def asleep(seconds: float) -> None:
        slept.append(seconds)

    retry = Retry(attempts=3, base_s=0.5)
    errors = [ProviderFailure(FailureKind.RATE_LIMITED, "wait", retry_after_s=9.0), TimeoutError()]
    call(puppet(*errors, "ok"), HI, retry=retry, seed=5)
    with monkeypatch.context() as patch:
        patch.setattr(retrying.asyncio, "sleep", asleep)
        asyncio.run(acall(puppet(*errors, "ok"), HI, retry=retry, seed=5))
    assert slept == [9.0, retry.wait_s(2, 5)] * 2


# Options


def test_a_seed_is_passed_only_where_it_is_understood(ask_puppet):
    plain, seeded = puppet("ok"), puppet("ok", kind=Seeded)
    ask_puppet(plain, seed=7)
    ask_puppet(seeded, seed=7)
    assert "seed" not in plain.asked[0]
    assert seeded.asked[0]["seed"] == 7


def test_tools_are_bound_once_per_model_and_vocabulary(ask_puppet):
    first, second = puppet(*["ok"] * 4), puppet("ok")
    before = Puppet.bound
    for tools in (TOOLS, json.loads(json.dumps(TOOLS)), [*TOOLS, *TOOLS], TOOLS):
        ask_puppet(first, tools=tools)
    assert Puppet.bound - before == 2
    ask_puppet(second, tools=TOOLS)
    assert Puppet.bound - before == 3
    assert [len(asked["tools"]) for asked in first.asked] == [1, 1, 2, 1]


def test_bindings_kept_are_bounded(monkeypatch):
    monkeypatch.setattr(calling, "_BINDINGS_KEPT", 2)
    for _ in range(5):
        call(puppet("ok"), HI, tools=TOOLS)
    assert len(calling._bindings) == 2


@pytest.mark.parametrize(("kind", "marked"), [(Puppet, False), (Marking, True)])
def test_the_system_prompt_is_marked_where_a_cache_keeps_what_is_marked(kind, marked):
    model = puppet("ok", kind=kind)
    call(model, [{"role": "system", "content": "You play."}, *HI])
    system, user = model.asked[0]["messages"]
    block = {"type": "text", "text": "You play.", "cache_control": {"type": "ephemeral"}}
    assert (system.content, user.content) == ([block] if marked else "You play.", "hi")


# What comes back


def test_blocks_of_other_providers_become_their_text(ask_puppet):
    blocks = [{"type": "thinking", "thinking": "hmm"}, {"type": "text", "text": "go "}, "north"]
    completion = ask_puppet(puppet(AIMessage(blocks)))
    assert completion.message == {"role": "assistant", "content": "go north"}
    assert completion.thoughts == "hmm"


def test_thoughts_that_openai_sums_up_are_kept_apart(ask_puppet):
    summary = [{"type": "summary_text", "text": "first"}, {"type": "summary_text", "text": "then"}]
    completion = ask_puppet(
        puppet(AIMessage([{"type": "reasoning", "summary": summary}, {"type": "text", "text": "go"}]))
    )
    assert (completion.message["content"], completion.thoughts) == ("go", "first\nthen")


def test_calls_of_other_providers_come_in_the_order_of_their_blocks(ask_puppet):
    blocks = [{"type": "text", "text": "so"}, {"type": "tool_use", "id": "x"}, {"type": "tool_use", "id": "y"}]
    bad = invalid_tool_call(name="append", args="{", id="x", error="no JSON")
    good = tool_call(name="done", args={}, id="y")
    message = ask_puppet(puppet(AIMessage(blocks, tool_calls=[good], invalid_tool_calls=[bad]))).message
    assert [(c["id"], c["function"]["arguments"]) for c in message["tool_calls"]] == [("x", "{"), ("y", "{}")]


def test_streamed_calls_keep_their_order_and_raw_arguments(ask_puppet):
    pieces = [
        tool_call_chunk(name="append", args='{"file":', id="a", index=0),
        tool_call_chunk(name="done", args="{}", id="b", index=1),
    ]
    message = ask_puppet(puppet(AIMessageChunk("", tool_call_chunks=pieces))).message
    assert [c["function"] for c in message["tool_calls"]] == [
        {"name": "append", "arguments": '{"file":'},
        {"name": "done", "arguments": "{}"},
    ]


@pytest.mark.parametrize(
    ("metadata", "reason"),
    [
        ({"finish_reason": "length"}, "length"),
        ({"stop_reason": "max_tokens"}, "length"),
        ({"finish_reason": "MAX_TOKENS"}, "length"),
        ({"status": "incomplete", "incomplete_details": {"reason": "max_output_tokens"}}, "length"),
        ({"done_reason": "stop"}, "stop"),
        ({"stop_reason": "end_turn"}, "end_turn"),
        ({}, None),
    ],
)
def test_a_cut_reply_says_length_whatever_the_provider_calls_it(ask_puppet, metadata, reason):
    assert ask_puppet(puppet(AIMessage("x", response_metadata=metadata))).finish_reason == reason


def test_counts_are_those_of_the_message_or_unknown(ask_puppet):
    usage = {"input_tokens": 5, "output_tokens": 2, "total_tokens": 7, "input_token_details": {"cache_read": 4}}
    done = ask_puppet(puppet(AIMessage("x", usage_metadata=usage)))
    assert (done.prompt_tokens, done.completion_tokens, done.cached_tokens) == (5, 2, 4)
    assert ask_puppet(puppet("x")).prompt_tokens is None


def test_a_message_of_an_unknown_role_is_our_error():
    with pytest.raises(ValueError, match="not 'narrator'"):
        call(puppet("x"), [{"role": "narrator", "content": "once"}])


# Tool-call arguments that are JSON and no object: LangChain's messages cannot hold them


@pytest.mark.parametrize("arguments", ['"x"', "[1]", "5"])
def test_arguments_that_are_no_object_are_the_models_mistake_through_a_providers_package(stub, ask_puppet, arguments):
    from langchain_openai import ChatOpenAI

    stub.script(calls(written_call("act", arguments), written_call("act", "{}", "call_1"), content="so"))
    model = ChatOpenAI(model="m", base_url=stub.url, api_key="none", max_retries=0)
    completion = ask_puppet(model, tools=TOOLS)
    assert [one["function"]["arguments"] for one in completion.message["tool_calls"]] == [arguments, "{}"]
    assert (completion.message["content"], completion.prompt_tokens, completion.attempts) == ("so", 1200, 1)
    assert completion.finish_reason == "tool_calls"


def test_the_same_is_read_from_the_message_where_the_servers_answer_is_not_at_hand(ask_puppet):
    class Bare(Puppet):
        def _generate(self, messages, stop=None, run_manager=None, **kwargs):
            AIMessage("so", tool_calls=[{"name": "act", "args": [1], "id": "a", "type": "tool_call"}])

    completion = ask_puppet(puppet(kind=Bare))
    assert completion.message["tool_calls"][0]["function"] == {"name": "act", "arguments": "[1]"}
    assert completion.prompt_tokens is None


def test_any_other_fault_of_a_message_stays_a_failure(ask_puppet):
    class Broken(Puppet):
        def _generate(self, messages, stop=None, run_manager=None, **kwargs):
            AIMessage(7)

    with pytest.raises(ProviderFailure):
        ask_puppet(puppet(kind=Broken))


@pytest.mark.parametrize("reason", ["error", "ERROR", "Abort"])
def test_a_reply_in_which_the_provider_gave_up_is_a_failed_call(reason: str):
    broken = AIMessage("<|ACT", response_metadata={"finish_reason": reason})
    assert call(puppet(broken, AIMessage("whole")), HI, retry=AT_ONCE).message["content"] == "whole"
    with pytest.raises(ProviderFailure, match=f"gave up in the middle of a reply .finish reason {reason}") as caught:
        call(puppet(broken, broken, broken), HI, retry=AT_ONCE)
    assert caught.value.kind is FailureKind.INTERRUPTED

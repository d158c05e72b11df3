"""A served model against the stub server: what is sent, what is read, and what counts as a failure."""

from __future__ import annotations

import asyncio
import json

import pytest
from langchain_core.messages import AIMessage, HumanMessage
from openai_stub import (
    OpenAIStub,
    calls,
    completion,
    raw,
    say,
    tool_call,
)

from chat_models import Retry, chat_model
from chat_models.served import ServedChatModel

TOOLS = [{"type": "function", "function": {"name": "done", "description": "end", "parameters": {"type": "object"}}}]
ONCE = Retry(attempts=1)


# What is sent


def test_a_request_carries_the_papers_sampling_and_the_seed_of_the_call(stub, ask):
    ask("hello", seed=11)
    assert stub.bodies == [
        {
            "model": "m",
            "messages": [{"role": "user", "content": "hello"}],
            "temperature": 1.0,
            "max_tokens": 4096,
            "seed": 11,
        }
    ]
    assert stub.headers[0]["authorization"] == "Bearer none"


def test_tools_are_sent_as_they_are_and_only_when_given(stub, ask):
    ask(tools=TOOLS)
    ask(tools=None)
    assert stub.bodies[0]["tools"] == TOOLS
    assert "tools" not in stub.bodies[1]
    assert "seed" not in stub.bodies[1]


def test_bound_tools_and_options_reach_the_server(stub, model):
    bound = model.bind_tools(TOOLS, tool_choice="any").bind(extra_body={"top_k": 20}, stop=["<|END|>"])
    bound.invoke("hi")
    sent = stub.bodies[0]
    assert (sent["tools"], sent["tool_choice"], sent["top_k"], sent["stop"]) == (TOOLS, "required", 20, ["<|END|>"])
    assert "extra_body" not in sent


@pytest.mark.parametrize("base_url", ["https://api.openai.com/v1", "https://eu.api.openai.com/v1"])
def test_openai_itself_is_sent_its_own_name_of_the_token_limit(base_url):
    model = chat_model("openai:gpt", world="none", base_url=base_url, api_key="key-for-test", max_tokens=7)
    payload = model._get_request_payload("hi")
    assert (payload["max_completion_tokens"], payload.get("max_tokens")) == (7, None)


def test_any_other_server_is_sent_max_tokens(stub):
    model = chat_model("openai:gpt", world="none", base_url="https://notopenai.com/v1", api_key="k", max_tokens=7)
    payload = model._get_request_payload("hi")
    assert (payload["max_tokens"], payload.get("max_completion_tokens")) == (7, None)
    pictures = [HumanMessage([{"type": "text", "text": "hi"}])]
    assert model._get_request_payload(pictures)["max_tokens"] == 7  # the parent's way of building a payload


def test_a_conversation_with_tool_calls_is_sent_in_the_order_written_and_readable_for_servers(stub, ask):
    written = [
        {"id": "a", "type": "function", "function": {"name": "append", "arguments": '{"file": "x"'}},
        {"id": "b", "type": "function", "function": {"name": "done", "arguments": ""}},
        {"id": "c", "type": "function", "function": {"name": "read", "arguments": '{"file":"x"}'}},
        {"id": "d", "type": "function", "function": {"name": "read", "arguments": '"x"'}},
    ]
    messages = [
        {"role": "system", "content": "rules"},
        {"role": "user", "content": "LOG step 2"},
        {"role": "assistant", "content": "", "tool_calls": written},
        *({"role": "tool", "tool_call_id": key, "content": "ok"} for key in "abcd"),
    ]
    ask(messages=messages)
    sent = stub.bodies[0]["messages"]
    assert [m["role"] for m in sent] == ["system", "user", "assistant", "tool", "tool", "tool", "tool"]
    assert [c["id"] for c in sent[2]["tool_calls"]] == ["a", "b", "c", "d"]
    assert [json.loads(c["function"]["arguments"]) for c in sent[2]["tool_calls"]] == [
        {"unreadable": '{"file": "x"'},
        {},
        {"file": "x"},
        {"unreadable": '"x"'},
    ]
    assert [m["tool_call_id"] for m in sent[3:]] == ["a", "b", "c", "d"]


# What is read


def test_an_answer_becomes_plain_data_with_its_counts(stub, ask):
    stub.script(say("<|DONE|>"))
    done = ask()
    assert done.message == {"role": "assistant", "content": "<|DONE|>"}
    assert (done.prompt_tokens, done.completion_tokens, done.cached_tokens) == (1200, 7, 1000)
    assert (done.attempts, done.finish_reason) == (1, "stop")
    assert done.latency_s > 0


@pytest.mark.parametrize("usage", [None, {}, {"prompt_tokens": None, "completion_tokens": 3}, {"prompt_tokens": "9"}])
def test_counts_that_the_server_does_not_give_are_not_made_up(stub, ask, usage):
    stub.script(say("x", usage=usage))
    done = ask()
    assert (done.prompt_tokens, done.completion_tokens, done.cached_tokens) == (None, None, None)


def test_counts_without_details_are_read(stub, ask):
    stub.script(say("x", usage={"prompt_tokens": 5, "completion_tokens": 2, "prompt_tokens_details": None}))
    done = ask()
    assert (done.prompt_tokens, done.completion_tokens, done.cached_tokens) == (5, 2, None)


def test_tool_calls_come_in_the_order_written_with_raw_arguments(stub, ask):
    broken = '{"file": "map", "text":'
    entries = [tool_call("append", broken, "a"), tool_call("nope", '{"x": 1}', "b"), tool_call("act", '["Do"]', "c")]
    stub.script(calls(*entries))
    done = ask()
    assert done.message == {"role": "assistant", "content": "", "tool_calls": entries}
    assert done.finish_reason == "tool_calls"


def test_langchain_sees_readable_and_unreadable_calls_apart(stub, model):
    stub.script(calls(tool_call("append", "{", "a"), tool_call("act", '{"action": "Do"}', "b")))
    message = model.invoke("hi")
    assert [(c["name"], c["args"]) for c in message.tool_calls] == [("act", {"action": "Do"})]
    assert [(c["name"], c["args"]) for c in message.invalid_tool_calls] == [("append", "{")]
    assert message.response_metadata["finish_reason"] == "tool_calls"
    assert message.usage_metadata["total_tokens"] == 1207


def test_odd_calls_get_ids_of_their_own_and_text_as_arguments(stub, ask):
    entries = [
        tool_call("read", {"file": "x"}, None),
        tool_call("done", None, "same"),
        tool_call(None, "{}", "same"),
        {"function": None},
        "nonsense",
    ]
    stub.script(calls(*entries))
    made = ask().message["tool_calls"]
    assert [c["id"] for c in made] == ["call_0", "same", "call_2", "call_3", "call_4"]
    assert [c["function"]["name"] for c in made] == ["read", "done", "", "", ""]
    assert [c["function"]["arguments"] for c in made] == ['{"file": "x"}', "", "{}", "", ""]


def test_a_call_in_the_form_from_before_tool_calls_is_read(stub, ask):
    stub.script(say(None, function_call={"name": "done", "arguments": "{}"}))
    assert ask().message["tool_calls"][0]["function"] == {"name": "done", "arguments": "{}"}


def test_reasoning_is_kept_for_people_and_no_part_of_the_reply(stub, model, ask):
    stub.script(say("go north", reasoning_content="hmm"), say("go north", reasoning="hmm"))
    assert ask().message == {"role": "assistant", "content": "go north"}
    assert model.invoke("hi").additional_kwargs["reasoning_content"] == "hmm"


@pytest.mark.parametrize("content", [None, ""])
def test_an_empty_reply_is_the_models_mistake_and_no_failure(stub, ask, content):
    stub.script(say(content))
    done = ask()
    assert (done.message["content"], done.attempts) == ("", 1)


def test_a_refusal_is_what_the_model_said(stub, ask):
    stub.script(say(None, refusal="I cannot."))
    assert ask().message["content"] == "I cannot."


def test_content_in_parts_is_their_text(stub, ask):
    parts = [{"type": "text", "text": "go "}, {"type": "thinking", "text": "?"}, {"type": "text", "text": "on"}]
    stub.script(say(parts))
    assert ask().message["content"] == "go on"


def test_a_reply_cut_by_the_token_limit_says_so(stub, ask):
    stub.script(say("<|APPEND|>map|tr", finish_reason="length"))
    done = ask()
    assert (done.message["content"], done.finish_reason) == ("<|APPEND|>map|tr", "length")


def test_half_a_character_does_not_cost_the_reply(stub, ask):
    payload = json.dumps(completion("m", "PLACE")).replace("PLACE", "caf\\ud83d")
    stub.script(raw(payload))
    done = ask()
    assert (done.message["content"], done.attempts) == ("caf?", 1)


# What is left to ChatOpenAI


def test_streaming_works_in_loop_after_loop_when_it_is_asked_for(stub):
    model = ServedChatModel(model="m", base_url=stub.url, api_key="none", disable_streaming=False, stream_usage=True)
    stub.default = say("hello")

    async def streamed() -> AIMessage:
        chunks = [chunk async for chunk in model.astream("hi")]
        assert len(chunks) > 1
        return sum(chunks[1:], chunks[0])

    for _ in range(2):
        whole = asyncio.run(streamed())
        assert (whole.content, whole.usage_metadata["input_tokens"]) == ("hello", 1200)
    assert [body["stream"] for body in stub.bodies] == [True, True]


def test_by_default_a_streamed_call_is_one_whole_reply(stub, model):
    assert [chunk.content for chunk in model.stream("hi") if chunk.content] == ["hello"]
    assert "stream" not in stub.bodies[0]


def test_structured_output_goes_through_the_parent(stub, model):
    stub.script(say('{"answer": 7}'))
    schema = {"title": "Answer", "type": "object", "properties": {"answer": {"type": "integer"}}}
    assert model.with_structured_output(schema, method="json_schema").invoke("hi") == {"answer": 7}
    assert stub.bodies[0]["response_format"]["type"] == "json_schema"
    assert stub.bodies[0]["max_tokens"] == 4096


def test_models_at_one_address_share_its_connections(stub: OpenAIStub, model):
    other = chat_model("vllm:other", world="none", base_url=stub.url)
    for asked in (model, other, model.model_copy()):
        asked.invoke("hi")
    assert [body["model"] for body in stub.bodies] == ["m", "other", "m"]
    assert stub.connections == 1

"""The agent that works with tools: order, faults, limits, retries, and a conversation that survives being killed."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from agent_desk import Desk, noted
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage, ToolMessage
from openai_stub import OpenAIStub, say, tool_call
from puppet_agent import PuppetAgent, puppet_agent

from chat_models import ConfigurationError, ProviderFailure, Retry, chat_model
from graphs.agent.loop import AgentLimits, spent_on
from graphs.agent.transcript import Transcript
from graphs.settings import SettingsError
from graphs.spending import Price
from traces import TraceDamaged, TraceFailure


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def test_it_works_until_it_answers_without_a_tool(desk: Desk) -> None:
    model = puppet_agent(noted("one"), "all is done")
    run = desk.run(model)
    assert (run.finished, run.answer, run.spent.calls, run.spent.tokens) == (True, "all is done", 2, 220)
    assert desk.lines() == [
        ("system", "be good"),
        ("human", "do it"),
        ("ai", ""),
        ("tool", "noted one"),
        ("ai", "all is done"),
    ]
    assert model.asked[0] == [SystemMessage("be good"), model.asked[0][1]]
    assert model.tools[0] == ["note", "fail", "tell"]


@pytest.mark.parametrize(("kind", "mark"), [("puppet-agent", None), ("anthropic-chat", {"type": "ephemeral"})])
def test_the_conversation_is_marked_where_a_cache_keeps_what_is_marked(
    desk: Desk, kind: str, mark: dict[str, str] | None
) -> None:
    model = puppet_agent(noted("one"), "all is done")
    model.kind = kind
    assert desk.run(model).answer == "all is done"
    assert model.options.get("cache_control") == mark


def test_calls_of_one_message_run_one_after_the_other_in_the_order_written(desk: Desk) -> None:
    texts = ["slow", "b", "slow", "d", "e", "f", "g", "h", "i", "slow", "k", "l"]
    desk.run(puppet_agent(noted(*texts), "done"))
    assert desk.done == texts
    assert [content for kind, content in desk.lines() if kind == "tool"] == [f"noted {text}" for text in texts]


def test_the_order_holds_where_a_server_gives_every_reply_the_same_ids(desk: Desk) -> None:
    def numbered(*texts: str) -> AIMessage:
        calls = [{"name": "note", "args": {"text": text}, "id": f"call_{n}"} for n, text in enumerate(texts)]
        return AIMessage("", tool_calls=calls)

    desk.run(puppet_agent(numbered("a", "b", "c"), numbered("slow", "d", "e"), "done"))
    assert desk.done == ["a", "b", "c", "slow", "d", "e"]


def test_other_middleware_composes_with_ours(desk: Desk) -> None:
    from langchain.agents import create_agent
    from langchain.agents.middleware import AgentMiddleware

    from graphs.agent.middleware import Middleware

    class Stamping(AgentMiddleware[Any, Any, Any]):
        """Stands inside of ours: sees each request on its way, and marks each result on its way back."""

        async def awrap_model_call(self, request: Any, handler: Any) -> Any:
            return await handler(request.override(messages=[*request.messages, HumanMessage("stamped")]))

        async def awrap_tool_call(self, request: Any, handler: Any) -> Any:
            answer = await handler(request)
            return answer.model_copy(update={"content": f"{answer.text}, stamped"})

    model = puppet_agent(noted("a", "b"), "done")
    with Transcript(desk.transcript) as talk:
        talk.begin("be good", "do it")
        ours = Middleware(talk, model, Retry(attempts=2, base_s=0), 10**6, lambda: None)
        agent = create_agent(model, desk.tools(), middleware=[ours, Stamping()], checkpointer=False)
        asyncio.run(agent.ainvoke({"messages": talk.messages[1:]}))
    assert [content for kind, content in desk.lines() if kind == "tool"] == ["noted a, stamped", "noted b, stamped"]
    assert [messages[-1].text for messages in model.asked] == ["stamped", "stamped"]


@pytest.mark.parametrize("ceiling", ["tokens", "cost"])
def test_a_limit_of_tokens_ends_where_the_server_reports_none(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, ceiling: str
) -> None:
    monkeypatch.setattr(Transcript, "append", _without_usage(Transcript.append))
    with pytest.raises(SettingsError, match=f"does not report the tokens it uses, so the ceiling {ceiling} cannot be"):
        desk.run(puppet_agent(noted("a"), "done"), **{ceiling: 1e6})
    run = desk.run(puppet_agent("done"))
    assert (run.finished, run.spent.tokens, run.spent.cost) == (True, None, None)


def _without_usage(append: Any) -> Any:
    def appended(self: Transcript, message: Any, seconds: float = 0.0) -> None:
        if isinstance(message, AIMessage):
            message.usage_metadata = None
        append(self, message, seconds)

    return appended


def test_whatever_is_wrong_with_a_call_comes_back_as_an_error(desk: Desk) -> None:
    unreadable = AIMessage(
        "",
        invalid_tool_calls=[
            {"name": "note", "args": '{"text": "a', "id": "1", "error": "", "type": "invalid_tool_call"}
        ],
    )
    calls = [("nothing", {}), ("note", {"txt": "a"}), ("fail", {"how": "bug"}), ("note", {"text": "fine"})]
    desk.run(puppet_agent(unreadable, calls, "done"))
    answers = [content for kind, content in desk.lines() if kind == "tool"]
    assert "no JSON object" in answers[0]
    assert answers[1] == "There is no tool 'nothing'."
    assert answers[2] == "note was not called: text: Field required."
    assert answers[3] == "The tool failed (KeyError: 'x'). Try something else."
    assert answers[4] == "noted fine"


def test_calls_left_in_the_text_are_carried_out_without_their_thoughts(
    desk: Desk, caplog: pytest.LogCaptureFixture
) -> None:
    text = '<think>{draft}</think>So.\n<tool_call>\n{"name": "note", "arguments": {"text": "a"}}\n</tool_call>'
    named = AIMessage("", tool_calls=[{"name": "note<|channel|>commentary", "args": {"text": "b"}, "id": "1"}])
    model = puppet_agent(text, named, "<think>fine</think>done")
    assert desk.run(model).answer == "done"
    assert desk.done == ["a", "b"]
    assert [one.text for one in model.asked[2] if isinstance(one, AIMessage)] == ["So.", ""]
    assert len([one for one in caplog.records if "--enable-auto-tool-choice" in one.message]) == 1


def test_repeated_and_missing_call_ids_are_told_apart(desk: Desk) -> None:
    calls = [{"name": "note", "args": {"text": text}, "id": call_id, "type": "tool_call"} for text, call_id in
             (("a", "same"), ("b", "same"), ("c", None))]  # fmt: skip
    model = puppet_agent(AIMessage("", tool_calls=calls), "done")
    desk.run(model)
    assert desk.done == ["a", "b", "c"]
    answered = [message.tool_call_id for message in model.asked[1] if isinstance(message, ToolMessage)]
    asked = [call["id"] for message in model.asked[1] if isinstance(message, AIMessage) for call in message.tool_calls]
    assert answered == asked
    assert len(set(answered)) == 3


def test_a_full_disk_under_a_tool_ends_the_run_and_later_calls_are_not_made(desk: Desk) -> None:
    with pytest.raises(TraceFailure, match="cannot run fail on this disk: the disk is full"):
        desk.run(puppet_agent([*noted("a"), ("fail", {"how": "disk"}), *noted("b")]))
    assert desk.done == ["a", "disk"]
    assert desk.run(puppet_agent("done")).finished
    assert desk.done == ["a", "disk", "disk", "b"]
    assert [content for kind, content in desk.lines() if kind == "tool"] == ["noted a", "mended", "noted b"]


def test_a_passing_failure_is_waited_out_and_a_lasting_one_is_raised(desk: Desk) -> None:
    model = puppet_agent(ConnectionError("broken"), noted("a"), ConnectionError("broken"), "done")
    assert desk.run(model, retry=Retry(attempts=2, base_s=0)).finished
    model = puppet_agent(ConnectionError("broken"), ConnectionError("still"))
    with pytest.raises(ProviderFailure, match="2 attempts"):
        desk.run(model, message="more", retry=Retry(attempts=2, base_s=0))
    with pytest.raises(AssertionError, match="script has ended"):
        desk.run(puppet_agent(), message="more")  # our own mistakes are no provider's


def test_after_a_lasting_failure_the_same_message_goes_on_where_it_stopped(desk: Desk) -> None:
    with pytest.raises(ProviderFailure):
        desk.run(puppet_agent(noted("a"), ConnectionError("gone")))
    model = puppet_agent(noted("b"), "done")
    run = desk.run(model)
    assert desk.done == ["a", "b"]
    assert [type(message) for message in model.asked[0]] == [SystemMessage, HumanMessage, AIMessage, ToolMessage]
    assert run.spent.calls == 3


def test_what_was_finished_is_not_asked_again_and_the_next_message_follows_it(desk: Desk) -> None:
    desk.run(puppet_agent(noted("a"), "first answer"))
    again = desk.run(puppet_agent())
    assert (again.finished, again.answer, again.spent.calls) == (True, "first answer", 2)
    model = puppet_agent("second answer")
    second = desk.run(model, message="mend it")
    assert second.spent.calls == 1
    assert [message.text for message in model.asked[0] if isinstance(message, HumanMessage)] == ["do it", "mend it"]
    assert desk.run(puppet_agent(), message="do it").answer == "first answer"
    assert desk.run(puppet_agent(), message="mend it").answer == "second answer"
    assert spent_on(desk.transcript).calls == 3


def test_a_limit_counts_the_whole_conversation_and_what_was_spent_before_a_failure_once(desk: Desk) -> None:
    with pytest.raises(ProviderFailure):
        desk.run(puppet_agent(noted("a"), noted("b"), ConnectionError("gone")))
    limits = AgentLimits.leaving({"calls": 1}, desk.transcript, None, 0.0)
    assert limits.calls == 3
    assert desk.run(puppet_agent("done"), calls=limits.calls).finished
    more = desk.run(puppet_agent(), message="more", calls=limits.calls)
    assert (more.finished, more.reason) == (False, "the agent's ceiling of 3 model calls is reached")


@pytest.mark.parametrize("cut", range(1, 7))
def test_killed_after_any_line_it_goes_on_and_ends_the_same(desk: Desk, cut: int) -> None:
    whole = puppet_agent(noted("a", "b"), noted("c"), "done")
    desk.run(whole)
    lines = desk.transcript.read_text().splitlines(keepends=True)
    desk.transcript.write_text("".join(lines[:cut]) + lines[cut][: len(lines[cut]) // 2])
    desk.done.clear()
    replies = sum('"type":"ai"' in line[:12] for line in lines[:cut])
    run = desk.run(PuppetAgent(script=whole.script[replies:], asked=[], tools=[]))
    assert run.answer == "done"
    plain = [json.loads(line)["data"] for line in desk.transcript.read_text().splitlines()]
    assert [one["content"] for one in plain] == [json.loads(line)["data"]["content"] for line in lines]


def test_a_line_that_is_no_message_is_named(desk: Desk) -> None:
    desk.run(puppet_agent("done"))
    desk.transcript.write_text("{}\n" + desk.transcript.read_text())
    with pytest.raises(TraceDamaged, match=r"talk\.jsonl:1 is no message"):
        desk.run(puppet_agent("done"))


@pytest.mark.parametrize(
    ("limits", "reason"),
    [
        ({"turns": 2}, "its 2 turns are used up"),
        ({"calls": 2}, "the agent's ceiling of 2 model calls is reached"),
        ({"tokens": 150}, "the agent's ceiling of 150 tokens is reached"),
        ({"cost": 0.0002, "price": Price(prompt=1.0, completion=1.0)}, "ceiling of 0.0002 US dollars"),
    ],
)
def test_a_limit_ends_it_cleanly_and_it_can_go_on_with_a_higher_one(
    desk: Desk, limits: dict[str, Any], reason: str
) -> None:
    run = desk.run(puppet_agent(noted("a"), noted("b")), **limits)
    assert (run.finished, run.answer, run.spent.calls) == (False, "", 2)
    assert reason in run.reason
    assert desk.run(puppet_agent("done")).finished
    assert desk.done == ["a", "b"]


def test_turns_count_for_each_message_anew(desk: Desk) -> None:
    for message in ("one", "two", "three"):
        assert desk.run(puppet_agent(noted("a"), "done"), message=message, turns=2).finished


def test_an_empty_or_cut_reply_is_no_answer(desk: Desk) -> None:
    cut = AIMessage("I will now", response_metadata={"finish_reason": "length"})
    model = puppet_agent("", cut, noted("a"), "done")
    assert desk.run(model).answer == "done"
    said = [message.text for message in model.asked[-1] if isinstance(message, HumanMessage)]
    assert [words.split(".")[0] for words in said[1:]] == [
        "Your reply is empty",
        "Your reply was cut at the limit of new tokens",
    ]
    run = desk.run(puppet_agent("", "", "", ""), message="again")
    assert not run.finished
    assert run.reason == "the model's reply is empty, for the 4th time in a row"


def test_a_model_that_calls_no_tools_is_refused_before_anything_is_written(desk: Desk) -> None:
    from langchain_core.language_models import GenericFakeChatModel

    with pytest.raises(ConfigurationError, match="needs a model that calls tools"):
        desk.run(GenericFakeChatModel(messages=iter([])))
    assert not desk.transcript.exists()


def test_a_tools_megabytes_are_cut(desk: Desk) -> None:
    desk.run(puppet_agent([("tell", {"characters": 2_000_000})], "done"))
    told = next(content for kind, content in desk.lines() if kind == "tool")
    assert len(told) < 41_000
    assert told.endswith("(cut: 2,000,000 characters in all; ask for less)")


def test_a_served_model_works_through_the_same_loop(desk: Desk) -> None:
    with OpenAIStub() as server:
        server.script(
            say(None, tool_calls=[tool_call("note", '{"text": "a"}', "1"), tool_call("note", '{"text": ', "2")]),
            say("done"),
        )
        run = desk.run(chat_model("vllm:m", world="", base_url=server.url))
    assert (run.answer, desk.done) == ("done", ["a"])
    sent = server.bodies[-1]["messages"]
    assert [message["role"] for message in sent] == ["system", "user", "assistant", "tool", "tool"]
    arguments = [json.loads(call["function"]["arguments"]) for call in sent[2]["tool_calls"]]
    assert arguments == [{"text": "a"}, {"unreadable": '{"text": '}]

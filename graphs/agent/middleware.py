"""Between LangChain's agent loop, its model and its tools: retries, budget, order, faults, the transcript.

LangChain's own ModelRetryMiddleware ignores Retry-After, and its context editing moves its cut with every turn, which a
prefix cache pays for: hence ours. Both wraps call the handler they are given, so that other middleware composes.
Importing this imports LangChain's agents; `tool_agent` does so when an agent is run.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

import orjson
from langchain.agents.middleware import AgentMiddleware, AgentState, ModelRequest, ModelResponse, hook_config
from langchain.agents.middleware.types import ToolCallRequest
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, AnyMessage, BaseMessage, HumanMessage, ToolCall, ToolMessage
from langchain_core.tools import BaseTool
from langgraph.runtime import Runtime
from pydantic import BaseModel, ValidationError

from chat_models.calling import CACHE_MARK, CHANGES, caches_what_is_marked
from chat_models.failures import NO_PARSER, where_of
from chat_models.messages import UNREADABLE, assistant_message, calls_of, plain_calls, reply_in
from chat_models.retrying import Retry, aretried
from graphs.agent.transcript import NUDGE, Transcript, unfinished
from tools.thoughts import separate
from tools.written_calls import function_name, written_calls
from traces.folders import disk_failure

logger = logging.getLogger(__name__)

NUDGES = 3
"""Empty or cut replies in a row after which the agent is given up."""
RESULT_CHARACTERS = 40_000
"""A tool's result is cut here, should the tool not have done so: ten thousand tokens."""


class Ended(Exception):
    """The agent stops before it has answered; the message is the reason, a clause."""


class Middleware(AgentMiddleware[AgentState[Any], Any, Any]):
    """One conversation's. `before_call` is asked before every model call and may raise to end it."""

    def __init__(
        self, talk: Transcript, model: BaseChatModel, retry: Retry, room: int, before_call: Callable[[], None]
    ) -> None:
        super().__init__()
        self._talk = talk
        self._model = model
        self._retry = retry
        self._room = room
        self._before_call = before_call
        self._ends: dict[str, asyncio.Event] = {}
        self._broken: BaseException | None = None
        self._warned: set[str] = set()

    # Model calls

    async def awrap_model_call(
        self, request: ModelRequest[Any], handler: Callable[[ModelRequest[Any]], Awaitable[ModelResponse[Any]]]
    ) -> ModelResponse[Any]:
        """Ask the model, patiently."""
        asked = self._asked(request)

        async def ask() -> ModelResponse[Any]:
            try:
                return await handler(asked)
            except ValidationError as error:
                return ModelResponse(result=[reply_in(error)])

        began, response, _ = await aretried(ask, self._model, self._retry)
        return self._replied(response, time.perf_counter() - began)

    @hook_config(can_jump_to=["model"])
    def after_model(self, state: AgentState[Any], runtime: Runtime[Any]) -> dict[str, Any] | None:
        """An empty or cut reply is no answer: say so and ask again. Ended after a few."""
        nudge = self.nudge(state["messages"][-1])
        return None if nudge is None else {"messages": [nudge], "jump_to": "model"}

    def nudge(self, last: BaseMessage) -> HumanMessage | None:
        """What is said, and written down, after a reply that is no answer; None after anything else."""
        if not isinstance(last, AIMessage) or last.tool_calls or not (wrong := unfinished(last)):
            return None
        if self._talk.nudges >= NUDGES:
            raise Ended(f"the model's reply {wrong}, for the {NUDGES + 1}th time in a row")
        words = f"Your reply {wrong}. Go on in smaller pieces; when all is done, end with a short answer in words."
        nudge = HumanMessage(words, additional_kwargs={NUDGE: True})
        self._talk.append(nudge)
        return nudge

    def _asked(self, request: ModelRequest[Any]) -> ModelRequest[Any]:
        self._before_call()
        asked = request.override(messages=fitted(request.messages, self._room))
        if not caches_what_is_marked(self._model):
            return asked
        # The whole conversation is marked: the next call repeats it.
        return asked.override(model_settings={**asked.model_settings, "cache_control": dict(CACHE_MARK)})

    def _replied(self, response: ModelResponse[Any], seconds: float) -> ModelResponse[Any]:
        reply = response.result[-1]
        assert isinstance(reply, AIMessage), "a chat model answers with an AIMessage"
        changes, as_sent = list(reply.response_metadata.get(CHANGES, ())), calls_of(reply)
        reply = readable(reply)
        if reply.tool_calls and not as_sent:
            changes.append(f"It writes its tool calls as text, where they are read: {NO_PARSER}.")
        for change in changes:
            if change not in self._warned:
                self._warned.add(change)
                logger.warning(f"{where_of(self._model)}: {change}")
        self._ends = {}  # some servers give the calls of every reply the same ids
        self._talk.append(reply, seconds)
        return ModelResponse(result=[reply])

    # Tool calls

    async def awrap_tool_call(
        self, request: ToolCallRequest, handler: Callable[[ToolCallRequest], Awaitable[Any]]
    ) -> ToolMessage:
        """Carry out a tool call when those written before it are done."""
        before = self._before(request)
        if before is not None:
            await before.wait()
        try:
            return await self.carry_out(request.tool, request.tool_call, lambda: handler(request))
        finally:
            self._ends.setdefault(str(request.tool_call["id"]), asyncio.Event()).set()

    async def carry_out(
        self, tool: BaseTool | None, call: ToolCall, run: Callable[[], Awaitable[Any]] | None = None
    ) -> ToolMessage:
        """The answer to a tool call, in the transcript too. `run` calls the tool; it is called directly if None."""
        if self._broken is not None:  # the machine failed under an earlier call of this message
            raise self._broken
        began = time.monotonic()
        try:
            answer = _refused(tool, call)
            if answer is None:
                assert tool is not None, "an unknown tool is refused"
                answer = await _ran(call, run or (lambda: tool.ainvoke({**call, "type": "tool_call"})))
            await asyncio.to_thread(self._talk.append, answer, time.monotonic() - began)
        except BaseException as error:
            self._broken = error
            raise
        return answer

    def _before(self, request: ToolCallRequest) -> asyncio.Event | None:
        """What is set when the call written before this one is done; None for the first."""
        last: AIMessage = next(one for one in reversed(request.state["messages"]) if isinstance(one, AIMessage))
        ids = [str(call["id"]) for call in last.tool_calls]
        place = ids.index(str(request.tool_call["id"]))
        return self._ends.setdefault(ids[place - 1], asyncio.Event()) if place else None


def _refused(tool: BaseTool | None, call: ToolCall) -> ToolMessage | None:
    """The answer to a call that no tool can take; None where the tool can be called."""
    if tool is None:
        return _error(call, f"There is no tool {call['name']!r}.")
    if call["args"].keys() == {UNREADABLE}:
        return _error(call, "The arguments of this call are no JSON object: write it again, shorter if it was cut.")
    schema = tool.get_input_schema()
    try:
        if issubclass(schema, BaseModel):  # not one of pydantic's first version, which no tool of ours has
            schema.model_validate(call["args"])
    except ValidationError as error:
        faults = "; ".join(f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors()[:5])
        return _error(call, f"{call['name']} was not called: {faults}.")
    return None


async def _ran(call: ToolCall, run: Callable[[], Awaitable[Any]]) -> ToolMessage:
    """What the tool answers; a fault in it is the answer, as an error. The machine's failures are raised."""
    try:
        answer = await run()
    except MemoryError:
        raise
    except OSError as error:  # the machine's: no sentence to the model helps
        raise disk_failure(f"run {call['name']} on", Path(str(error.filename or "this disk")), error) from error
    except Exception as error:  # a tool's fault must not end the agent; it is logged as ours
        logger.error("the tool %s failed", call["name"], exc_info=error)
        return _error(call, f"The tool failed ({type(error).__name__}: {error}). Try something else.")
    assert isinstance(answer, ToolMessage), "a tool that is given a call answers with a message"
    if len(answer.text) > RESULT_CHARACTERS:
        cut = f"{answer.text[:RESULT_CHARACTERS]}\n… (cut: {len(answer.text):,} characters in all; ask for less)"
        answer = answer.model_copy(update={"content": cut})
    return answer.model_copy(update={"artifact": None})


def _error(call: ToolCall, sentence: str) -> ToolMessage:
    return ToolMessage(sentence[:4_000], tool_call_id=str(call["id"]), name=call["name"], status="error")


def readable(reply: AIMessage) -> AIMessage:
    """The reply without thoughts in its text, and with every call the model wrote among its tool calls.

    They are in the order written, each with an id of its own. LangChain keeps a call whose arguments cannot be read
    apart, and leaves one that the server did not recognise in the text: an agent would take such a reply for its end.
    """
    calls, kept, content = calls_of(reply), dict(reply.additional_kwargs), reply.content
    as_read = [(call["id"], call["name"]) for call in reply.tool_calls]
    if isinstance(content, str):
        thoughts, content = separate(content)
        if thoughts:
            kept["reasoning_content"] = f"{kept.get('reasoning_content') or ''}{thoughts}"
        if not calls:
            found = written_calls(content)
            calls, content = plain_calls(found.calls), found.text
    for call in calls:
        call["function"] = {**call["function"], "name": function_name(call["function"]["name"])}
    if content == reply.content and as_read == [(call["id"], call["function"]["name"]) for call in calls]:
        return reply
    written = assistant_message("", calls, show_unreadable=True, additional_kwargs=kept)
    fields = ("tool_calls", "additional_kwargs", "invalid_tool_calls")
    return reply.model_copy(update={"content": content, **{name: getattr(written, name) for name in fields}})


def conversation(messages: Sequence[BaseMessage]) -> list[Any]:
    """The messages an agent's state begins with: all but the system's, which the agent adds itself."""
    return list(messages[1:])


DEFAULT_CHARACTERS = 300_000
"""About 100,000 tokens: what today's smallest contexts of strong models hold."""
CHARACTERS_PER_TOKEN = 2.4
"""Of a model's context that says how many tokens it takes: three a token in code and JSON, and a fifth left free."""
_LEFT = 0.6
"""What stays when something is cut."""
_SHORT = 600
"""Texts up to here are kept: a pointer is hardly shorter."""
_RECENT = 6
"""The last so many messages are kept whole: the model is working with them."""


def room(model: BaseChatModel, characters: int | None) -> int:
    """The characters a prompt may have: as configured, else by the model's profile, else a default."""
    tokens = (model.profile or {}).get("max_input_tokens")
    return characters or (int(tokens * CHARACTERS_PER_TOKEN) if tokens else DEFAULT_CHARACTERS)


def fitted(messages: Sequence[AnyMessage], most: int) -> list[AnyMessage]:
    """The messages, the oldest long ones cut where they had grown past `most` characters before a reply."""
    shown = list(messages)
    total = begun = 0
    calls = {call["id"]: call for one in messages if isinstance(one, AIMessage) for call in one.tool_calls}
    for index, message in enumerate(messages):
        total += _size(message)
        asked = index + 1 == len(messages) or isinstance(messages[index + 1], AIMessage)
        if not asked or total <= most:
            continue
        while begun <= index - _RECENT and total > most * _LEFT:
            total -= _size(shown[begun])
            shown[begun] = _cut(shown[begun], calls)
            total += _size(shown[begun])
            begun += 1
    return shown


def _size(message: AnyMessage) -> int:
    calls = message.tool_calls if isinstance(message, AIMessage) else []
    return len(message.text) + sum(len(orjson.dumps(call["args"], default=str)) for call in calls)


def _cut(message: AnyMessage, calls: dict[Any, Any]) -> AnyMessage:
    if isinstance(message, ToolMessage) and len(message.text) > _SHORT:
        call = calls.get(message.tool_call_id) or {"name": message.name, "args": {}}
        given = orjson.dumps(call["args"], default=str).decode()
        what = f"{call['name']} {given if len(given) <= 200 else given[:200] + '…'}"
        pointer = f"[Cut to save room: {what} gave {len(message.text):,} characters here. Call it again to see them.]"
        return message.model_copy(update={"content": pointer})
    if isinstance(message, AIMessage) and isinstance(message.content, str) and message.tool_calls:
        shorter = [
            {**call, "args": {name: _pointer(value) for name, value in call["args"].items()}}
            for call in message.tool_calls
        ]
        if shorter != message.tool_calls:  # the calls as written are kept a second time there
            others = {name: value for name, value in message.additional_kwargs.items() if name != "tool_calls"}
            return message.model_copy(update={"tool_calls": shorter, "additional_kwargs": others})
    return message


def _pointer(value: Any) -> Any:
    if not isinstance(value, str) or len(value) <= _SHORT:
        return value
    return f"[Cut to save room: {len(value):,} characters that you wrote here.]"

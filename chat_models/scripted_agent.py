"""A stand-in for an agent that works with tools: a routine written down in advance. It is no language model.

The routine is a generator: it yields the tool calls of one reply, is sent their results, and returns its last words.
Nothing is kept between calls: for every reply the routine is run from its beginning on the results that stand in the
conversation, up to where they end. So it can be killed and taken up like any model, and does the same in any process.
"""

from __future__ import annotations

import hashlib
from abc import abstractmethod
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel, LanguageModelInput
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, ToolMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from langchain_core.runnables import Runnable
from langchain_core.utils.function_calling import convert_to_openai_tool

from chat_models.failures import ConfigurationError

NOTE = "scripted, no language model"


@dataclass(frozen=True, slots=True)
class ToolResult:
    """What one tool call gave."""

    tool: str
    arguments: Mapping[str, Any]
    text: str
    ok: bool


ToolCalls: TypeAlias = Sequence[tuple[str, Mapping[str, Any]]]
"""(tool, arguments) of each call of one reply, in order."""
Routine: TypeAlias = Generator[ToolCalls, Sequence[ToolResult], str]


class ScriptedAgent(BaseChatModel):
    """Answers by a routine (`script`): scripted, no language model. Counts no tokens, because there are none."""

    @abstractmethod
    def script(self, message: str, before: Sequence[ToolResult], round: int) -> Routine:
        """The routine for a user's message. `before`: all results of earlier messages; `round`: their number."""

    @property
    def _llm_type(self) -> str:
        return "scripted"

    @property
    def _identifying_params(self) -> Mapping[str, Any]:
        return {"model_name": "scripted", "note": NOTE}

    def bind_tools(
        self,
        tools: Sequence[dict[str, Any] | type | Callable[..., Any] | Any],
        *,
        tool_choice: str | None = None,
        **kwargs: Any,
    ) -> Runnable[LanguageModelInput, AIMessage]:
        """The agent with these tools; it uses those its routine names, so `tool_choice` changes nothing."""
        return self.bind(tools=[convert_to_openai_tool(tool) for tool in tools], **kwargs)

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        return self._answer(messages)

    async def _agenerate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        return self._answer(messages)

    def _answer(self, messages: Sequence[BaseMessage]) -> ChatResult:
        asked = [index for index, message in enumerate(messages) if isinstance(message, HumanMessage)]
        if not asked:
            raise ConfigurationError("A scripted agent answers a user's message, and this call has none.")
        before = _results(messages[: asked[-1]])
        routine = self.script(messages[asked[-1]].text, before, len(asked) - 1)
        said, calls = _replayed(routine, _results(messages[asked[-1] :]))
        tool_calls = [
            {"name": tool, "args": dict(arguments), "id": _id(len(messages), number)}
            for number, (tool, arguments) in enumerate(calls)
        ]
        message = AIMessage(
            said,
            tool_calls=tool_calls,
            response_metadata={"model_name": "scripted", "finish_reason": "stop", "note": NOTE},
        )
        return ChatResult(generations=[ChatGeneration(message=message)], llm_output={"note": NOTE})


def _replayed(routine: Routine, results: Sequence[ToolResult]) -> tuple[str, ToolCalls]:
    """Run a routine on the results there are; return its last words, or the calls it makes next."""
    position = 0
    try:
        calls = next(routine)
        while position < len(results) or not calls:
            answered = results[position : position + len(calls)]
            position += len(calls)
            calls = routine.send(answered)
    except StopIteration as end:
        return str(end.value), []
    return "", calls


def _results(messages: Sequence[BaseMessage]) -> list[ToolResult]:
    calls: dict[str, tuple[str, Mapping[str, Any]]] = {}
    found = []
    for message in messages:
        if isinstance(message, AIMessage):
            calls.update({str(call["id"]): (call["name"], call["args"]) for call in message.tool_calls})
        elif isinstance(message, ToolMessage):
            tool, arguments = calls.get(message.tool_call_id, (str(message.name), {}))
            found.append(ToolResult(tool, arguments, message.text, message.status != "error"))
    return found


def _id(message: int, number: int) -> str:
    return f"call_{hashlib.blake2b(f'{message}/{number}'.encode(), digest_size=8).hexdigest()}"

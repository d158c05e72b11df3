"""What the stand-ins share: chat models and tool-calling agents that answer by rules, keep nothing, and say so."""

from __future__ import annotations

import hashlib
from abc import abstractmethod
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from langchain_core.callbacks import CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel, LanguageModelInput
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, ToolMessage
from langchain_core.messages.ai import InputTokenDetails, UsageMetadata
from langchain_core.outputs import ChatGeneration, ChatResult
from langchain_core.runnables import Runnable
from langchain_core.utils.function_calling import convert_to_openai_tool

from chat_models.failures import ConfigurationError

NOTE = "scripted, no language model"
METADATA = {"model_name": "scripted", "finish_reason": "stop", "note": NOTE}
"""Of every reply."""
NO_TOKENS = UsageMetadata(
    input_tokens=0, output_tokens=0, total_tokens=0, input_token_details=InputTokenDetails(cache_read=0)
)


class ScriptedModel(BaseChatModel):
    """Answers by rules (`reply`): scripted, no language model. Counts no tokens, because there are none.

    An awaited call runs in a thread, as LangChain does where `_agenerate` is missing: rules compute and read files, and
    a server's event loop must do neither.
    """

    @abstractmethod
    def reply(self, messages: Sequence[BaseMessage], tools: Sequence[Mapping[str, Any]] | None) -> AIMessage:
        """The reply to one call's messages. `tools`: schemas of the tools bound; None where none are."""

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
        """The model with these tools. Which it calls its rules say, so `tool_choice` changes nothing."""
        return self.bind(tools=[convert_to_openai_tool(tool) for tool in tools], **kwargs)

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        reply = self.reply(messages, kwargs.get("tools"))
        reply = reply.model_copy(update={"usage_metadata": NO_TOKENS})
        return ChatResult(generations=[ChatGeneration(message=reply)], llm_output={"note": NOTE})


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


class ScriptedAgent(ScriptedModel):
    """Works with tools by a routine (`script`)."""

    @abstractmethod
    def script(self, message: str, before: Sequence[ToolResult], round: int) -> Routine:
        """The routine for a user's message. `before`: all results of earlier messages; `round`: their number."""

    def reply(self, messages: Sequence[BaseMessage], tools: Sequence[Mapping[str, Any]] | None) -> AIMessage:
        """The routine's next tool calls, or its last words. ConfigurationError where no user asks anything."""
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
        return AIMessage(said, tool_calls=tool_calls, response_metadata=dict(METADATA))


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

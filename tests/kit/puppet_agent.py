"""A chat model with tools that follows a script: what an agent's model says, turn by turn, whatever it is asked."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from langchain_core.utils.function_calling import convert_to_openai_tool
from pydantic import Field

Calls = list[tuple[str, dict[str, Any]]]
Said = str | Calls | AIMessage | BaseException
Turn = Said | Callable[[list[BaseMessage]], Said]
"""A text, (tool, arguments) pairs, a whole message, what to raise, or a function of the messages that says which."""


class PuppetAgent(BaseChatModel):
    """Says the script's turns in order and remembers how it was asked. A turn counts 100 prompt tokens and 10 more."""

    script: list[Any]
    asked: list[list[BaseMessage]]
    tools: list[list[str]]
    kind: str = "puppet-agent"
    options: dict[str, Any] = Field(default_factory=dict)
    """With which it was asked last."""

    @property
    def _llm_type(self) -> str:
        return self.kind

    def bind_tools(self, tools: Sequence[Any], **kwargs: Any) -> Any:
        return self.bind(tools=[convert_to_openai_tool(tool) for tool in tools], **kwargs)

    def _generate(self, messages: list[BaseMessage], stop: Any = None, run_manager: Any = None, **kwargs: Any) -> Any:
        self.asked.append(list(messages))
        self.options = kwargs
        self.tools.append([tool["function"]["name"] for tool in kwargs.get("tools", [])])
        assert len(self.asked) <= len(self.script), f"the script has ended; the last message: {messages[-1].content}"
        said = self.script[len(self.asked) - 1]
        said = said(messages) if callable(said) else said
        if isinstance(said, BaseException):
            raise said
        message = said if isinstance(said, AIMessage) else self._message(said)
        message.usage_metadata = {"input_tokens": 100, "output_tokens": 10, "total_tokens": 110}
        return ChatResult(generations=[ChatGeneration(message=message)])

    def _message(self, said: str | Calls) -> AIMessage:
        if isinstance(said, str):
            return AIMessage(said)
        calls = [
            {"name": name, "args": args, "id": f"call_{len(self.asked)}_{number}", "type": "tool_call"}
            for number, (name, args) in enumerate(said)
        ]
        return AIMessage("", tool_calls=calls)


def puppet_agent(*script: Turn) -> PuppetAgent:
    """A puppet with this script."""
    return PuppetAgent(script=list(script), asked=[], tools=[])

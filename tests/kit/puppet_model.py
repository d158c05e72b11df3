"""A chat model on strings: it says or raises what it is given, in turn, and remembers how it was asked."""

from __future__ import annotations

from typing import Any, ClassVar

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatResult


class Puppet(BaseChatModel):
    """Says or raises what it is given, in turn, and remembers how it was asked."""

    lines: Any
    asked: list[dict[str, Any]]
    bound: ClassVar[int] = 0

    @property
    def _llm_type(self) -> str:
        return "puppet"

    def bind_tools(self, tools: Any, **kwargs: Any) -> Any:
        type(self).bound += 1
        return self.bind(tools=tools, **kwargs)

    def _generate(self, messages: list[BaseMessage], stop: Any = None, run_manager: Any = None, **kwargs: Any) -> Any:
        self.asked.append({"messages": messages, **kwargs})
        line = next(self.lines)
        if isinstance(line, BaseException):
            raise line
        message = line if isinstance(line, AIMessage) else AIMessage(line)
        return ChatResult(generations=[ChatGeneration(message=message)])


class Seeded(Puppet):
    takes_seed: ClassVar[bool] = True


class Marking(Puppet):
    @property
    def _llm_type(self) -> str:
        return "anthropic-chat"


def puppet(*lines: object, kind: type[Puppet] = Puppet) -> Puppet:
    return kind(lines=iter(lines), asked=[])

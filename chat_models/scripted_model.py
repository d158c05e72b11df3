"""What the stand-ins share: a chat model that answers by rules, keeps nothing between calls, and says that it does."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from langchain_core.callbacks import CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel, LanguageModelInput
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from langchain_core.runnables import Runnable
from langchain_core.utils.function_calling import convert_to_openai_tool

NOTE = "scripted, no language model"
METADATA = {"model_name": "scripted", "finish_reason": "stop", "note": NOTE}
"""Of every reply."""


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
        return ChatResult(generations=[ChatGeneration(message=reply)], llm_output={"note": NOTE})

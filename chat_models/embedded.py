"""`embedded`: a small language model in this process, by default SmolLM2-135M-Instruct. Needs no server.

It plays badly, and is meant to: it shows real replies, with their mistakes, on any machine. All models of one folder of
weights share one copy of it, with and without adapters.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel, LanguageModelInput
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.messages.ai import InputTokenDetails, UsageMetadata
from langchain_core.outputs import ChatGeneration, ChatResult
from langchain_core.runnables import Runnable
from pydantic import ConfigDict

from chat_models.embedded_engine import Engine, Reply, Request
from chat_models.embedded_spec import Adapter, EmbeddedSpec
from chat_models.failures import ConfigurationError
from chat_models.messages import to_plain

_engines: dict[tuple[Path, str | None], Engine] = {}
_engines_lock = threading.Lock()


def engine_of(weights: Path, dtype: str | None) -> Engine:
    """The one engine of a folder of weights; nothing is loaded before its first call."""
    with _engines_lock:
        return _engines.setdefault((weights, dtype), Engine(weights, dtype))


class EmbeddedChatModel(BaseChatModel):
    """A causal language model in this process. Safe to share between threads and event loops.

    Calls run side by side in a worker thread; a reply depends on its prompt, seed and settings, not on the others.
    There is no time limit: a call is bounded by its tokens, and a slow machine is slow, not broken. Raises
    ProviderFailure for a prompt longer than the model's context.
    """

    model_config = ConfigDict(arbitrary_types_allowed=True)

    takes_seed: ClassVar[bool] = True
    """Read by `chat_models.call`: a seed can be given with every call."""

    takes_constraint: ClassVar[bool] = True
    """Read by `chat_models.call`: a reply can be held to a regular expression."""

    engine: Engine
    adapter: Adapter | None = None
    temperature: float = 1.0
    sampler: dict[str, float] = {}  # noqa: RUF012 - pydantic copies it
    max_tokens: int
    """New tokens per reply."""

    @property
    def where(self) -> str:
        """The model, as a sentence about it opens."""
        return f"embedded ({self.engine.weights.name})"

    @property
    def _llm_type(self) -> str:
        return "embedded"

    @property
    def _identifying_params(self) -> dict[str, Any]:
        adapter = {"adapter": str(self.adapter.folder)} if self.adapter else {}
        return {"model_name": self.engine.weights.name, **adapter, "temperature": self.temperature, **self.sampler}

    @property
    def thought_characters(self) -> int:
        """Read by the inner agent: free text that a reply held to operations may open with.

        As many characters as the reply may have tokens: a third of it or less, since most tokens are longer. Left
        alone, the model talks until it is cut off.
        """
        return self.max_tokens

    def constrained(self, regex: str) -> dict[str, Any]:
        """Read by `chat_models.call`: the options of a call whose whole reply must match the expression."""
        return {"constraint": regex}

    def bind_tools(
        self,
        tools: Sequence[dict[str, Any] | type | Callable[..., Any] | Any],
        *,
        tool_choice: str | None = None,
        **kwargs: Any,
    ) -> Runnable[LanguageModelInput, AIMessage]:
        """ConfigurationError: the model was never taught to call functions, its chat template passes over them."""
        raise ConfigurationError("The model 'embedded' cannot call functions: use the dialect tags.")

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        return self._result(self.engine.submit(self._request(messages, kwargs)).result(), stop)

    async def _agenerate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        return self._result(await asyncio.wrap_future(self.engine.submit(self._request(messages, kwargs))), stop)

    def _request(self, messages: list[BaseMessage], options: dict[str, Any]) -> Request:
        return Request(
            messages=[to_plain(message) for message in messages],
            limit=min(self.max_tokens, options.get("max_tokens", self.max_tokens)),
            temperature=options.get("temperature", self.temperature),
            sampler=self.sampler,
            seed=options.get("seed"),
            adapter=(self.adapter.digest, self.adapter.folder) if self.adapter else None,
            constraint=options.get("constraint"),
        )

    def _result(self, reply: Reply, stop: list[str] | None) -> ChatResult:
        text, reason = reply.text, reply.finish_reason
        for cut in stop or []:
            if (at := text.find(cut)) >= 0:
                text, reason = text[:at], "stop"
        usage = UsageMetadata(
            input_tokens=reply.prompt_tokens,
            output_tokens=reply.completion_tokens,
            total_tokens=reply.prompt_tokens + reply.completion_tokens,
            input_token_details=InputTokenDetails(cache_read=reply.cached_tokens),
        )
        facts = {"model_name": self.engine.weights.name, "finish_reason": reason}
        message = AIMessage(text, usage_metadata=usage, response_metadata=facts)
        return ChatResult(generations=[ChatGeneration(message=message)])


def embedded_chat_model(
    spec: EmbeddedSpec, *, temperature: float, max_tokens: int, sampler: Mapping[str, float]
) -> EmbeddedChatModel:
    """The model that a specification names; nothing is loaded yet."""
    return EmbeddedChatModel(
        engine=engine_of(spec.weights, spec.dtype),
        adapter=spec.adapter,
        temperature=temperature,
        sampler=dict(sampler),
        max_tokens=min(max_tokens, spec.tokens),
    )

"""Calling a model until it answers or fails for good: retries with backoff, for any LangChain chat model.

What comes back is a `Completion` in plain data. What goes wrong is a ProviderFailure; it never becomes a reply.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import orjson
from langchain_core.messages import SystemMessage
from pydantic import ValidationError

from chat_models.failures import ConfigurationError, FailureKind, failure
from chat_models.messages import Message, reply_in, text_of, thoughts_of, to_langchain, to_plain
from chat_models.retrying import GAVE_UP, Affinity, Retry, Route, aretried, retried

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel
    from langchain_core.messages import AIMessage, BaseMessage
    from langchain_core.runnables import Runnable

CHANGES = "request_changes"
"""Where an answer's metadata holds `Completion.changes`."""


@dataclass(frozen=True, slots=True)
class Completion:
    """What a model answered, in plain data."""

    message: Message
    """{"role": "assistant", "content": str, "tool_calls"?: [{"id", "type", "function": {"name", "arguments": raw}}]}"""
    prompt_tokens: int | None
    completion_tokens: int | None
    cached_tokens: int | None
    """Prompt tokens that the server had in its prefix cache. All three counts are None where it does not say."""
    latency_s: float
    """Seconds of the attempt that succeeded, without the ones before it and the waits between."""
    attempts: int
    """At all servers together."""
    finish_reason: str | None
    """As the server said; `length` when the limit of new tokens cut the reply, whatever the provider calls that."""
    changes: tuple[str, ...] = ()
    """How the request differed from what was asked, because the server refuses it otherwise: one sentence each."""
    thoughts: str = ""
    """Those that the provider sent apart from the reply."""
    server: str = ""
    """The base URL that answered, of a model with several."""
    errors: Mapping[str, int] = field(default_factory=dict)
    """Failed attempts by base URL, likewise."""


def call(
    model: BaseChatModel,
    messages: Sequence[Mapping[str, Any]],
    *,
    tools: list[Message] | None = None,
    seed: int | None = None,
    constraint: str | None = None,
    retry: Retry | None = None,
    affinity: Affinity | None = None,
) -> Completion:
    """Ask the model, waiting in this thread. ProviderFailure when the last attempt fails.

    `constraint`: a regular expression that the whole reply must match; ConfigurationError where the model cannot be
    held to one. `affinity`: of the episode, where the model has several servers.
    """
    asked, options, prompt = _prepared(model, messages, tools, seed, constraint)
    route = _route(model, affinity)

    def ask() -> AIMessage:
        with _server(asked, route) as here:
            try:
                return _whole(here.invoke(prompt, **options), model)
            except ValidationError as error:
                return reply_in(error)

    began, answer, attempts = retried(ask, model, retry or Retry(), seed, route)
    return _completion(answer, time.perf_counter() - began, attempts, route)


async def acall(
    model: BaseChatModel,
    messages: Sequence[Mapping[str, Any]],
    *,
    tools: list[Message] | None = None,
    seed: int | None = None,
    constraint: str | None = None,
    retry: Retry | None = None,
    affinity: Affinity | None = None,
) -> Completion:
    """Ask the model, awaiting the answer; the same as `call` otherwise. Cancellation passes through."""
    asked, options, prompt = _prepared(model, messages, tools, seed, constraint)
    route = _route(model, affinity)

    async def ask() -> AIMessage:
        with _server(asked, route) as here:
            try:
                return _whole(await here.ainvoke(prompt, **options), model)
            except ValidationError as error:
                return reply_in(error)

    began, answer, attempts = await aretried(ask, model, retry or Retry(), seed, route)
    return _completion(answer, time.perf_counter() - began, attempts, route)


def _route(model: BaseChatModel, affinity: Affinity | None) -> Route | None:
    """The way through the model's servers; None where it has one, or none."""
    way: Callable[[Affinity | None], Route] | None = getattr(model, "route", None)
    return None if way is None else way(affinity)


def _server(asked: Runnable[Any, AIMessage], route: Route | None) -> AbstractContextManager[Runnable[Any, AIMessage]]:
    """What the next attempt asks."""
    return nullcontext(asked) if route is None else route.attempt()


def _prepared(
    model: BaseChatModel,
    messages: Sequence[Mapping[str, Any]],
    tools: list[Message] | None,
    seed: int | None,
    constraint: str | None,
) -> tuple[Runnable[Any, AIMessage], dict[str, Any], list[BaseMessage]]:
    """What to invoke, with which options, on which messages."""
    options: dict[str, Any] = {} if seed is None or not _takes_seed(model) else {"seed": seed}
    if constraint is not None:
        check_constrainable(model, _name(model))
        options |= model.constrained(constraint)  # type: ignore[attr-defined]  # just checked
    asked: Runnable[Any, AIMessage] = model
    if tools and getattr(model, "takes_tools", False):
        options["tools"] = tools
    elif tools:
        asked = _bound(model, tools)
    prompt = to_langchain(messages)
    if caches_what_is_marked(model):
        prompt = [_marked(one) if isinstance(one, SystemMessage) else one for one in prompt]
    return asked, options, prompt


CACHE_MARK: Mapping[str, str] = {"type": "ephemeral"}
"""Anthropic's: what a request holds up to here is cached for five minutes after its last use."""


def caches_what_is_marked(model: BaseChatModel) -> bool:
    """Whether the provider has a prefix cache that keeps only what a request marks: Anthropic's own API."""
    return model._llm_type == "anthropic-chat"


def _marked(system: SystemMessage) -> SystemMessage:
    """The system prompt with the mark: every step repeats it. What follows is not marked: writing into the cache costs
    a quarter more, and most routines take one call or two."""
    return SystemMessage([{"type": "text", "text": text_of(system.content), "cache_control": dict(CACHE_MARK)}])


def check_constrainable(model: BaseChatModel, name: str) -> None:
    """ConfigurationError if the model's replies cannot be held to a regular expression."""
    if not getattr(model, "takes_constraint", False):
        raise ConfigurationError(
            f"The replies of {name} cannot be constrained: leave `constrained` out, or use vllm:NAME, sglang:NAME, "
            "llamacpp:NAME or embedded."
        )


def _name(model: BaseChatModel) -> str:
    return str(getattr(model, "where", None) or model._llm_type)


def _takes_seed(model: BaseChatModel) -> bool:
    """Whether a seed may be passed per call: OpenAI's Chat Completions has one, other providers refuse the keyword."""
    if getattr(model, "use_responses_api", None):
        return False
    return bool(getattr(model, "takes_seed", False)) or model._llm_type in ("openai-chat", "azure-openai-chat")


_BINDINGS_KEPT = 256
"""Fifty episodes side by side, each with two vocabularies and two models, and some to spare."""
_bindings: OrderedDict[tuple[int, bytes], tuple[BaseChatModel, Runnable[Any, AIMessage]]] = OrderedDict()
_bindings_lock = threading.Lock()


def _bound(model: BaseChatModel, tools: list[Message]) -> Runnable[Any, AIMessage]:
    """The model with the tools bound; binding costs a third of a call, so it is done once per model and tools."""
    key = (id(model), orjson.dumps(tools))
    with _bindings_lock:
        if found := _bindings.get(key):
            _bindings.move_to_end(key)
            return found[1]
    bound = model.bind_tools(tools)
    with _bindings_lock:
        _bindings[key] = (model, bound)  # the model is kept with it: its id stays its own
        while len(_bindings) > _BINDINGS_KEPT:
            _bindings.popitem(last=False)
    return bound


def _whole(answer: AIMessage, model: BaseChatModel) -> AIMessage:
    """The answer; ProviderFailure where the provider says in it that it broke off."""
    reason = _finish_reason(answer.response_metadata)
    if reason is not None and reason.lower() in GAVE_UP:
        detail = f"the provider gave up in the middle of a reply (finish reason {reason})"
        raise failure(FailureKind.INTERRUPTED, type(model).__name__, detail)
    return answer


def _completion(answer: AIMessage, latency_s: float, attempts: int, route: Route | None) -> Completion:
    usage: Mapping[str, Any] = answer.usage_metadata or {}
    return Completion(
        message=to_plain(answer),
        prompt_tokens=usage.get("input_tokens"),
        completion_tokens=usage.get("output_tokens"),
        cached_tokens=(usage.get("input_token_details") or {}).get("cache_read"),
        latency_s=latency_s,
        attempts=attempts,
        finish_reason=_finish_reason(answer.response_metadata),
        changes=tuple(answer.response_metadata.get(CHANGES, ())),
        thoughts=thoughts_of(answer),
        server="" if route is None else route.url,
        errors={} if route is None else dict(route.errors),
    )


def _finish_reason(metadata: Mapping[str, Any]) -> str | None:
    """Why the reply ended, from the field each provider uses for it."""
    reason = metadata.get("finish_reason") or metadata.get("stop_reason") or metadata.get("done_reason")
    if reason is None and isinstance(incomplete := metadata.get("incomplete_details"), Mapping):
        reason = incomplete.get("reason")
    if reason is None:
        return None
    return "length" if str(reason).lower() in ("length", "max_tokens", "max_output_tokens") else str(reason)

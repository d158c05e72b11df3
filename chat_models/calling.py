"""Calling a model until it answers or fails for good: retries with backoff, for any LangChain chat model.

What comes back is a `Completion` in plain data. What goes wrong is a ProviderFailure; it never becomes a reply.
"""

from __future__ import annotations

import asyncio
import logging
import random
import threading
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar
from weakref import WeakValueDictionary

import orjson
from pydantic import ValidationError

from chat_models.failures import ConfigurationError, FailureKind, ProviderFailure, failure_of, limit_reached
from chat_models.messages import Message, reply_in, thoughts_of, to_langchain, to_plain

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel
    from langchain_core.messages import AIMessage, BaseMessage
    from langchain_core.runnables import Runnable

logger = logging.getLogger(__name__)

T = TypeVar("T")
CHANGES = "request_changes"
"""Where an answer's metadata holds `Completion.changes`."""
START_WAIT_S = 5.0
"""Longest wait between two looks at a server that may be starting."""
NOT_THE_PROVIDER = (AssertionError, ConfigurationError, ImportError, MemoryError, NameError, NotImplementedError)
"""What no answer of a server can cause: mistakes in code or configuration, and this machine's own end. Raised as is."""


@dataclass(frozen=True, slots=True)
class Retry:
    """How often a call is repeated, and after which waits: base_s, 2 base_s, … up to cap_s, each shortened at random.

    The randomness is a function of the call's seed and the attempt, so that a run can be repeated exactly.
    """

    attempts: int = 5
    base_s: float = 0.5
    cap_s: float = 30.0
    """Longest single wait, also of one that the provider asks for."""
    patience_s: float = 0.0
    """How long a server that has not answered yet may take to start, and the longest wait that a provider may ask for
    if that is more than `cap_s`. A limit that resets later is a failure at once."""

    def __post_init__(self) -> None:
        if self.attempts < 1 or self.base_s < 0 or self.cap_s < 0 or self.patience_s < 0:
            raise ConfigurationError(
                f"A model call needs at least 1 of `attempts` (not {self.attempts}) and no negative waits."
            )

    def wait_s(self, attempt: int, seed: int | None = None, asked_s: float | None = None) -> float:
        """Seconds to wait after failed attempt number `attempt` (from 1); `asked_s` is what the provider asked for."""
        full = min(self.cap_s, self.base_s * 2.0 ** min(attempt - 1, 30))
        # Between half and whole: episodes that failed together do not come back together.
        wait = full * (0.5 + 0.5 * random.Random(f"{seed}:{attempt}").random())
        return min(self.longest_s, max(wait, asked_s or 0.0))

    @property
    def longest_s(self) -> float:
        """The longest wait that a provider may ask for."""
        return max(self.cap_s, self.patience_s)


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
    finish_reason: str | None
    """As the server said; `length` when the limit of new tokens cut the reply, whatever the provider calls that."""
    changes: tuple[str, ...] = ()
    """How the request differed from what was asked, because the server refuses it otherwise: one sentence each."""
    thoughts: str = ""
    """Those that the provider sent apart from the reply."""


def call(
    model: BaseChatModel,
    messages: Sequence[Mapping[str, Any]],
    *,
    tools: list[Message] | None = None,
    seed: int | None = None,
    constraint: str | None = None,
    retry: Retry | None = None,
) -> Completion:
    """Ask the model, waiting in this thread. ProviderFailure when the last attempt fails.

    `constraint`: a regular expression that the whole reply must match; ConfigurationError where the model cannot be
    held to one.
    """
    asked, options, prompt = _prepared(model, messages, tools, seed, constraint)

    def ask() -> AIMessage:
        try:
            return asked.invoke(prompt, **options)
        except ValidationError as error:
            return reply_in(error)

    began, answer, attempts = retried(ask, model, retry or Retry(), seed)
    return _completion(answer, time.perf_counter() - began, attempts)


async def acall(
    model: BaseChatModel,
    messages: Sequence[Mapping[str, Any]],
    *,
    tools: list[Message] | None = None,
    seed: int | None = None,
    constraint: str | None = None,
    retry: Retry | None = None,
) -> Completion:
    """Ask the model, awaiting the answer; the same as `call` otherwise. Cancellation passes through."""
    asked, options, prompt = _prepared(model, messages, tools, seed, constraint)

    async def ask() -> AIMessage:
        try:
            return await asked.ainvoke(prompt, **options)
        except ValidationError as error:
            return reply_in(error)

    began, answer, attempts = await aretried(ask, model, retry or Retry(), seed)
    return _completion(answer, time.perf_counter() - began, attempts)


def retried(
    attempt: Callable[[], T], model: BaseChatModel, retry: Retry, seed: int | None = None
) -> tuple[float, T, int]:
    """Repeat a model call in this thread: when its last attempt began (`time.perf_counter`), its result, the attempts.

    ProviderFailure when the last attempt fails, or one that no repetition mends.
    """
    waits = _Waits(model, retry, seed)
    while True:
        began = time.perf_counter()
        try:
            result = attempt()
        except NOT_THE_PROVIDER:
            raise
        except Exception as error:  # noqa: BLE001 - the boundary to providers' libraries, which raise what they like
            wait = waits.after(error)
        else:
            return began, result, waits.succeeded()
        time.sleep(wait)


async def aretried(
    attempt: Callable[[], Awaitable[T]], model: BaseChatModel, retry: Retry, seed: int | None = None
) -> tuple[float, T, int]:
    """The same as `retried`, awaiting the call. Cancellation passes through."""
    waits = _Waits(model, retry, seed)
    while True:
        began = time.perf_counter()
        try:
            result = await attempt()
        except NOT_THE_PROVIDER:
            raise
        except Exception as error:  # noqa: BLE001 - the boundary to providers' libraries, which raise what they like
            wait = waits.after(error)
        else:
            return began, result, waits.succeeded()
        await asyncio.sleep(wait)


_answered: WeakValueDictionary[int, BaseChatModel] = WeakValueDictionary()
"""The models that have answered once in this process."""
_waited_for: WeakValueDictionary[int, BaseChatModel] = WeakValueDictionary()
"""The models that are, or were, waited for."""
_waited_since: dict[int, float] = {}
"""Of these, when the wait began (`time.monotonic`). All calls of a model share one patience."""


def has_answered(model: BaseChatModel) -> bool:
    """Whether a call of the model has succeeded in this process."""
    return id(model) in _answered


class _Waits:
    """The waits between the attempts of one call."""

    def __init__(self, model: BaseChatModel, retry: Retry, seed: int | None) -> None:
        self._model = model
        self._retry = retry
        self._seed = seed
        self._number = 1
        """The attempt under way; those made while the server starts are not counted."""
        self._starting_s = 0.0
        self._is_first = False
        """Whether no call waited for the model's server before."""

    def after(self, error: Exception) -> float:
        """Seconds until the next attempt. Raises the failure when there is to be none."""
        failed = error if isinstance(error, ProviderFailure) else failure_of(error, self._model)
        asked = failed.retry_after_s
        if failed.kind is FailureKind.RATE_LIMITED and asked is not None and asked > self._retry.longest_s:
            failed = limit_reached(failed)
        elif failed.may_be_starting and (wait := self._until_started()):
            if self._starting_s == wait and self._is_first:
                cause = failed.sentence.partition(";")[0]
                logger.warning(f"{cause}: waiting up to {self._retry.patience_s:g} s for the server.")
            return wait
        elif failed.retried and self._number < self._retry.attempts:
            self._number += 1
            return self._retry.wait_s(self._number - 1, self._seed, asked)
        failed.attempts = self._number
        if failed is error:
            raise failed
        raise failed from error

    def _until_started(self) -> float:
        """The next wait for a server that has not answered yet; 0 if it has, or has had its time."""
        if has_answered(self._model):
            return 0.0
        if id(self._model) not in _waited_for:
            _waited_for[id(self._model)], self._is_first = self._model, True
            _waited_since[id(self._model)] = time.monotonic()
        spent = max(self._starting_s, time.monotonic() - _waited_since[id(self._model)])
        if spent >= self._retry.patience_s:
            return 0.0
        wait = min(max(0.1, 2 * self._starting_s), START_WAIT_S, self._retry.patience_s)
        self._starting_s += wait
        return wait

    def succeeded(self) -> int:
        """The attempts made, the last of which succeeded."""
        _answered.setdefault(id(self._model), self._model)
        return self._number


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
    return asked, options, to_langchain(messages)


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


def _completion(answer: AIMessage, latency_s: float, attempts: int) -> Completion:
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
    )


def _finish_reason(metadata: Mapping[str, Any]) -> str | None:
    """Why the reply ended, from the field each provider uses for it."""
    reason = metadata.get("finish_reason") or metadata.get("stop_reason") or metadata.get("done_reason")
    if reason is None and isinstance(incomplete := metadata.get("incomplete_details"), Mapping):
        reason = incomplete.get("reason")
    if reason is None:
        return None
    return "length" if str(reason).lower() in ("length", "max_tokens", "max_output_tokens") else str(reason)

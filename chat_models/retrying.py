"""Repeating a call to a model until it answers or fails for good, at one server or at several."""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol, TypeVar
from weakref import WeakValueDictionary

from chat_models.failures import ConfigurationError, FailureKind, ProviderFailure, failure_of, limit_reached

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel
    from langchain_core.messages import AIMessage
    from langchain_core.runnables import Runnable

logger = logging.getLogger(__name__)

T = TypeVar("T")
START_WAIT_S = 5.0
"""Longest wait between two looks at a server that may be starting."""
NOT_THE_PROVIDER = (AssertionError, ConfigurationError, ImportError, MemoryError, NameError, NotImplementedError)
"""What no answer of a server can cause: mistakes in code or configuration, and this machine's own end. Raised as is."""

GAVE_UP = frozenset({"abort", "error"})
"""Finish reasons by which vLLM, SGLang, OpenRouter and others say, in small or large letters, that something broke: the
text is no reply."""


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


@dataclass(eq=False, weakref_slot=True, slots=True)
class Affinity:
    """Which server of several an episode stays with, for its prefix cache."""

    servers: dict[str, list[str]] = field(default_factory=dict)
    """By pool (`ServerPool.where`) base URLs: its own, and the one that it goes on at while its own is out."""


class Route(Protocol):
    """The way of one call through the servers of a model that has several (`chat_models.pool`)."""

    @property
    def member(self) -> BaseChatModel:
        """The model at the server of the last attempt."""

    @property
    def url(self) -> str:
        """Its base URL."""

    @property
    def errors(self) -> Mapping[str, int]:
        """Failed attempts by base URL."""

    @property
    def due(self) -> bool:
        """Whether it is time to look at a server that is out."""

    def look(self) -> None:
        """Look at one server for which it is time, waiting for its answer."""

    def attempt(self) -> AbstractContextManager[Runnable[Any, AIMessage]]:
        """What the next attempt asks; it counts as running until the end of the block."""

    def failed(self, failure: ProviderFailure, *, exhausted: bool) -> bool:
        """Take in that the last attempt failed, for the last time there if `exhausted`; whether the call moves."""

    def name_the_others(self, failure: ProviderFailure) -> None:
        """Add to the sentence of a call's last failure which servers were out already."""

    def answered(self) -> None:
        """Take in that the last attempt was answered."""


def retried(
    attempt: Callable[[], T], model: BaseChatModel, retry: Retry, seed: int | None = None, route: Route | None = None
) -> tuple[float, T, int]:
    """Repeat a model call in this thread: when its last attempt began (`time.perf_counter`), its result, the attempts.

    ProviderFailure when the last attempt fails, or one that no repetition mends. `route`: through several servers.
    """
    waits = _Waits(model, retry, seed, route)
    while True:
        if route is not None and route.due:
            route.look()
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
    attempt: Callable[[], Awaitable[T]],
    model: BaseChatModel,
    retry: Retry,
    seed: int | None = None,
    route: Route | None = None,
) -> tuple[float, T, int]:
    """The same as `retried`, awaiting the call. Cancellation passes through."""
    waits = _Waits(model, retry, seed, route)
    while True:
        if route is not None and route.due:
            await asyncio.to_thread(route.look)
        began = time.perf_counter()
        try:
            result = await attempt()
        except NOT_THE_PROVIDER:
            raise
        except Exception as error:  # noqa: BLE001 - the boundary to providers' libraries, which raise what they like
            wait = waits.after(error) if route is None else await asyncio.to_thread(waits.after, error)
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

    def __init__(self, model: BaseChatModel, retry: Retry, seed: int | None, route: Route | None = None) -> None:
        self._model = model
        self._route = route
        self._retry = retry
        self._seed = seed
        self._number = 1
        """The attempt under way; those made while the server starts are not counted."""
        self._elsewhere = 0
        """Attempts at servers that the call has moved away from."""
        self._starting_s = 0.0
        self._is_first = False
        """Whether no call waited for the model's server before."""

    def after(self, error: Exception) -> float:
        """Seconds until the next attempt. Raises the failure when there is to be none."""
        asked_of = self._model if self._route is None else self._route.member
        failed = error if isinstance(error, ProviderFailure) else failure_of(error, asked_of)
        asked = failed.retry_after_s
        if failed.kind is FailureKind.RATE_LIMITED and asked is not None and asked > self._retry.longest_s:
            failed = limit_reached(failed)
        exhausted = self._number >= self._retry.attempts
        if self._route is not None and self._route.failed(failed, exhausted=exhausted):
            self._elsewhere, self._number = self._elsewhere + self._number, 1
            return 0.0
        if failed.kind is FailureKind.LIMIT_REACHED:
            pass
        elif failed.may_be_starting and (wait := self._until_started()):
            if self._starting_s == wait and self._is_first:
                cause = failed.sentence.partition(";")[0]
                logger.warning(f"{cause}: waiting up to {self._retry.patience_s:g} s for the server.")
            return wait
        elif failed.retried and not exhausted:
            self._number += 1
            return self._retry.wait_s(self._number - 1, self._seed, asked)
        failed.attempts = self._elsewhere + self._number
        if self._route is not None:
            self._route.name_the_others(failed)
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
        if self._route is not None:
            _answered.setdefault(id(self._route.member), self._route.member)
            self._route.answered()
        return self._elsewhere + self._number

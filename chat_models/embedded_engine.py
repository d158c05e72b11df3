"""Answers calls with a network in this process: one worker thread per network, many calls side by side.

Calls join whenever they arrive: their prompts are computed, then all calls under way get one token each, again and
again. Calls of different adapters take turns, since the adapter is switched for all rows of a step.
"""

from __future__ import annotations

import atexit
import os
import threading
from collections import deque
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, InvalidStateError
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from chat_models.embedded_network import BLOCK, PrefixCache, block_keys
from chat_models.failures import FailureKind, failure
from chat_models.sampler import likely

if TYPE_CHECKING:
    import torch

    from chat_models.constraining import Constraint, Constraints
    from chat_models.embedded_network import Network, Row

MAX_ROWS = 16
"""Calls computed side by side; more wait. Enough for the paper's ten episodes."""
PREFIX_BYTES = 512 << 20
"""Of keys and values kept for prompts to come: 22,000 tokens of SmolLM2-135M in bf16."""


@dataclass(frozen=True, slots=True)
class Request:
    """One call."""

    messages: Sequence[Mapping[str, Any]]
    limit: int
    """New tokens at most."""
    temperature: float = 1.0
    """0: always the likeliest token."""
    sampler: Mapping[str, float] = field(default_factory=dict)
    """Which tokens are drawn from (`chat_models.sampler`); empty: all."""
    seed: int | None = None
    adapter: tuple[str, Path] | None = None
    """(a name that no other adapter has, its folder)"""
    constraint: str | None = None
    """A regular expression that the whole reply must match."""


@dataclass(frozen=True, slots=True)
class Reply:
    """What came of it."""

    text: str
    prompt_tokens: int
    completion_tokens: int
    """With the end-of-turn token."""
    cached_tokens: int
    finish_reason: str
    """stop or length"""


@dataclass(slots=True)
class _Writing:
    """A call under way."""

    request: Request
    future: Future[Reply]
    row: Row
    prompt_tokens: int
    cached_tokens: int
    limit: int
    generator: torch.Generator
    constraint: Constraint | None
    tokens: list[int] = field(default_factory=list)

    @property
    def open(self) -> bool:
        return not self.future.done()


class Engine:
    """The worker of one folder of weights. Safe to share between threads and event loops."""

    def __init__(self, weights: Path, dtype: str | None = None, *, prefix_bytes: int = PREFIX_BYTES) -> None:
        self.weights = weights
        self.dtype = dtype
        self.prefixes = PrefixCache(prefix_bytes)
        self._waiting: deque[tuple[Request, Future[Reply]]] = deque()
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._stopped = False
        self.network: Network
        """Loaded by the first call."""
        self._constraints: Constraints

    def submit(self, request: Request) -> Future[Reply]:
        """Queue a call. Its future ends with the reply, or ProviderFailure, or what broke; cancelling it drops it."""
        future: Future[Reply] = Future()
        with self._changed:
            if self._stopped:
                raise RuntimeError("The engine of the embedded model has been stopped.")
            self._waiting.append((request, future))
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="embedded", daemon=True)
                self._thread.start()
                # A daemon thread inside torch at the interpreter's end would crash it.
                atexit.register(self.stop)
            self._changed.notify()
        return future

    def stop(self) -> None:
        """End the worker after the token it computes; calls under way stay unanswered."""
        with self._changed:
            self._stopped = True
            self._changed.notify()
        if self._thread is not None:
            self._thread.join(timeout=60)

    def _run(self) -> None:
        writing: list[_Writing] = []
        while True:
            with self._changed:
                while not (self._waiting or writing or self._stopped):
                    self._changed.wait()
                if self._stopped:
                    return
                room = MAX_ROWS - len(writing)
                arrived = [self._waiting.popleft() for _ in range(min(room, len(self._waiting)))]
            for request, future in arrived:
                if not future.cancelled() and (begun := self._begun(request, future)):
                    writing.append(begun)
            for adapter in {call.request.adapter: None for call in writing}:  # a set in the order of arrival
                self._advance([call for call in writing if call.open and call.request.adapter == adapter], adapter)
            writing = [call for call in writing if call.open]

    def _begun(self, request: Request, future: Future[Reply]) -> _Writing | None:
        """The call with its prompt computed and its first token chosen; None when it has ended already."""
        try:
            self._load()
            call, logits = self._prefilled(request, future)
            self._take(call, logits)
        except Exception as error:  # noqa: BLE001 - belongs to the caller, whatever it is
            _end(future, error)
            return None
        return call if call.open else None

    def _advance(self, calls: list[_Writing], adapter: tuple[str, Path] | None) -> None:
        """One token more for each of the calls."""
        if not calls:
            return
        try:
            self.network.use(adapter)
            logits = self.network.step([call.row for call in calls], [call.tokens[-1] for call in calls])
            for call, line in zip(calls, logits, strict=True):
                self._take(call, line)
        except Exception as error:  # noqa: BLE001 - belongs to the callers, whatever it is
            for call in calls:
                _end(call.future, error)

    def _load(self) -> None:
        if not hasattr(self, "network"):
            # Read when torch is first imported: threads of OpenMP that wait shall soon sleep. By default they spin for
            # milliseconds, and as soon as anything else runs on the machine, all of them spin while one waits its turn:
            # prompts were computed at 170 tokens a second instead of 1,260.
            os.environ.setdefault("GOMP_SPINCOUNT", "2000")
            from chat_models.constraining import Constraints
            from chat_models.embedded_network import Network

            self.network = Network(self.weights, self.dtype)
            self._constraints = Constraints(self.network.tokenizer, self.network.ends)

    def _prefilled(self, request: Request, future: Future[Reply]) -> tuple[_Writing, torch.Tensor]:
        import torch

        network = self.network
        tokens = network.prompt(request.messages)
        room = network.context - len(tokens)
        if room < 1:
            raise failure(
                FailureKind.CONTEXT_TOO_LONG,
                f"embedded ({self.weights.name})",
                f"the prompt has {len(tokens)} tokens, the model reads {network.context}",
                advice="lower the scaffold's limits or its turns",
            )
        constraint = self._constraints.begin(request.constraint) if request.constraint is not None else None
        generator = torch.Generator()
        generator.seed() if request.seed is None else generator.manual_seed(request.seed)
        limit = min(request.limit, room)
        row = network.row(len(tokens) + limit)
        network.use(request.adapter)
        keys = block_keys(request.adapter[0] if request.adapter else "", tokens)
        cached = row.length = 0 if row.kv is None else self.prefixes.restore(keys[: (len(tokens) - 1) // BLOCK], row.kv)
        logits = None
        block = BLOCK if row.kv is not None else len(tokens)  # states that are no keys are computed in one go
        for start in range(cached, len(tokens), block):
            piece = tokens[start : start + block]
            logits = network.prefill(row, piece, last=start + block >= len(tokens))
            if len(piece) == BLOCK and row.kv is not None:
                self.prefixes.store(keys[start // BLOCK], row.kv[..., start : start + BLOCK, :])
        assert logits is not None, "the last token of a prompt is always computed"
        return _Writing(request, future, row, len(tokens), cached, limit, generator, constraint), logits

    def _take(self, call: _Writing, logits: torch.Tensor) -> None:
        """Choose the call's next token from its logits; end it if that was the last."""
        import torch

        left = call.limit - len(call.tokens)
        if call.constraint is not None:
            logits = call.constraint.masked(logits, left)
        temperature = call.request.temperature
        if temperature == 0:
            token = int(logits.argmax())
        else:
            odds = likely(logits, temperature, call.request.sampler)
            token = int(torch.multinomial(odds, 1, generator=call.generator))
        call.tokens.append(token)
        if token in self.network.ends:
            _end(call.future, self._reply(call, call.tokens[:-1], "stop"))
        elif left == 1:
            _end(call.future, self._reply(call, call.tokens, "length"))
        elif call.constraint is not None:
            call.constraint.take(token)

    def _reply(self, call: _Writing, written: list[int], reason: str) -> Reply:
        text = self.network.tokenizer.decode(written, skip_special_tokens=True)
        return Reply(text, call.prompt_tokens, len(call.tokens), call.cached_tokens, reason)


def _end(future: Future[Reply], came: Reply | Exception) -> None:
    """Give the future its end, unless it was cancelled meanwhile."""
    try:
        if isinstance(came, Exception):
            future.set_exception(came)
        else:
            future.set_result(came)
    except InvalidStateError:
        pass

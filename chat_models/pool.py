"""Several servers of one model: an episode stays with one of them, and goes on at another while that one fails.

| what happens | what follows |
|---|---|
| an episode's first call | it goes to the server with the fewest running calls, and so do all later ones |
| no connection, HTTP 503, the model is not there, the key is refused | the server is out at once |
| a time-out, and the server does not list its models either | the same |
| a call failed as often as it may, and nothing was answered meanwhile | the same |
| a call failed as often as it may, others were answered | the call moves, the server stays |
| a server is out | its episodes go on at the others; it is looked at after 1 s, 2 s, … 60 s |
| it lists the model again | it is back, and so are its episodes |
| all but one are out | the last stays in: calls are repeated there as with one server, and then fail |

What a server answers depends on the request alone, so a run's episodes are the same whichever answers. A refused
request (too long, not understood) is the request's own fault and moves nowhere.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, ClassVar
from weakref import WeakSet, WeakValueDictionary

from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import BaseMessage
from langchain_core.outputs import ChatResult
from pydantic import PrivateAttr

from chat_models.failures import ConfigurationError, FailureKind, ProviderFailure
from chat_models.retrying import Affinity, Retry
from chat_models.served import ServedChatModel, model_names

logger = logging.getLogger(__name__)

PROBE_S = 5.0
"""Seconds that a server may take to list its models."""
FIRST_LOOK_S, LAST_LOOK_S = 1.0, 60.0
"""Waits before a server that is out is looked at: doubled from the first to the last."""
OF_THE_REQUEST = frozenset({FailureKind.BAD_REQUEST, FailureKind.CONTEXT_TOO_LONG})
"""Failures that the request causes, at any server."""
AT_ONCE = frozenset(
    {
        *(FailureKind.REFUSED, FailureKind.UNKNOWN_MODEL, FailureKind.UNAUTHORISED),
        *(FailureKind.NO_CREDIT, FailureKind.LIMIT_REACHED),
    }
)
"""Failures after which nothing more is asked of a server while another is there."""
Check = Callable[[ServedChatModel, Retry | None], None]
"""What a server must pass before it is called. Raises ConfigurationError or ProviderFailure."""


@dataclass(eq=False)
class Server:
    """One server of one model, as all pools of this process see it."""

    url: str
    running: int = 0
    """Calls under way."""
    episodes: WeakSet[Affinity] = field(default_factory=WeakSet)
    """Those that stay with it."""
    answered_at: float = 0.0
    """When its last answer came (`time.monotonic`)."""
    out: bool = False
    back_at: float = 0.0
    look_at: float = 0.0
    """When it is to be looked at, while it is out."""
    wait_s: float = FIRST_LOOK_S

    def take_out(self, sentence: str) -> None:
        """Send it no calls until it is found well, because of the failure that says so. Just back, it waits longer."""
        with _lock:
            if self.out:
                return
            now = time.monotonic()
            again = now - self.back_at < LAST_LOOK_S
            self.out, self.wait_s = True, min(2 * self.wait_s, LAST_LOOK_S) if again else FIRST_LOOK_S
            self.look_at = now + self.wait_s
        logger.warning(f"{sentence.rpartition('; ')[0]}; its episodes go on at the other servers.")

    def take_back(self) -> None:
        """Send it calls again."""
        with _lock:
            was, self.out, self.back_at = self.out, False, time.monotonic()
        if was:
            logger.warning(f"{self.url} answers again: its episodes are back.")

    def claims_look(self) -> bool:
        """Whether it is time to look at it: true for one caller, who says by `looked` what was found."""
        with _lock:
            now = time.monotonic()
            if not self.out or now < self.look_at:
                return False
            self.look_at = now + 60 * PROBE_S
            return True

    def looked(self, *, well: bool) -> None:
        """Take in what a look at it found."""
        if well:
            self.take_back()
            return
        with _lock:
            self.wait_s = min(2 * self.wait_s, LAST_LOOK_S)
            self.look_at = time.monotonic() + self.wait_s


_lock = threading.Lock()
_servers: WeakValueDictionary[tuple[str, str, bool], Server] = WeakValueDictionary()
"""By base URL, model and whether a client named the URL."""


def _server_of(model: ServedChatModel) -> Server:
    key = (str(model.openai_api_base), model.model_name, model.guarded)
    with _lock:
        server = _servers.get(key)
        if server is None:
            server = _servers[key] = Server(key[0])
        return server


def _listed(member: ServedChatModel) -> list[str] | ProviderFailure:
    try:
        return model_names(member.request("GET", "models", timeout_s=PROBE_S))
    except ProviderFailure as failed:
        return failed


class ServerPool(BaseChatModel):
    """One model at several servers. `chat_models.call` takes each call's way through them (`route`)."""

    takes_seed: ClassVar[bool] = True
    takes_tools: ClassVar[bool] = True

    members: list[ServedChatModel]
    """The model at each server; all with the same settings."""
    _states: list[Server] = PrivateAttr(default_factory=list)
    _check: Check | None = PrivateAttr(default=None)

    def model_post_init(self, context: Any, /) -> None:
        """Find what is known of the servers."""
        super().model_post_init(context)
        self._states = [_server_of(member) for member in self.members]

    @property
    def _llm_type(self) -> str:
        return "server-pool"

    @property
    def takes_constraint(self) -> bool:
        """Read by `chat_models.call`."""
        return self.members[0].takes_constraint

    @property
    def thought_characters(self) -> int | None:
        """Read by the inner agent."""
        return self.members[0].thought_characters

    def constrained(self, regex: str) -> dict[str, Any]:
        """Read by `chat_models.call`."""
        return self.members[0].constrained(regex)

    @property
    def where(self) -> str:
        """The model and its addresses, as a sentence about it opens."""
        return f"{self.members[0].model_name} at {', '.join(server.url for server in self._states)}"

    @property
    def out(self) -> list[str]:
        """The base URLs of the servers that are out."""
        return [server.url for server in self._states if server.out]

    def route(self, affinity: Affinity | None = None) -> Route:
        """The way of one call, of the episode that `affinity` is of."""
        return Route(self, affinity)

    def check_same(self) -> None:
        """ConfigurationError if a server lists its models, another lists this one, and it does not.

        A server that does not answer is taken out, if another does. Asks each server once per process.
        """
        missing: list[tuple[str, list[str]]] = []
        having: list[tuple[str, list[str]]] = []
        silent: list[tuple[Server, str]] = []
        unknown = [(member, server) for member, server in self.pairs if not server.answered_at and not server.out]
        if not unknown:
            return
        with ThreadPoolExecutor(len(self.members)) as threads:
            answers = list(threads.map(_listed, [member for member, _ in unknown]))
        for (member, server), names in zip(unknown, answers, strict=True):
            if isinstance(names, ProviderFailure):
                silent.append((server, names.sentence))
            elif names:
                (having if member.model_name in names else missing).append((server.url, names))
        if missing and having:
            (url, names), name = missing[0], self.members[0].model_name
            has = "" if self.members[0].guarded else f", but {', '.join(names[:5])}"
            raise ConfigurationError(
                f"The servers serve different models: {having[0][0]} has {name}, {url} has not{has}: start {name} "
                "there too, or leave that server out."
            )
        for (_, server), names in zip(unknown, answers, strict=True):
            if not isinstance(names, ProviderFailure):
                server.answered_at = time.monotonic()
        if len(silent) < len(self.members):
            for server, sentence in silent:
                server.take_out(sentence)

    def check_each(self, check: Check, retry: Retry | None) -> None:
        """Check every server that answers, and from now on each that comes back. ConfigurationError of the check;
        ProviderFailure if no server answers, for as long as `retry` says."""
        self._check = check
        silent: list[tuple[Server, str]] = []
        for member, server in self.pairs:
            try:
                check(member, None)
            except ProviderFailure as failed:
                silent.append((server, failed.sentence))
        if len(silent) == len(self.members):
            check(self.members[0], retry)
            silent = silent[1:]
        for server, sentence in silent:
            server.take_out(sentence)

    @property
    def pairs(self) -> list[tuple[ServedChatModel, Server]]:
        """The model at each server, with what is known of the server."""
        return list(zip(self.members, self._states, strict=True))

    def is_well(self, member: ServedChatModel) -> bool:
        """Whether the server answers, and has the model if it lists any."""
        try:
            response = member.request("GET", "models", timeout_s=PROBE_S)
            names = model_names(response)
            if response.status_code in (401, 403) or response.status_code >= 500:
                return False
            if names and member.model_name not in names:
                return False
            if self._check is not None:
                self._check(member, None)
        except (ProviderFailure, ConfigurationError):
            return False
        return True

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        with self.route().attempt() as member:
            return member._generate(messages, stop, run_manager, **kwargs)

    async def _agenerate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        with self.route().attempt() as member:
            return await member._agenerate(messages, stop, run_manager, **kwargs)


class Route:
    """The way of one call through the servers of a pool."""

    def __init__(self, pool: ServerPool, affinity: Affinity | None) -> None:
        self.pool = pool
        self._affinity = affinity
        self._now: tuple[ServedChatModel, Server] | None = None
        self._failed_since: dict[Server, float] = {}
        """When the call first failed at a server."""
        self._left: dict[Server, float] = {}
        """Servers that the call has moved away from, and when."""
        self.errors: Counter[str] = Counter()
        """Failed attempts by base URL."""

    @property
    def member(self) -> ServedChatModel:
        """The model at the server of the last attempt."""
        assert self._now is not None, "an attempt was made"
        return self._now[0]

    @property
    def url(self) -> str:
        """The base URL of the last attempt."""
        assert self._now is not None, "an attempt was made"
        return self._now[1].url

    @property
    def due(self) -> bool:
        """Whether it is time to look at a server that is out."""
        now = time.monotonic()
        return any(server.out and server.look_at <= now for _, server in self.pool.pairs)

    def look(self) -> None:
        """Look at one server for which it is time, and take it back if it is well. Waits for its answer."""
        for member, server in self.pool.pairs:
            if server.claims_look():
                server.looked(well=self.pool.is_well(member))
                return

    @contextmanager
    def attempt(self) -> Iterator[ServedChatModel]:
        """The model at the server of the next attempt, which counts as running."""
        with _lock:
            self._now = member, server = self._choose()
            server.running += 1
        try:
            yield member
        finally:
            with _lock:
                server.running -= 1

    def _is_open(self, server: Server) -> bool:
        """Whether the call may go to the server: it takes calls, and this one has not left it since it was back."""
        return not server.out and self._left.get(server, -1.0) < server.back_at

    def _choose(self) -> tuple[ServedChatModel, Server]:
        pairs = {server: member for member, server in self.pool.pairs}
        usable = [server for server in pairs if self._is_open(server)]
        if not usable:  # the call has been everywhere: at first to where it was longest ago
            usable = [min(pairs, key=lambda one: self._left.get(one, 0.0))]
        stays = self._affinity.servers.get(self.pool.where, []) if self._affinity is not None else []
        for stay in stays:
            for server in usable:
                if server.url == stay:
                    return pairs[server], server
        server = min(usable, key=lambda one: (one.running, len(one.episodes)))
        if self._affinity is not None:
            # The first of the episode is its own; after it the one that stands in for it.
            self._affinity.servers[self.pool.where] = [*stays[:1], server.url]
            if not stays:
                server.episodes.add(self._affinity)
        return pairs[server], server

    def failed(self, failure: ProviderFailure, *, exhausted: bool) -> bool:
        """Take in that the last attempt failed, for the last time here if `exhausted`; whether the call moves.

        May wait for the server's list of models.
        """
        assert self._now is not None, "an attempt was made"
        member, server = self._now
        self.errors[server.url] += 1
        since = self._failed_since.setdefault(server, time.monotonic())
        if failure.kind in OF_THE_REQUEST and not failure.may_be_starting:
            return False
        if not any(one is not server and self._is_open(one) for _, one in self.pool.pairs):
            return False
        dead = failure.kind in AT_ONCE or failure.may_be_starting or server.out
        if failure.kind is FailureKind.TIMEOUT and not dead:
            dead = not self.pool.is_well(member)
        if not dead and not exhausted:
            return False
        if dead or server.answered_at <= since:
            server.take_out(failure.sentence)
        self._left[server] = time.monotonic()
        return True

    def name_the_others(self, failure: ProviderFailure) -> None:
        """Add to the sentence of a call's last failure which servers were out already."""
        others = [url for url in self.pool.out if url != self.url]
        if others and failure.kind not in OF_THE_REQUEST:
            failure.sentence += f" The other servers are out: {', '.join(others)}."

    def answered(self) -> None:
        """Take in that the last attempt was answered."""
        assert self._now is not None, "an attempt was made"
        server = self._now[1]
        server.answered_at = time.monotonic()
        if server.out:
            server.take_back()

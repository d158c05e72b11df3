"""A model behind an OpenAI-compatible server (vLLM, OpenAI, SGLang, llama.cpp, …), at little cost per call.

ChatOpenAI reads every answer through two layers of pydantic models. ServedChatModel keeps its settings, tool binding
and tracing, but sends and reads plain completions itself. What that gives, and what shows it:

- half of ChatOpenAI's CPU per call, two thirds of the bare `openai` client's: `benchmarks/served_calls.py`
- one HTTP client per event loop, so that a second `asyncio.run` works: `tests/chat_models/test_http_clients.py`
- a typed ProviderFailure for HTML, empty choices, an error inside a 200, a cut body: `test_served_failures.py`
- thoughts that arrive apart are kept; tool calls keep the order in which they were written: `test_served.py`
- what a server refuses (a field, the system role) is left out from then on, and said in the answer: `test_adapting.py`
- no redirect is followed, addresses are checked, unlisted hosts are not repeated: `test_unlisted_hosts.py`

Retries are the caller's (`chat_models.call`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from functools import cached_property
from typing import Any, ClassVar, Literal

import httpx2
import orjson
from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
from langchain_core.language_models import LanguageModelInput
from langchain_core.messages import BaseMessage
from langchain_core.outputs import ChatResult
from langchain_openai import ChatOpenAI
from pydantic import Field, PrivateAttr, SecretStr, model_validator

from chat_models.adapting import Adaptation
from chat_models.calling import CHANGES
from chat_models.failures import ConfigurationError, FailureKind, ProviderFailure, failure, failure_of_status
from chat_models.gbnf import gbnf
from chat_models.http_clients import client_for_threads, client_of_this_loop
from chat_models.messages import decoded, read_completion, to_wire
from chat_models.retrying import GAVE_UP, has_answered

CONNECT_S = 10.0
"""A server that does not accept a connection for so long is down; it need not hold up a whole minute."""

LONGEST_THOUGHT = 1_000
"""Characters of free text in a constrained reply that an expression counts."""


class ServedChatModel(ChatOpenAI):
    """A chat model served over HTTP in OpenAI's form.

    Raises ProviderFailure for whatever goes wrong on the way. Safe to share between threads and event loops.
    `timeout` is in seconds for one attempt: in an event loop for the whole of it, in a thread for every wait in it.
    """

    takes_seed: ClassVar[bool] = True
    """Read by `chat_models.call`: a seed can be given with every call."""
    takes_tools: ClassVar[bool] = True
    """Read by `chat_models.call`: tool schemas in OpenAI's form can be given with every call, without binding."""

    constraint_form: Literal["vllm", "sglang", "llamacpp"] | None = None
    """How the server is asked to hold a reply to a regular expression; None where it is not known to. Servers pass over
    the field of another in silence: `probes.check_held` finds out."""

    sampler: dict[str, int | float] = Field(default_factory=dict)
    """Which tokens are drawn from (`chat_models.sampler`), sent with every call; what it does not say, the server
    decides."""

    guarded: bool = False
    """Whether the base URL is the choice of a server's client (`chat_models.keys`): the addresses it leads to are
    checked, and no error repeats what it answers."""

    token_limit_field: Literal["max_tokens", "max_completion_tokens"] = "max_tokens"
    """What the limit of new tokens is called on the wire. Every server but OpenAI's own reads `max_tokens` (vLLM and
    SGLang call it deprecated and read both), and old ones silently ignore `max_completion_tokens`."""

    disable_streaming: bool | Literal["tool_calling"] = True
    """Replies are whole or failed: an operation cannot run before its end is there, and a stream that breaks would
    show text that is then asked for again."""

    request_timeout: float | tuple[float, float] | Any | None = Field(default=60.0, alias="timeout")
    max_retries: int | None = 0
    http_client: Any = Field(default_factory=client_for_threads, exclude=True)
    _adapted: Adaptation = PrivateAttr(default_factory=Adaptation)

    @model_validator(mode="after")
    def _use_a_client_per_loop(self) -> ServedChatModel:
        # For what is left to ChatOpenAI (structured output, the Responses API, streaming). Its own clients would follow
        # redirects, which ours do not.
        if not isinstance(self.root_async_client, _ClientOfThisLoop):
            root = self.root_async_client
            self.root_async_client, self.async_client = _ClientOfThisLoop(root), _CompletionsOfThisLoop(root)
        return self

    @property
    def takes_constraint(self) -> bool:
        """Read by `chat_models.call`: whether `constrained` has a form for this server."""
        return self.constraint_form is not None

    @property
    def thought_characters(self) -> int | None:
        """Read by the inner agent: free text that a reply held to operations may open with; None for any number.

        As many characters as the reply may have tokens (half of them on either side of a colon where it may act), as
        with the embedded model: Qwen2.5-Coder-0.5B, left alone, repeated its prompt until it was cut off. With a
        longer limit than `LONGEST_THOUGHT` nothing is counted: engines refuse long repetitions (llama.cpp those above
        2,000).
        """
        return self.max_tokens if self.max_tokens and self.max_tokens <= LONGEST_THOUGHT else None

    def constrained(self, regex: str) -> dict[str, Any]:
        """Read by `chat_models.call`: the options of a call whose whole reply must match the expression.

        vLLM 0.32 ignores its name of old, guided_regex: HTTP 200 and an unconstrained reply.
        """
        if self.constraint_form == "llamacpp":
            return {"extra_body": {"grammar": gbnf(regex)}}
        if self.constraint_form == "sglang":
            return {"extra_body": {"regex": regex}}
        return {"extra_body": {"structured_outputs": {"regex": regex}}}

    @property
    def adaptation(self) -> Adaptation:
        """How requests are changed because the server refuses them otherwise."""
        return self._adapted

    @property
    def where(self) -> str:
        """The model and its address, as a sentence about it opens."""
        return f"{self.model_name} at {self.openai_api_base}"

    @property
    def secrets(self) -> tuple[str, ...]:
        """What must not appear in any text about this model."""
        key = self.openai_api_key
        return (key.get_secret_value(),) if isinstance(key, SecretStr) else ()

    @cached_property
    def timeout_s(self) -> float:
        """Seconds for one attempt."""
        given = self.request_timeout
        return float(given) if isinstance(given, int | float) else 60.0

    def _get_request_payload(
        self, input_: LanguageModelInput, *, stop: list[str] | None = None, **kwargs: Any
    ) -> dict[str, Any]:
        messages = self._convert_input(input_).to_messages()
        payload: dict[str, Any] = {**self._default_params, **kwargs}
        if self._use_responses_api(payload) or not all(map(_is_simple, messages)):
            payload = super()._get_request_payload(messages, stop=stop, **kwargs)
        else:
            payload["messages"] = [to_wire(message) for message in messages]
            if stop is not None:
                payload["stop"] = stop
        for name in ("max_tokens", "max_completion_tokens"):
            if name in payload and name != self.token_limit_field:
                payload[self.token_limit_field] = payload.pop(name)
        return payload

    async def _agenerate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        if self._is_for_parent(kwargs):
            return await super()._agenerate(messages, stop, run_manager, **kwargs)
        payload = self._payload(messages, stop, kwargs)
        while True:
            sent = self._adapted.apply(payload)
            response = await self._arequest("POST", "chat/completions", orjson.dumps(sent))
            if response.status_code == 404 and not has_answered(self):
                self._check_listed(await self._arequest("GET", "models"))
            status, answer = _read(response)
            if status < 300:
                return self._result(answer, response)
            if not self._adapted.learn(sent, status, answer):
                raise self._failure_of_status(status, answer, response.headers)

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        if self._is_for_parent(kwargs):
            return super()._generate(messages, stop, run_manager, **kwargs)
        payload = self._payload(messages, stop, kwargs)
        while True:
            sent = self._adapted.apply(payload)
            response = self.request("POST", "chat/completions", orjson.dumps(sent))
            if response.status_code == 404 and not has_answered(self):
                self._check_listed(self.request("GET", "models"))
            status, answer = _read(response)
            if status < 300:
                return self._result(answer, response)
            if not self._adapted.learn(sent, status, answer):
                raise self._failure_of_status(status, answer, response.headers)

    async def _arequest(self, method: str, path: str, content: bytes | None = None) -> httpx2.Response:
        client = client_of_this_loop(checked=self.guarded)
        try:
            async with asyncio.timeout(self.timeout_s):
                return await client.request(
                    method, self._address(path), content=content, headers=self._headers, timeout=self._timeouts
                )
        except (httpx2.HTTPError, OSError) as error:
            raise self._failure_of_transport(error) from error

    def request(
        self, method: str, path: str, content: bytes | None = None, *, timeout_s: float | None = None
    ) -> httpx2.Response:
        """The server's answer to a request below the base URL, or from the server's root with a leading slash.

        ProviderFailure if none arrives. `timeout_s`: for every wait in it, if not as long as for a call.
        """
        client = client_for_threads(checked=self.guarded)
        timeout = self._timeouts if timeout_s is None else httpx2.Timeout(timeout_s)
        try:
            return client.request(method, self._address(path), content=content, headers=self._headers, timeout=timeout)
        except (httpx2.HTTPError, OSError) as error:
            raise self._failure_of_transport(error) from error

    def _check_listed(self, response: httpx2.Response) -> None:
        """ProviderFailure if the server lists its models and this one is not among them: no waiting helps."""
        names = model_names(response)
        if names and self.model_name not in names:
            has = "" if self.guarded else f": it has {', '.join(names)}"
            raise failure(FailureKind.UNKNOWN_MODEL, self.where, f"the server has no such model{has}")

    def _is_for_parent(self, kwargs: dict[str, Any]) -> bool:
        """Structured output and the Responses API have forms of their own, which ChatOpenAI knows."""
        is_for_parent = "response_format" in kwargs or self._use_responses_api({**self._default_params, **kwargs})
        if is_for_parent and self.guarded:  # ChatOpenAI checks no addresses, and repeats answers in its errors
            raise ConfigurationError(f"{self.where} is asked for plain completions only: a client named its base URL.")
        return is_for_parent

    def _payload(self, messages: list[BaseMessage], stop: list[str] | None, kwargs: dict[str, Any]) -> dict[str, Any]:
        payload = self._get_request_payload(messages, stop=stop, **kwargs)
        payload.pop("stream", None)
        payload.update(payload.pop("extra_body", None) or {})
        payload.update(self.sampler)
        return payload

    def _address(self, path: str) -> httpx2.URL:
        base = str(self.openai_api_base).rstrip("/")
        return httpx2.URL(base.removesuffix("/v1") + path if path.startswith("/") else f"{base}/{path}")

    @cached_property
    def _timeouts(self) -> httpx2.Timeout:
        return httpx2.Timeout(self.timeout_s, connect=min(CONNECT_S, self.timeout_s))

    @property
    def _headers(self) -> dict[str, str]:
        key = "".join(self.secrets)
        return {"Content-Type": "application/json", "Authorization": f"Bearer {key}", **(self.default_headers or {})}

    def _failure_of_transport(self, error: Exception) -> ProviderFailure:
        kind, detail = _transport(error, self.timeout_s, repeat=not self.guarded)
        return failure(kind, self.where, detail, secrets=self.secrets)

    def _failure_of_status(
        self, status: int, body: object, headers: Mapping[str, str] | None = None
    ) -> ProviderFailure:
        return failure_of_status(self.where, status, body, headers, self.secrets, repeat=not self.guarded)

    def _result(self, answer: object, response: httpx2.Response) -> ChatResult:
        """The message in the answer that the response holds. ProviderFailure if it holds none."""
        result = read_completion(answer, self.model_name)
        if isinstance(result, str):
            page = ", but an HTML page" if response.content.lstrip().startswith(b"<") else ""
            advice = None
            if has_answered(self):  # the address is right
                result, advice = f"the provider answered nothing ({result}", "look at the server's log, then resume"
                page += ")"
            raise failure(FailureKind.MALFORMED, self.where, f"{result}{page}", advice=advice, secrets=self.secrets)
        if (reason := (result.generations[0].generation_info or {}).get("finish_reason")) in GAVE_UP:
            detail = f"the server gave up in the middle of a reply (finish reason {reason})"
            raise failure(FailureKind.INTERRUPTED, self.where, detail)
        if changes := self._adapted.changes:
            result.generations[0].message.response_metadata[CHANGES] = changes
        return result


def _read(response: httpx2.Response) -> tuple[int, object]:
    """The status of a response, and its body: read as JSON where it is an answer or an error in one.

    Some gateways wrap the error of the server behind them in a 200.
    """
    if response.status_code >= 300:
        return response.status_code, response.content
    answer = decoded(response.content)
    if isinstance(answer, dict) and (error := answer.get("error")):
        code = error.get("code") if isinstance(error, dict) else None
        return (code if isinstance(code, int) and 400 <= code <= 599 else 500), answer
    return response.status_code, answer


def _transport(error: Exception, timeout_s: float, *, repeat: bool) -> tuple[FailureKind, str]:
    """Kind and detail of an error that kept the answer from arriving whole. `repeat`: with the library's words, which
    may hold what the server sent."""
    words = str(error) if repeat and str(error) else type(error).__name__
    if isinstance(error, httpx2.ConnectTimeout):
        return FailureKind.REFUSED, f"no connection within {min(CONNECT_S, timeout_s):g} s"
    if isinstance(error, TimeoutError | httpx2.TimeoutException):
        return FailureKind.TIMEOUT, f"no complete answer within {timeout_s:g} s"
    if isinstance(error, httpx2.ConnectError):
        return FailureKind.REFUSED, f"no server answers ({words})"
    if isinstance(error, httpx2.UnsupportedProtocol | httpx2.LocalProtocolError):
        return FailureKind.BAD_REQUEST, f"nothing was sent ({words})"
    return FailureKind.INTERRUPTED, f"the connection broke ({words})"


def model_names(response: httpx2.Response) -> list[str]:
    """The models that an answer to GET /models lists; none where it lists nothing readable."""
    answer = decoded(response.content) if response.status_code == 200 else None
    entries = answer.get("data") if isinstance(answer, dict) else None
    names = [entry.get("id") for entry in entries if isinstance(entry, dict)] if isinstance(entries, list) else []
    return [name for name in names if isinstance(name, str)]


def _is_simple(message: BaseMessage) -> bool:
    """Whether the plain form holds all there is to the message: text without a name, of one of the four roles."""
    known = message.type in ("human", "system", "ai", "tool")
    return known and isinstance(message.content, str) and message.name is None


class _ClientOfThisLoop:
    """In place of ChatOpenAI's asynchronous client: always the running loop's client."""

    def __init__(self, root: Any) -> None:
        self._root = root

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        return getattr(self._here(), name)

    def _here(self) -> Any:
        return self._root.with_options(http_client=client_of_this_loop())


class _CompletionsOfThisLoop(_ClientOfThisLoop):
    def _here(self) -> Any:
        return super()._here().chat.completions

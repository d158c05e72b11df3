"""What can go wrong with a model: bad configuration, and a provider that fails.

A provider's failure has a kind from a closed set and one sentence that says what happened, where, and what to do. It is
never a reply: nothing in it can be taken for text of the model. Exceptions of providers' libraries become failures by
what they carry, without importing any of those libraries: an HTTP status, LangChain's own classes, the name of the
class, and last the builtin class under it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel


EXCERPT = 240
"""Characters of a provider's own words that a sentence keeps: one line of a terminal or two."""

NO_PARSER = "start vLLM with --enable-auto-tool-choice and --tool-call-parser"
"""What to do about a server that leaves tool calls in the text."""


class ConfigurationError(ValueError):
    """A model was asked for in a way that cannot work; the sentence says what to change. Nothing was sent or paid."""


class FailureKind(StrEnum):
    """Why a call failed; the set is closed, so that traces can count and code can compare."""

    REFUSED = "refused"
    """No server answers at the address."""
    TIMEOUT = "timeout"
    """No complete answer in time."""
    INTERRUPTED = "interrupted"
    """The connection broke, or the server gave up, in the middle of an answer."""
    RATE_LIMITED = "rate_limited"
    SERVER_ERROR = "server_error"
    MALFORMED = "malformed"
    """An answer that is no chat completion: HTML, broken JSON, no choices."""
    BAD_REQUEST = "bad_request"
    CONTEXT_TOO_LONG = "context_too_long"
    UNAUTHORISED = "unauthorised"
    NO_CREDIT = "no_credit"
    LIMIT_REACHED = "limit_reached"
    """A limit of the provider, of a day for example, that resets later than a run waits."""
    UNKNOWN_MODEL = "unknown_model"
    UNKNOWN = "unknown"
    """A provider's library raised something that says nothing about its kind."""


RETRIED = frozenset(
    {
        FailureKind.REFUSED,
        FailureKind.TIMEOUT,
        FailureKind.INTERRUPTED,
        FailureKind.RATE_LIMITED,
        FailureKind.SERVER_ERROR,
        FailureKind.MALFORMED,
        FailureKind.UNKNOWN,
    }
)
"""Kinds that may pass by themselves. The others repeat until someone changes something."""

_ADVICE: Mapping[FailureKind, str] = {
    FailureKind.REFUSED: "start the server or correct `base_url`",
    FailureKind.TIMEOUT: "lower the concurrency, or give the server more time",
    FailureKind.INTERRUPTED: "look at the server's log, then resume",
    FailureKind.RATE_LIMITED: "lower the concurrency, or wait and resume",
    FailureKind.SERVER_ERROR: "look at the server's log, then resume",
    FailureKind.MALFORMED: "check that `base_url` is an OpenAI-compatible API (it usually ends in /v1)",
    FailureKind.BAD_REQUEST: "the server does not accept this request: check the model and its settings",
    FailureKind.CONTEXT_TOO_LONG: "serve it with a longer context, or lower `max_tokens` or the scaffold's limits",
    FailureKind.UNAUTHORISED: "set the right key (vllm: reads VLLM_API_KEY, sglang: SGLANG_API_KEY, "
    "llamacpp: LLAMA_API_KEY, openai: OPENAI_API_KEY)",
    FailureKind.NO_CREDIT: "the account has no credit left: top it up, then resume",
    FailureKind.LIMIT_REACHED: "resume when it resets",
    FailureKind.UNKNOWN_MODEL: "name a model that the server serves (GET /models lists them)",
    FailureKind.UNKNOWN: "the cause is chained to this error",
}


class ProviderFailure(RuntimeError):
    """The model did not answer: a failure of the machine, which ends the episode as failed and can be resumed."""

    def __init__(
        self,
        kind: FailureKind,
        sentence: str,
        *,
        attempts: int = 1,
        retry_after_s: float | None = None,
        may_be_starting: bool = False,
    ) -> None:
        super().__init__(kind, sentence)  # positional, so that the failure survives pickling
        self.kind = kind
        self.sentence = sentence
        self.attempts = attempts
        """Calls made until it was given up."""
        self.retry_after_s = retry_after_s
        """Seconds the provider asked us to wait; None if it did not say."""
        self.may_be_starting = may_be_starting
        """Whether a server that is still loading its model fails so."""

    def __str__(self) -> str:
        after = f" (after {self.attempts} attempts)" if self.attempts > 1 else ""
        return f"{self.sentence}{after}"

    @property
    def retried(self) -> bool:
        """Whether trying again can help."""
        return self.kind in RETRIED


def failure(
    kind: FailureKind,
    where: str,
    detail: str,
    *,
    advice: str | None = None,
    retry_after_s: float | None = None,
    may_be_starting: bool = False,
    secrets: Iterable[str] = (),
) -> ProviderFailure:
    """A failure whose sentence reads `where: detail; advice.`, on one line and without the secrets."""
    words = redacted(" ".join(detail.split()), secrets)
    if len(words) > EXCERPT:
        words = words[: EXCERPT - 1] + "…"
    sentence = f"{where}: {words.rstrip('.:; ')}; {advice or _ADVICE[kind]}."
    starting = may_be_starting or kind is FailureKind.REFUSED
    return ProviderFailure(kind, sentence, retry_after_s=retry_after_s, may_be_starting=starting)


def limit_reached(failed: ProviderFailure) -> ProviderFailure:
    """The failure of a provider that asks for a longer wait (`retry_after_s`) than a run makes."""
    assert failed.retry_after_s is not None, "the provider said when its limit resets"
    resets = datetime.now(UTC) + timedelta(seconds=failed.retry_after_s)
    hours, minutes = divmod(round(failed.retry_after_s / 60), 60)
    wait = f"{hours} h {minutes} min" if hours else f"{minutes} min"
    cause = failed.sentence.rpartition("; ")[0]
    sentence = f"{cause}; the limit resets at {resets:%Y-%m-%d %H:%M} UTC, in {wait}: resume then."
    return ProviderFailure(FailureKind.LIMIT_REACHED, sentence, retry_after_s=failed.retry_after_s)


def failure_of_status(
    where: str,
    status: int,
    body: object,
    headers: Mapping[str, str] | None = None,
    secrets: Iterable[str] = (),
    *,
    repeat: bool = True,
) -> ProviderFailure:
    """The failure that an HTTP error status and its body (bytes, text, or JSON already read) mean.

    Without `repeat` the sentence holds nothing of what the server said but the status.
    """
    headers = headers or {}
    message, code = error_of(body)
    kind, advice = kind_of_status(status, message, code), None
    if 300 <= status < 400:
        message = f"redirected to {headers.get('location', 'another address')}"
    if kind is FailureKind.BAD_REQUEST and status in (301, 302, 303, 307, 308, 404, 405):
        advice = "correct `base_url`: it is used as given, and usually ends in /v1"
    elif kind is FailureKind.BAD_REQUEST and _TOOL_CHOICE.search(message):
        advice = f"it reads no tool calls: {NO_PARSER}, or use `dialect` tags"
    detail = f"HTTP {status}" + (f", {message}" if message and repeat else "")
    wait_s = retry_after_s(headers) if status != 429 else retry_after_s(headers) or _reset_s(headers)
    starting = status in (404, 503)
    return failure(kind, where, detail, advice=advice, retry_after_s=wait_s, may_be_starting=starting, secrets=secrets)


_TOOL_CHOICE = re.compile(r"(?i)auto\W+tool.?choice|tool.?choice\W+auto|enable-auto-tool-choice")
"""How vLLM refuses tools where it was started without a parser for them."""
_FIXED_KINDS = {
    401: FailureKind.UNAUTHORISED,
    402: FailureKind.NO_CREDIT,
    403: FailureKind.UNAUTHORISED,
    408: FailureKind.TIMEOUT,
    409: FailureKind.SERVER_ERROR,  # a conflict of two requests: OpenAI's own client repeats it too
    429: FailureKind.RATE_LIMITED,
    504: FailureKind.TIMEOUT,
}


def kind_of_status(status: int, message: str = "", code: str = "") -> FailureKind:
    """The kind of an HTTP error status, given the server's message and error code."""
    said = f"{message} {code}".lower()
    if status in (400, 413, 422, 500) and _CONTEXT.search(said):
        return FailureKind.CONTEXT_TOO_LONG
    if status == 500 and _TEMPLATE.search(said):
        return FailureKind.BAD_REQUEST
    if status == 429 and _CREDIT.search(said):
        return FailureKind.NO_CREDIT
    if status == 404 and "model" in said:  # a wrong path answers 404 too, but says nothing about a model
        return FailureKind.UNKNOWN_MODEL
    return _FIXED_KINDS.get(status, FailureKind.SERVER_ERROR if status >= 500 else FailureKind.BAD_REQUEST)


_CONTEXT = re.compile(
    r"context.?(length|size|window)|maximum model length|max_model_len|prompt is too long|too many (input )?tokens"
    r"|input (is )?too long|reduce the length|exceed_context"
)
"""How OpenAI, vLLM, SGLang, llama.cpp, Anthropic and others say that the prompt does not fit."""
_TEMPLATE = re.compile(r"jinja|chat.?template|template ?error|raise_exception|roles must alternate|role not supported")
"""How llama.cpp and others say, with HTTP 500, that the model's chat template refuses the messages: for good."""
_CREDIT = re.compile(r"insufficient_quota|exceeded your current quota|credit balance|billing")


def error_of(body: object) -> tuple[str, str]:
    """(message, code) of an error body in any of the forms that servers use; ("", "") if it holds neither."""
    if isinstance(body, bytes):
        body = body.decode("utf-8", "replace")
    if isinstance(body, str):
        try:
            body = json.loads(body)
        except ValueError:
            text = str(body).strip()
            return ("an HTML page instead of JSON" if text.startswith("<") else text, "")
    if isinstance(body, Mapping):
        inner = body.get("error", body)
        if isinstance(inner, Mapping):
            message = inner.get("message") or inner.get("detail") or ""
            if isinstance(message, list):  # FastAPI's: one entry per field
                message = "; ".join(_field_error(entry) for entry in message)
            code = f"{inner.get('code') or inner.get('type') or ''} {inner.get('param') or ''}".strip()
            return str(message), code
        return str(inner), ""
    return ("" if body is None else str(body)), ""


def _field_error(entry: object) -> str:
    if not isinstance(entry, Mapping):
        return str(entry)
    place = entry.get("loc")
    where = ".".join(map(str, place)) if isinstance(place, list | tuple) else ""
    return f"{where}: {entry.get('msg')}"


def retry_after_s(headers: Mapping[str, str]) -> float | None:
    """Seconds that a Retry-After (seconds or HTTP date) or retry-after-ms header asks for; None if there is none."""
    lowered = {name.lower(): value for name, value in headers.items()}
    try:
        if "retry-after-ms" in lowered:
            return max(0.0, float(lowered["retry-after-ms"]) / 1000)
        value = lowered["retry-after"]
    except (KeyError, ValueError):
        return None
    try:
        return max(0.0, float(value))
    except ValueError:
        pass
    try:
        date = parsedate_to_datetime(value)
    except ValueError:
        return None
    if date.tzinfo is None:
        date = date.replace(tzinfo=UTC)
    return max(0.0, (date - datetime.now(UTC)).total_seconds())


_DURATION = re.compile(r"(?:(\d+)h)?(?:(\d+)m(?!s))?(?:([\d.]+)s)?(?:([\d.]+)ms)?")
_RESET = "x-ratelimit-reset"


def _reset_s(headers: Mapping[str, str]) -> float | None:
    """Seconds until the limit resets that x-ratelimit-reset headers name; None if none does.

    They hold seconds, a time in seconds or milliseconds since 1970, or a duration such as 1h2m3.5s. Of several limits
    (-requests, -tokens) those count of which nothing remains.
    """
    lowered = {name.lower(): value.strip() for name, value in headers.items()}
    waits = []
    for name, value in lowered.items():
        remaining = lowered.get(name.replace("reset", "remaining"))
        if name.startswith(_RESET) and (name == _RESET or remaining == "0") and (wait := _seconds(value)) is not None:
            waits.append(wait)
    return max(waits, default=None)


def _seconds(value: str) -> float | None:
    try:
        number = float(value)
    except ValueError:
        parts = _DURATION.fullmatch(value)
        if not value or parts is None:
            return None
        hours, minutes, seconds, thousandths = (float(part or 0) for part in parts.groups())
        return hours * 3600 + minutes * 60 + seconds + thousandths / 1000
    now = datetime.now(UTC).timestamp()
    if number > 1e11:
        number /= 1000
    return max(0.0, number - now if number > 1e9 else number)


_SECRETS = re.compile(
    r"(?i)\b(?:sk|pk|lsv2|gsk|xai|hf|ghp|AIza)[-_A-Za-z0-9]{8,}|(?<=bearer )\S+|(?<=://)[^/\s@]+@|(?<=key=)[-.\w]{4,}"
)


def redacted(text: str, secrets: Iterable[str] = ()) -> str:
    """The text without the secrets, nor anything that looks like a key, a bearer token or a password in a URL.

    Servers repeat the key they refused, and their words end up in traces and reports.
    """
    for secret in secrets:
        if len(secret) >= 6:  # a placeholder such as "none" is no secret, and a common word
            text = text.replace(secret, "[hidden]")
    return _SECRETS.sub("[hidden]", text)


_BY_NAME: tuple[tuple[str, FailureKind], ...] = (
    ("contextoverflow", FailureKind.CONTEXT_TOO_LONG),
    ("timeout", FailureKind.TIMEOUT),
    ("deadline", FailureKind.TIMEOUT),
    ("refused", FailureKind.REFUSED),
    ("connecterror", FailureKind.REFUSED),
    ("connectionerror", FailureKind.REFUSED),
    ("protocolerror", FailureKind.INTERRUPTED),
    ("readerror", FailureKind.INTERRUPTED),
    ("connectionreset", FailureKind.INTERRUPTED),
    ("connectionaborted", FailureKind.INTERRUPTED),
    ("brokenpipe", FailureKind.INTERRUPTED),
    ("ratelimit", FailureKind.RATE_LIMITED),
    ("resourceexhausted", FailureKind.RATE_LIMITED),
    ("throttl", FailureKind.RATE_LIMITED),
    ("authentication", FailureKind.UNAUTHORISED),
    ("permissiondenied", FailureKind.UNAUTHORISED),
    ("notfound", FailureKind.UNKNOWN_MODEL),
    ("badrequest", FailureKind.BAD_REQUEST),
    ("invalidrequest", FailureKind.BAD_REQUEST),
    ("invalidargument", FailureKind.BAD_REQUEST),
    ("serviceunavailable", FailureKind.SERVER_ERROR),
    ("internalserver", FailureKind.SERVER_ERROR),
    ("apierror", FailureKind.SERVER_ERROR),
)
"""(part of the class's name in lower case, kind); the first that fits."""

_BY_CLASS: tuple[tuple[type[Exception], FailureKind], ...] = (
    (OSError, FailureKind.INTERRUPTED),
    (ValueError, FailureKind.MALFORMED),
    (LookupError, FailureKind.MALFORMED),
    (TypeError, FailureKind.MALFORMED),
)
"""An answer that a library cannot make sense of surfaces as whatever its code trips over: JSONDecodeError (a
ValueError), IndexError for empty choices, KeyError for missing ones, TypeError for null."""


def failure_of(error: Exception, model: BaseChatModel) -> ProviderFailure:
    """The failure that an exception out of a model's library means."""
    where, secrets = where_of(model), _secrets(model)
    response = getattr(error, "response", None)
    status = _status(error, response)
    if status is None or _kind(error) is FailureKind.CONTEXT_TOO_LONG:
        words = type(error).__name__ if getattr(model, "guarded", False) else f"{type(error).__name__}: {error}"
        return failure(_kind(error), where, words, secrets=secrets)
    headers = getattr(response, "headers", None)
    body = getattr(error, "body", None) or str(error)
    headers = headers if isinstance(headers, Mapping) else None
    return failure_of_status(where, status, body, headers, secrets, repeat=not getattr(model, "guarded", False))


def where_of(model: BaseChatModel) -> str:
    """The model as a sentence about it opens: the name people gave it, and the class that speaks for it."""
    if isinstance(where := getattr(model, "where", None), str):
        return where
    names = (getattr(model, field, None) for field in ("model_name", "model", "model_id"))
    return " ".join([type(model).__name__, *[name for name in names if isinstance(name, str)][:1]])


def _secrets(model: BaseChatModel) -> list[str]:
    found = [getattr(value, "get_secret_value", None) for value in vars(model).values()]
    return [str(secret()) for secret in found if callable(secret)]


def _status(error: Exception, response: Any) -> int | None:
    """The HTTP status an exception carries, under any of the names libraries give it."""
    found = [getattr(error, "status_code", None), getattr(response, "status_code", None)]
    found += [getattr(error, "status", None), getattr(error, "code", None)]
    if isinstance(response, Mapping):  # botocore
        found.append((response.get("ResponseMetadata") or {}).get("HTTPStatusCode"))
    return next((int(status) for status in found if isinstance(status, int) and 400 <= status <= 599), None)


def _kind(error: Exception) -> FailureKind:
    name = type(error).__name__.lower()
    kind = next((kind for part, kind in _BY_NAME if part in name), None)
    if kind is FailureKind.REFUSED and isinstance(error.__cause__, Exception):
        # "No connection" of one library may be a broken one of the library below it.
        return _kind(error.__cause__)
    if kind is not None:
        return kind
    return next((kind for base, kind in _BY_CLASS if isinstance(error, base)), FailureKind.UNKNOWN)

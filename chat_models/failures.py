"""What can go wrong between us and a model: our own bad configuration, and a provider that fails.

A provider's failure has a kind from a closed set and one sentence that says what happened, where, and what to do. It is
never a reply: nothing in it can be taken for text of the model.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from enum import StrEnum

EXCERPT = 240
"""Characters of a provider's own words that a sentence keeps: one line of a terminal or two."""


class ConfigurationError(ValueError):
    """A model was asked for in a way that cannot work; the sentence says what to change. Nothing was sent or paid."""


class FailureKind(StrEnum):
    """Why a call failed; the set is closed, so that traces can count and code can compare."""

    REFUSED = "refused"
    """Nobody answers at the address."""
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
    FailureKind.UNAUTHORISED: "set the right key (vllm: reads VLLM_API_KEY, openai: reads OPENAI_API_KEY)",
    FailureKind.NO_CREDIT: "the account has no credit left: top it up, then resume",
    FailureKind.UNKNOWN_MODEL: "name a model that the server serves (GET /models lists them)",
    FailureKind.UNKNOWN: "the cause is chained to this error",
}


class ProviderFailure(RuntimeError):
    """A model could not be had: the machine's failure, which ends the episode as failed and can be resumed."""

    def __init__(
        self,
        kind: FailureKind,
        sentence: str,
        *,
        attempts: int = 1,
        retry_after_s: float | None = None,
    ) -> None:
        super().__init__(kind, sentence)  # positional, so that the failure survives pickling
        self.kind = kind
        self.sentence = sentence
        self.attempts = attempts
        """Calls made until it was given up."""
        self.retry_after_s = retry_after_s
        """Seconds the provider asked us to wait; None if it did not say."""

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
    secrets: Iterable[str] = (),
) -> ProviderFailure:
    """A failure whose sentence reads `where: detail; advice.`, on one line and without the secrets."""
    words = redacted(" ".join(detail.split()), secrets)
    if len(words) > EXCERPT:
        words = words[: EXCERPT - 1] + "…"
    sentence = f"{where}: {words.rstrip('.:; ')}; {advice or _ADVICE[kind]}."
    return ProviderFailure(kind, sentence, retry_after_s=retry_after_s)


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
    message, code = _error_of(body)
    kind, advice = kind_of_status(status, message, code), None
    if 300 <= status < 400:
        message = f"redirected to {headers.get('location', 'another address')}"
    if kind is FailureKind.BAD_REQUEST and status in (301, 302, 303, 307, 308, 404, 405):
        advice = "correct `base_url`: it is used as given, and usually ends in /v1"
    detail = f"HTTP {status}" + (f", {message}" if message and repeat else "")
    return failure(kind, where, detail, advice=advice, retry_after_s=retry_after_s(headers), secrets=secrets)


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
    if status in (400, 413, 422) and _CONTEXT.search(said):
        return FailureKind.CONTEXT_TOO_LONG
    if status == 429 and _CREDIT.search(said):
        return FailureKind.NO_CREDIT
    if status == 404 and "model" in said:  # a wrong path answers 404 too, but says nothing about a model
        return FailureKind.UNKNOWN_MODEL
    return _FIXED_KINDS.get(status, FailureKind.SERVER_ERROR if status >= 500 else FailureKind.BAD_REQUEST)


_CONTEXT = re.compile(
    r"context.?(length|size|window)|maximum model length|max_model_len|prompt is too long|too many (input )?tokens"
    r"|input (is )?too long|reduce the length"
)
"""How OpenAI, vLLM, SGLang, llama.cpp, Anthropic and others say that the prompt does not fit."""
_CREDIT = re.compile(r"insufficient_quota|exceeded your current quota|credit balance|billing")


def _error_of(body: object) -> tuple[str, str]:
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
            return str(message), str(inner.get("code") or inner.get("type") or "")
        return str(inner), ""
    return ("" if body is None else str(body)), ""


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
        moment = parsedate_to_datetime(value)
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return max(0.0, (moment - datetime.now(UTC)).total_seconds())


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

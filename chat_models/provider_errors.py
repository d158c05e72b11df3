"""What the exceptions of providers' libraries mean, without importing any of those libraries.

They are known by what they carry: an HTTP status, LangChain's own classes for failures of models, the name of the
class, and last the builtin class under it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from langchain_core.exceptions import ContextOverflowError
from pydantic import SecretStr

from chat_models.failures import FailureKind, ProviderFailure, failure, failure_of_status

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel

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
    where, secrets = _where(model), _secrets(model)
    response = getattr(error, "response", None)
    status = _status(error, response)
    if status is None or isinstance(error, ContextOverflowError):
        words = type(error).__name__ if getattr(model, "guarded", False) else f"{type(error).__name__}: {error}"
        return failure(_kind(error), where, words, secrets=secrets)
    headers = getattr(response, "headers", None)
    body = getattr(error, "body", None) or str(error)
    headers = headers if isinstance(headers, Mapping) else None
    return failure_of_status(where, status, body, headers, secrets, repeat=not getattr(model, "guarded", False))


def _where(model: BaseChatModel) -> str:
    """The model as a sentence about it opens: the name people gave it, and the class that speaks for it."""
    if isinstance(where := getattr(model, "where", None), str):
        return where
    names = (getattr(model, field, None) for field in ("model_name", "model", "model_id"))
    return " ".join([type(model).__name__, *[name for name in names if isinstance(name, str)][:1]])


def _secrets(model: BaseChatModel) -> list[str]:
    return [value.get_secret_value() for value in vars(model).values() if isinstance(value, SecretStr)]


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

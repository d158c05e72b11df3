"""What the libraries of other providers raise, as typed failures: which kind, retried or not, and without keys."""

from __future__ import annotations

import json
from typing import Any, ClassVar

import pytest
from langchain_openai import ChatOpenAI
from openai_stub import answer, raw, say, status
from puppet_model import puppet

from chat_models import ConfigurationError, FailureKind, ProviderFailure, Retry, call
from chat_models.provider_errors import failure_of

HI = [{"role": "user", "content": "hi"}]
AT_ONCE = Retry(attempts=3, base_s=0.0)


# What providers' libraries raise


class AuthenticationError(Exception):
    pass


class OverloadedError(Exception):
    status_code = 529


class GoogleError(Exception):
    code = 429


class ServiceUnavailable(Exception):
    pass


class BotocoreError(Exception):
    response: ClassVar[Any] = {"ResponseMetadata": {"HTTPStatusCode": 403}}


class APIConnectionError(Exception):
    pass


class RemoteProtocolError(Exception):
    pass


class Surprise(Exception):
    pass


def broken_below() -> Exception:
    error = APIConnectionError("Connection error.")
    error.__cause__ = RemoteProtocolError("peer closed connection")
    return error


RAISED: list[tuple[Exception, FailureKind, bool]] = [
    (TimeoutError(), FailureKind.TIMEOUT, True),
    (ConnectionRefusedError(111, "refused"), FailureKind.REFUSED, True),
    (ConnectionResetError(), FailureKind.INTERRUPTED, True),
    (OSError("network is down"), FailureKind.INTERRUPTED, True),
    (json.JSONDecodeError("Expecting value", "<html>", 0), FailureKind.MALFORMED, True),
    (IndexError("list index out of range"), FailureKind.MALFORMED, True),
    (KeyError("choices"), FailureKind.MALFORMED, True),
    (TypeError("null value for choices"), FailureKind.MALFORMED, True),
    (AuthenticationError("bad key"), FailureKind.UNAUTHORISED, False),
    (OverloadedError("overloaded"), FailureKind.SERVER_ERROR, True),
    (GoogleError("quota per minute"), FailureKind.RATE_LIMITED, True),
    (ServiceUnavailable("later"), FailureKind.SERVER_ERROR, True),
    (BotocoreError("denied"), FailureKind.UNAUTHORISED, False),
    (APIConnectionError("Connection error."), FailureKind.REFUSED, True),
    (broken_below(), FailureKind.INTERRUPTED, True),
    (Surprise("what?"), FailureKind.UNKNOWN, True),
]


@pytest.mark.parametrize(("error", "kind", "again"), RAISED, ids=lambda value: type(value).__name__)
def test_what_a_library_raises_becomes_a_typed_failure(ask_puppet, error, kind, again):
    model = puppet(error, error, error)
    with pytest.raises(ProviderFailure, match=r"^Puppet: \w+") as caught:
        ask_puppet(model)
    assert (caught.value.kind, caught.value.attempts, len(model.asked)) == (kind, *((3, 3) if again else (1, 1)))
    assert type(caught.value.__cause__) is type(error)  # asyncio copies some errors on their way out of a thread


def test_it_recovers_from_what_a_library_raises(ask_puppet):
    assert ask_puppet(puppet(Surprise(), TimeoutError(), "ok")).attempts == 3


@pytest.mark.parametrize("error", [AssertionError("a bug"), NameError("x"), NotImplementedError(), MemoryError()])
def test_mistakes_in_code_rise_as_they_are(ask_puppet, error):
    model = puppet(error, "ok")
    with pytest.raises(type(error)) as caught:
        ask_puppet(model)
    assert caught.value is error
    assert len(model.asked) == 1


@pytest.mark.parametrize("error", [ConfigurationError("no player"), KeyboardInterrupt()], ids=["ours", "the person's"])
def test_our_own_errors_and_a_persons_interrupt_rise_as_they_are(error):
    model = puppet(error, "ok")
    with pytest.raises(type(error)):
        call(model, HI, retry=AT_ONCE)
    assert len(model.asked) == 1


def test_failures_of_a_library_hide_the_models_keys(ask_puppet):
    model = ChatOpenAI(model="m", api_key="odd secret value", base_url="http://127.0.0.1:1/v1")
    failed = failure_of(Surprise("the key 'odd secret value' was refused"), model)
    assert str(failed).startswith("ChatOpenAI m: Surprise: the key '[hidden]' was refused")


# A provider's model as init_chat_model builds it: ChatOpenAI itself, with its own client and classes of errors.


def test_another_librarys_model_is_called_and_its_failures_are_known(stub):
    model = ChatOpenAI(model="m", api_key="none", base_url=stub.url, max_retries=0)
    stub.script(status(500), status(429, retry_after="0"), say("ok"))
    done = call(model, HI, retry=AT_ONCE, seed=3)
    assert (done.message["content"], done.attempts, done.prompt_tokens) == ("ok", 3, 1200)
    assert stub.bodies[0]["seed"] == 3
    for behaviour, kind in [
        (status(401, "wrong"), FailureKind.UNAUTHORISED),
        (status(404, "The model `m` does not exist."), FailureKind.UNKNOWN_MODEL),
        (status(400, "maximum context length is 10 tokens", error_code="context_length_exceeded"), "context_too_long"),
        (answer({"choices": []}), FailureKind.MALFORMED),
        (raw("<html>"), FailureKind.MALFORMED),
    ]:
        stub.script(behaviour)
        with pytest.raises(ProviderFailure) as caught:
            call(model, HI, retry=Retry(attempts=1))
        assert caught.value.kind == kind
    model.root_client.close()

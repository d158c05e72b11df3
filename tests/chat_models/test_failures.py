"""Failures: kinds, sentences for people, and no secrets in them."""

from __future__ import annotations

import json
import pickle
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any, ClassVar

import pytest
from langchain_openai import ChatOpenAI
from openai_stub import answer, raw, say, status
from puppet_model import puppet

from chat_models import ConfigurationError, FailureKind, ProviderFailure, Retry, call
from chat_models.failures import (
    _ADVICE,
    EXCERPT,
    RETRIED,
    failure,
    failure_of,
    failure_of_status,
    kind_of_status,
    redacted,
    retry_after_s,
)

LONG_PROMPTS = [
    (400, "This model's maximum context length is 4096 tokens. However, you requested 5000 tokens"),
    (400, "context_length_exceeded"),
    (400, "The prompt (total length 9000) is longer than the maximum model length of 8192"),
    (400, "prompt is too long: 210000 tokens > 200000 maximum"),
    (400, "the request exceeds the available context size. try increasing it"),
    (413, "Input is too long for requested model."),
    (422, "Please reduce the length of the messages"),
]


@pytest.mark.parametrize(("status", "message"), LONG_PROMPTS)
def test_a_prompt_that_does_not_fit_is_known_in_every_servers_words(status, message):
    assert kind_of_status(status, message) is FailureKind.CONTEXT_TOO_LONG


@pytest.mark.parametrize("status", [408, 409, 429, 500, 502, 503, 504, 520, 529])
def test_statuses_that_may_pass_are_retried(status):
    assert kind_of_status(status) in RETRIED


@pytest.mark.parametrize("status", [301, 400, 401, 402, 403, 404, 405, 422, 451])
def test_statuses_that_stay_are_not_retried(status):
    assert kind_of_status(status) not in RETRIED


def test_every_kind_has_advice():
    assert set(_ADVICE) == set(FailureKind)


BODIES = [
    ({"error": {"message": "no", "code": 7}}, "no"),
    ({"error": "no"}, "no"),
    ({"object": "error", "message": "no"}, "no"),
    ({"detail": "no"}, "no"),
    (b'{"error": {"message": "no"}}', "no"),
    ("no", "no"),
    (b"\xff", "\ufffd"),
    ("<html>\n<title>502</title>", "an HTML page instead of JSON"),
    ([1, 2], "[1, 2]"),
]


@pytest.mark.parametrize(("body", "words"), BODIES)
def test_the_servers_own_words_are_found_in_every_form_of_error(body, words):
    assert str(failure_of_status("m at u", 500, body)) == (
        f"m at u: HTTP 500, {words}; look at the server's log, then resume."
    )


def test_an_error_without_words_is_its_status():
    for body in ("", b"", None, {}):
        assert "HTTP 503;" in str(failure_of_status("m", 503, body))


def test_a_sentence_is_one_bounded_line():
    text = str(failure(FailureKind.MALFORMED, "m", "a\nb\t" + "x" * 10_000))
    assert "\n" not in text
    assert "\t" not in text
    assert len(text) < EXCERPT + 120


@pytest.mark.parametrize(
    "secret",
    [
        "sk-proj-abcDEF123456",
        "lsv2_pt_0123456789abcdef",
        "Bearer zzz.yyy.xxx",
        "https://user:pass@host/v1",
        "https://h/v1?api_key=abc123",
        "AIzaSyA-1234567890",
    ],
)
def test_whatever_looks_like_a_key_is_hidden(secret):
    shown = redacted(f"the request with {secret} was refused")
    hidden = secret.removeprefix("Bearer ").removeprefix("https://").removesuffix("host/v1").split("api_key=")[-1]
    assert hidden not in shown
    assert shown.endswith(" was refused")


def test_a_known_key_is_hidden_whatever_it_looks_like_and_placeholders_hide_nothing():
    assert redacted("key hunter2! refused", ["hunter2!"]) == "key [hidden] refused"
    assert redacted("none of these", ["none", ""]) == "none of these"


def test_ordinary_words_are_left_alone():
    sentence = "Model sk8er at http://10.0.0.1:8000/v1: disk-full, task-force, pk-fire, key=, high-frequency"
    assert redacted(sentence) == sentence


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"Retry-After": "3"}, 3.0),
        ({"retry-after": "0.5"}, 0.5),
        ({"Retry-After": "-1"}, 0.0),
        ({"Retry-After-Ms": "250", "Retry-After": "9"}, 0.25),
        ({"Retry-After": "soon"}, None),
        ({"Retry-After-Ms": "soon"}, None),
        ({"Retry-After": "Wed, 21 Oct 2015 07:28:00 GMT"}, 0.0),
        ({"Retry-After": "Wed, 21 Oct 2015 07:28:00"}, 0.0),
    ],
)
def test_the_wait_a_provider_asks_for_is_read(headers, seconds):
    assert retry_after_s(headers) == seconds


def test_a_date_to_come_back_at_is_read_as_seconds_from_now():
    later = datetime.now(UTC) + timedelta(hours=1)
    seconds = retry_after_s({"Retry-After": format_datetime(later, usegmt=True)})
    assert seconds is not None
    assert 3000 < seconds <= 3600


def test_a_failure_survives_pickling():
    before = ProviderFailure(FailureKind.TIMEOUT, "m: late.", attempts=5, retry_after_s=2.0)
    after = pickle.loads(pickle.dumps(before))  # noqa: S301 - our own bytes
    assert (str(after), after.kind, after.attempts, after.retry_after_s) == (
        "m: late. (after 5 attempts)",
        FailureKind.TIMEOUT,
        5,
        2.0,
    )


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


def test_a_server_without_a_tool_parser_has_its_own_advice():
    said = {"message": '"auto" tool choice requires --enable-auto-tool-choice and --tool-call-parser to be set'}
    sentence = str(failure_of_status("vllm:m", 400, {"error": said}))
    assert sentence.endswith("start vLLM with --enable-auto-tool-choice and --tool-call-parser, or use `dialect` tags.")

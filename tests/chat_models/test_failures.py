"""Failures: kinds, sentences for people, and no secrets in them."""

from __future__ import annotations

import pickle
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from chat_models import FailureKind, ProviderFailure
from chat_models.failures import (
    _ADVICE,
    EXCERPT,
    RETRIED,
    failure,
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

"""A server that is starting, and a limit that resets far ahead: when a call waits, and when it ends at once."""

from __future__ import annotations

import logging
import time
from datetime import UTC, datetime
from typing import Any

import pytest
from openai_stub import OpenAIStub, answer, say, status, unknown_model

from chat_models import FailureKind, ProviderFailure, Retry, call, chat_model
from chat_models.failures import retry_after_s

PATIENT = Retry(attempts=1, base_s=0.0, patience_s=20.0)
HI = [{"role": "user", "content": "hi"}]
STARTING: dict[str, Any] = {
    "loading": status(503, "Loading model"),
    "a wrong path, as of a gateway": answer({"detail": "Not Found"}, code=404),
    "no such model yet": unknown_model(),
}


@pytest.mark.parametrize("starting", STARTING.values(), ids=STARTING)
def test_a_server_that_starts_is_waited_for_and_one_line_says_so(stub, ask, starting, caplog):
    stub.script(starting, starting, say("ready"))
    done = ask(retry=PATIENT)
    assert (done.message["content"], done.attempts, len(stub.bodies)) == ("ready", 1, 3)
    assert [record.levelno for record in caplog.records] == [logging.WARNING]
    assert caplog.messages[0].endswith("waiting up to 20 s for the server.")


def test_a_server_that_accepts_no_connection_yet_is_waited_for(monkeypatch):
    with OpenAIStub() as taken:
        port = taken.port
    late = OpenAIStub(say("ready"), port)
    slept: list[float] = []

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        if len(slept) == 2:
            late.__enter__()

    monkeypatch.setattr("chat_models.retrying.time.sleep", sleep)
    try:
        model = chat_model("vllm:m", world="none", base_url=f"http://127.0.0.1:{port}/v1")
        assert call(model, HI, retry=PATIENT).message["content"] == "ready"
    finally:
        late.__exit__()
    assert slept == pytest.approx([0.1, 0.2])


def test_patience_ends_and_a_server_that_has_answered_gets_none(stub, ask, monkeypatch):
    began = time.monotonic()
    stub.script(*[status(503)] * 20)
    with pytest.raises(ProviderFailure, match="HTTP 503"):
        ask(retry=Retry(attempts=1, patience_s=0.3))
    assert len(stub.bodies) == 3  # at 0, 0.1 and 0.3 s
    with pytest.raises(ProviderFailure, match="HTTP 503"):
        ask(retry=Retry(attempts=1, patience_s=0.3))  # all calls of a model share one patience
    assert len(stub.bodies) == 4
    assert time.monotonic() - began < 20
    stub._queue.clear()
    ask()
    stub.script(status(503))
    with pytest.raises(ProviderFailure, match="HTTP 503"):
        ask(retry=PATIENT)


def test_a_name_that_a_running_server_does_not_list_is_not_waited_for(stub, ask):
    stub.gets["/v1/models"] = {"data": [{"id": "large"}, {"id": "small"}]}
    stub.script(unknown_model())
    with pytest.raises(ProviderFailure, match="no such model: it has large, small; name a model") as caught:
        ask(retry=PATIENT)
    assert caught.value.kind is FailureKind.UNKNOWN_MODEL


@pytest.mark.parametrize("empty", [answer({"choices": []}), answer({"choices": None})], ids=["empty", "null"])
def test_no_choices_after_calls_that_succeeded_say_nothing_of_the_address(stub, ask, empty):
    stub.script(say("fine"), empty)
    ask()
    with pytest.raises(ProviderFailure, match=r"the provider answered nothing .*no choices") as caught:
        ask(retry=Retry(attempts=1))
    assert caught.value.kind is FailureKind.MALFORMED
    assert "base_url" not in str(caught.value)


DAILY: dict[str, dict[str, str]] = {
    "seconds to wait": {"retry_after": "36010"},
    "seconds until the reset": {"x_ratelimit_reset": "36010"},
    "a time": {"x_ratelimit_reset": "NOW"},
    "a time in milliseconds": {"x_ratelimit_reset": "NOW000"},
    "a duration, of what is used up": {
        "x_ratelimit_reset_requests": "10h0m10s",
        "x_ratelimit_remaining_requests": "0",
        "x_ratelimit_reset_tokens": "99h",
        "x_ratelimit_remaining_tokens": "5000",
    },
}


@pytest.mark.parametrize("headers", DAILY.values(), ids=DAILY)
def test_a_limit_that_resets_far_ahead_ends_the_call_at_once(stub, ask, headers):
    now = str(int(datetime.now(UTC).timestamp()) + 36_010)
    sent = {name: value.replace("NOW", now) for name, value in headers.items()}
    stub.script(status(429, "free-models-per-day", **sent))
    resets = r"HTTP 429, free-models-per-day; the limit resets at 20\d\d-\d\d-\d\d \d\d:\d\d UTC, in 10 h 0 min: resume"
    with pytest.raises(ProviderFailure, match=resets) as caught:
        ask(retry=Retry(attempts=5, patience_s=300.0))
    assert (caught.value.kind, caught.value.retried, len(stub.bodies)) == (FailureKind.LIMIT_REACHED, False, 1)


def test_a_limit_that_resets_within_the_patience_is_waited_for():
    retry = Retry(patience_s=300.0)
    assert retry.wait_s(1, 0, 120.0) == 120.0
    assert retry_after_s({"x-ratelimit-reset": "5"}) is None  # a header of answers that succeed, too

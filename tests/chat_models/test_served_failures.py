"""A served model against everything that goes wrong on the way: typed, retried where it may pass, and never a reply."""

from __future__ import annotations

import asyncio
import socket
import threading
from typing import Any

import pytest
from langchain_core.load import dumps
from openai_stub import (
    Exchange,
    answer,
    context_too_long,
    cut,
    drip,
    hang_up,
    late,
    raw,
    say,
    status,
    unknown_model,
)

from chat_models import FailureKind, ProviderFailure, Retry, acall, chat_model
from chat_models.served import ServedChatModel

ONCE = Retry(attempts=1)

PASSING: dict[str, tuple[Any, FailureKind]] = {
    "http 500": (status(500), FailureKind.SERVER_ERROR),
    "http 503 page": (raw("<html>down</html>", code=503, kind="text/html"), FailureKind.SERVER_ERROR),
    "http 429": (status(429, "slow down", retry_after="0"), FailureKind.RATE_LIMITED),
    "http 408": (status(408), FailureKind.TIMEOUT),
    "http 409": (status(409), FailureKind.SERVER_ERROR),
    "an html page": (raw("<html>welcome</html>", kind="text/html"), FailureKind.MALFORMED),
    "broken json": (raw('{"choices": [{'), FailureKind.MALFORMED),
    "nothing": (raw(""), FailureKind.MALFORMED),
    "no utf-8": (raw(b'{"choices": "\xff"}'), FailureKind.MALFORMED),
    "a list": (answer([1]), FailureKind.MALFORMED),
    "empty choices": (answer({"choices": []}), FailureKind.MALFORMED),
    "null choices": (answer({"choices": None}), FailureKind.MALFORMED),
    "no choices": (answer({"object": "chat.completion"}), FailureKind.MALFORMED),
    "null message": (answer({"choices": [{"message": None}]}), FailureKind.MALFORMED),
    "an error in a 200": (answer({"error": {"message": "upstream", "code": 502}}), FailureKind.SERVER_ERROR),
    "a limit in a 200": (answer({"error": {"message": "upstream", "code": 429}}), FailureKind.RATE_LIMITED),
    "a bare error in a 200": (answer({"error": "overloaded"}), FailureKind.SERVER_ERROR),
    "an aborted reply": (say("<|ACT", finish_reason="abort"), FailureKind.INTERRUPTED),
    "a cut body": (cut(), FailureKind.INTERRUPTED),
    "a hang-up": (hang_up(), FailureKind.INTERRUPTED),
}


@pytest.mark.parametrize(("behaviour", "kind"), PASSING.values(), ids=PASSING)
def test_what_may_pass_is_tried_again_until_it_is_a_failure(stub, ask, behaviour, kind):
    stub.script(behaviour, behaviour, say("recovered"))
    done = ask()
    assert (done.message["content"], done.attempts) == ("recovered", 3)
    stub.script(behaviour, behaviour, behaviour)
    with pytest.raises(ProviderFailure) as caught:
        ask()
    assert (caught.value.kind, caught.value.attempts) == (kind, 3)
    assert str(caught.value).startswith(f"m at {stub.url}: ")
    assert str(caught.value).endswith("(after 3 attempts)")
    assert "\n" not in str(caught.value)


LASTING: dict[str, tuple[Any, FailureKind]] = {
    "http 400": (status(400, "temperature must be below 2"), FailureKind.BAD_REQUEST),
    "http 401": (status(401, "wrong key"), FailureKind.UNAUTHORISED),
    "http 402": (status(402, "pay first"), FailureKind.NO_CREDIT),
    "http 403": (status(403, "not from here"), FailureKind.UNAUTHORISED),
    "http 404": (unknown_model(), FailureKind.UNKNOWN_MODEL),
    "http 422": (status(422, "no such field"), FailureKind.BAD_REQUEST),
    "a redirection": (status(307, location="https://elsewhere/v1"), FailureKind.BAD_REQUEST),
    "a long prompt": (context_too_long(), FailureKind.CONTEXT_TOO_LONG),
    "an empty account": (status(429, "You exceeded your current quota"), FailureKind.NO_CREDIT),
}


@pytest.mark.parametrize(("behaviour", "kind"), LASTING.values(), ids=LASTING)
def test_what_stays_wrong_is_not_tried_again(stub, ask, behaviour, kind):
    stub.script(behaviour)
    with pytest.raises(ProviderFailure) as caught:
        ask()
    assert (caught.value.kind, caught.value.attempts, len(stub.bodies)) == (kind, 1, 1)


def test_a_base_url_without_its_path_is_named_as_the_likely_fault(stub, ask):
    model = chat_model("vllm:m", world="none", base_url=stub.url.removesuffix("/v1") + "/wrong")
    stub.script(answer({"detail": "Not Found"}, code=404))
    with pytest.raises(ProviderFailure, match="correct `base_url`") as caught:
        ask(who=model)
    assert caught.value.kind is FailureKind.BAD_REQUEST


def test_nobody_listening_is_refused_after_every_attempt(ask):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound and not listening: connections are refused
        port = taken.getsockname()[1]
        model = chat_model("vllm:m", world="none", base_url=f"http://127.0.0.1:{port}/v1")
        with pytest.raises(ProviderFailure, match="start the server or correct `base_url`") as caught:
            ask(who=model)
    assert (caught.value.kind, caught.value.attempts) == (FailureKind.REFUSED, 3)


def test_a_late_answer_is_a_timeout_and_tried_again(stub, ask):
    model = chat_model("vllm:m", world="none", base_url=stub.url, timeout_s=0.2)
    stub.script(late(30), say("in time"))
    assert ask(who=model).attempts == 2
    stub.script(late(30))
    with pytest.raises(ProviderFailure, match=r"no complete answer within 0\.2 s") as caught:
        ask(who=model, retry=ONCE)
    assert caught.value.kind is FailureKind.TIMEOUT


def test_a_server_that_drips_does_not_hold_an_episode_beyond_the_timeout(stub):
    model = chat_model("vllm:m", world="none", base_url=stub.url, timeout_s=0.3)
    stub.script(drip())
    with pytest.raises(ProviderFailure) as caught:
        asyncio.run(acall(model, [{"role": "user", "content": "hi"}], retry=ONCE))
    assert caught.value.kind is FailureKind.TIMEOUT


def test_cancelling_a_call_cancels_it(stub, model):
    arrived = threading.Event()

    async def hold(exchange: Exchange) -> None:
        arrived.set()
        await asyncio.sleep(30)

    async def cancelled() -> None:
        task = asyncio.create_task(acall(model, [{"role": "user", "content": "hi"}]))
        assert await asyncio.to_thread(arrived.wait, 20)
        task.cancel()
        await task

    stub.script(hold)
    with pytest.raises(asyncio.CancelledError):
        asyncio.run(cancelled())
    assert len(stub.bodies) == 1


def test_the_key_appears_in_no_text_about_the_model_or_its_failures(stub, ask):
    key = "My0wnOddKey.77"
    model = chat_model("openai:m", world="none", base_url=stub.url, api_key=key)
    assert isinstance(model, ServedChatModel)
    stub.script(status(401, f"The key {key} or Bearer {key} is wrong"))
    with pytest.raises(ProviderFailure) as caught:
        ask(who=model)
    assert stub.headers[0]["authorization"] == f"Bearer {key}"
    failure = caught.value
    texts = [str(failure), repr(failure), repr(model), str(model.model_dump()), dumps(model)]
    texts += [str(model._get_ls_params()), str(model._get_invocation_params()), str(model._identifying_params)]
    assert [text for text in texts if key in text] == []
    assert "[hidden]" in failure.sentence

"""Calls of a model with several servers: where they go, when they move, and what moves nowhere."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator

import pytest
from openai_stub import Behaviour, Exchange, OpenAIStub, context_too_long, late, say, status

from chat_models import Affinity, ConfigurationError, FailureKind, ProviderFailure, Retry, acall, chat_model, pool
from chat_models.pool import Server, ServerPool
from chat_models.probes import check_held

LISTED = {"/v1/models": {"data": [{"id": "m"}]}}


@pytest.fixture
def other() -> Iterator[OpenAIStub]:
    with OpenAIStub(gets=LISTED) as server:
        yield server


@pytest.fixture(autouse=True)
def _short_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool, "PROBE_S", 0.2)


def both(*urls: str, timeout_s: float = 20.0) -> ServerPool:
    made = chat_model("vllm:m", world="none", base_url=urls, timeout_s=timeout_s)
    assert isinstance(made, ServerPool)
    return made


def only_for(text: str, behaviour: Behaviour) -> Behaviour:
    """Behaves so for a prompt that is this text, and says hello to the others."""

    async def behave(exchange: Exchange) -> None:
        await (behaviour if exchange.body["messages"][-1]["content"] == text else say())(exchange)

    return behave


@pytest.mark.parametrize(
    "failing", [status(503, "loading"), status(401), status(404, "the model m does not exist"), status(402)]
)
def test_a_server_of_no_use_is_out_at_once_and_the_call_is_answered_elsewhere(ask, stub, other, failing):
    stub.default, model = failing, both(stub.url, other.url)
    answer = ask(who=model, retry=Retry(attempts=5, base_s=60.0))
    assert (answer.server, answer.attempts, answer.errors) == (other.url, 2, {stub.url: 1})
    assert model.out == [stub.url]
    ask(who=model)
    assert len(stub.bodies) == 1


def test_errors_of_a_server_are_retried_there_as_often_as_with_one_and_then_elsewhere(ask, stub, other):
    stub.default, model = status(500), both(stub.url, other.url)
    answer = ask(who=model)
    assert (answer.server, answer.attempts, answer.errors) == (other.url, 4, {stub.url: 3})
    assert model.out == [stub.url]


def test_a_server_that_does_not_list_its_models_after_a_time_out_is_out(ask, other):
    with socket.create_server(("127.0.0.1", 0)) as hung:  # accepts connections, and reads nothing
        url = f"http://127.0.0.1:{hung.getsockname()[1]}/v1"
        model = both(url, other.url, timeout_s=0.3)
        answer = ask(who=model, retry=Retry(attempts=5, base_s=60.0))
    assert (answer.server, answer.errors, model.out) == (other.url, {url: 1}, [url])


def test_a_slow_call_of_a_server_that_lists_its_models_is_repeated_there(ask, stub, other):
    stub.gets, model = LISTED, both(stub.url, other.url, timeout_s=0.4)
    stub.script(late(2.0))
    answer = ask(who=model)
    assert (answer.server, answer.attempts, model.out) == (stub.url, 2, [])


def test_a_request_that_only_one_call_fails_with_moves_and_leaves_the_server_in(stub, other):
    stub.default, model, affinity = only_for("poison", status(500)), both(stub.url, other.url), Affinity()
    affinity.servers[model.where] = [stub.url]

    async def play() -> tuple[str, int]:
        async def ask(text: str) -> str:
            retry = Retry(attempts=2, base_s=0.2)
            return (await acall(model, [{"role": "user", "content": text}], retry=retry, affinity=affinity)).server

        poisoned, answered = asyncio.ensure_future(ask("poison")), 0
        while not poisoned.done():
            answered += await ask("hi") == stub.url
        return poisoned.result(), answered

    server, answered = asyncio.run(play())
    assert (server, model.out) == (other.url, [])
    assert answered > 0


@pytest.mark.parametrize("fault", [context_too_long(), status(400, "no such field")])
def test_what_is_the_requests_own_fault_moves_nowhere(ask, stub, other, fault):
    stub.default, model = fault, both(stub.url, other.url)
    with pytest.raises(ProviderFailure) as caught:
        ask(who=model)
    assert caught.value.kind in (FailureKind.CONTEXT_TOO_LONG, FailureKind.BAD_REQUEST)
    assert (other.bodies, model.out) == ([], [])


def test_the_last_server_is_called_as_one_alone_is_until_another_is_back(ask, stub, other, monkeypatch):
    monkeypatch.setattr(pool, "FIRST_LOOK_S", 60.0)
    stub.default = other.default = status(503, "loading")
    model = both(stub.url, other.url)
    with pytest.raises(ProviderFailure, match=r"HTTP 503.*\. The other servers are out: http") as caught:
        ask(who=model)
    assert str(caught.value).endswith(f" {stub.url}. (after 4 attempts)")
    assert caught.value.kind is FailureKind.SERVER_ERROR
    assert (len(stub.bodies), len(other.bodies), model.out) == (1, 3, [stub.url])
    stub.default, model.pairs[0][1].look_at = say("back"), 0.0
    answer = ask(who=model)
    assert (answer.server, answer.errors, model.out) == (stub.url, {}, [])


def test_a_server_is_looked_at_after_waits_that_double_and_goes_on_from_there_if_it_fails_again(monkeypatch):
    now = 1_000.0
    monkeypatch.setattr(pool.time, "monotonic", lambda: now)
    server, waits = Server("http://h/v1"), []
    server.take_out("h: no server answers; start it.")
    for _ in range(9):
        waits.append(server.look_at - now)
        assert not server.claims_look()
        now = server.look_at
        assert server.claims_look()
        assert not server.claims_look(), "one caller looks"
        server.looked(well=len(waits) == 8)
        if len(waits) == 8:
            server.take_out("h: no server answers; start it.")
    assert waits == [1, 2, 4, 8, 16, 32, 60, 60, 60]


def test_a_server_that_passes_over_the_request_to_constrain_is_refused_and_one_that_is_back_stays_out(stub, other):
    model = both(stub.url, other.url)
    stub.default, other.default = say("held 8241"), say("hello")
    with pytest.raises(ConfigurationError, match=f"at {other.url} passes over the request to constrain"):
        check_held(model, "vllm:m")
    other.default = status(503)
    check_held(model, "vllm:m")
    assert model.out == [other.url]
    other.default = say("hello")
    assert not model.is_well(model.members[1])
    other.default = say("held 8241")
    assert model.is_well(model.members[1])


def test_it_answers_as_any_chat_model_does(stub, other):
    model = both(stub.url, other.url)
    assert [model.invoke("hi").text, model.invoke("hi").text] == ["hello", "hello"]
    assert "m at " in model.where

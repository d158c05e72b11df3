"""What a host that nobody listed answers to a client's model: nothing of it is repeated, no redirect is followed."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from openai_stub import OpenAIStub, raw, say, status

from chat_models import ConfigurationError, ProviderFailure, Retry, chat_model
from chat_models.keys import MODEL_HOSTS, client_calls
from chat_models.served import ServedChatModel


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(MODEL_HOSTS, raising=False)
    monkeypatch.setenv("LANGGRAPH_API_URL", "http://127.0.0.1:2024")


def make(spec: str, base_url: str) -> ServedChatModel:
    made = chat_model(spec, world="none", base_url=base_url, timeout_s=5)
    assert isinstance(made, ServedChatModel)
    return made


def for_client(spec: str, base_url: str) -> ServedChatModel:
    with client_calls():
        return make(spec, base_url)


@pytest.mark.parametrize("options", [{}, {"response_format": {"type": "json_object"}}])
@pytest.mark.parametrize("way", ["sync", "async"])
def test_redirects_are_followed_for_nobody(stub: OpenAIStub, options: dict[str, Any], way: str) -> None:
    with OpenAIStub() as elsewhere:
        stub.script(status(307, location=f"{elsewhere.url}/chat/completions"))
        model = make("openai:m", stub.url)
        with pytest.raises(Exception, match="307"):
            asyncio.run(model.ainvoke("hi", **options)) if way == "async" else model.invoke("hi", **options)
        assert (stub.connections, elsewhere.connections) == (1, 0)


SECRET = "root:x:0:0"


@contextmanager
def speaks(data: bytes) -> Iterator[str]:
    """A service that speaks no HTTP: it sends these bytes to whoever connects, and hangs up. Yields its base URL."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            connection, _ = listening.accept()
            with connection:
                connection.recv(65536)
                connection.sendall(data)

        thread = threading.Thread(target=serve)
        thread.start()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}/v1"
        thread.join(5)


ANSWERS = [
    status(500, SECRET),
    status(404, f"model {SECRET}"),
    status(429, SECRET, retry_after="0"),
    raw(SECRET, code=403),
    raw(json.dumps({"error": {"message": SECRET, "code": 418}})),
    raw(SECRET),
    say(None, finish_reason="error", refusal=SECRET),
]


@pytest.mark.parametrize("behaviour", ANSWERS)
def test_nothing_that_an_unlisted_host_answers_is_repeated(stub: OpenAIStub, ask_puppet: Any, behaviour: Any) -> None:
    stub.script(*[behaviour] * 3)
    with pytest.raises(ProviderFailure) as caught:
        ask_puppet(for_client("vllm:m", stub.url))
    assert SECRET not in str(caught.value)
    assert stub.url in str(caught.value)


def test_the_banner_of_a_service_that_is_no_web_server_is_not_repeated(ask_puppet: Any) -> None:
    with speaks(b"-ERR " + SECRET.encode() + b"\r\n\r\n") as url, pytest.raises(ProviderFailure) as caught:
        ask_puppet(for_client("vllm:m", url), retry=Retry(attempts=1))
    assert caught.value.kind == "interrupted"
    assert SECRET not in str(caught.value)


def test_a_model_of_a_clients_base_url_gives_plain_completions_only(stub: OpenAIStub) -> None:
    with pytest.raises(ConfigurationError, match="plain completions only"):
        for_client("vllm:m", stub.url).invoke("hi", response_format={"type": "json_object"})
    assert stub.connections == 0

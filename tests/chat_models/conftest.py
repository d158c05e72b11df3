"""What the tests of served models share: a stub server, a model that speaks to it, and both ways to call."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from openai_stub import OpenAIStub

from chat_models import Completion, Retry, acall, call, chat_model
from chat_models.served import ServedChatModel

Ask = Callable[..., Completion]

AT_ONCE = Retry(attempts=3, base_s=0.0)


@pytest.fixture
def stub() -> Iterator[OpenAIStub]:
    with OpenAIStub() as server:
        yield server


@pytest.fixture
def model(stub: OpenAIStub) -> ServedChatModel:
    made = chat_model("vllm:m", world="none", base_url=stub.url, timeout_s=20)
    assert isinstance(made, ServedChatModel)
    return made


@pytest.fixture(params=["sync", "async"])
def ask(request: pytest.FixtureRequest, model: ServedChatModel) -> Ask:
    """Calls the stub's model with one user message; every test that uses it runs over both ways to call."""

    def ask_once(text: str = "hi", *, who: Any = None, retry: Retry = AT_ONCE, **options: Any) -> Completion:
        messages = options.pop("messages", [{"role": "user", "content": text}])
        asked = model if who is None else who
        if request.param == "sync":
            return call(asked, messages, retry=retry, **options)
        return asyncio.run(acall(asked, messages, retry=retry, **options))

    return ask_once


@pytest.fixture(params=["sync", "async"])
def ask_puppet(request: pytest.FixtureRequest) -> Ask:
    """Calls any model with one user message, in both ways, without waiting between attempts."""

    def ask_once(asked: Any, **options: Any) -> Completion:
        options = {"retry": AT_ONCE, **options}
        messages = [{"role": "user", "content": "hi"}]
        if request.param == "sync":
            return call(asked, messages, **options)
        return asyncio.run(acall(asked, messages, **options))

    return ask_once


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny random model on disk; see `tiny_model`."""
    from tiny_model import make_tiny_model

    return make_tiny_model(tmp_path_factory.mktemp("tiny") / "base")


@pytest.fixture(scope="session")
def adapters(tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Two adapters of the tiny model."""
    from tiny_model import make_adapter

    folder = tmp_path_factory.mktemp("adapters")
    return make_adapter(folder / "one", tiny, seed=1), make_adapter(folder / "two", tiny, seed=2)

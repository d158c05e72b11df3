"""Which tokens a reply is drawn from: checked, computed, sent to a server, and never left out in silence."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from openai_stub import OpenAIStub
from stub_replies import status

from chat_models import ConfigurationError, call, chat_model
from chat_models.failures import FailureKind, ProviderFailure
from chat_models.sampler import checked_sampler, likely

HELLO = [{"role": "user", "content": "hello"}]
ODDS = torch.tensor([0.05, 0.4, 0.25, 0.25, 0.05])


@pytest.mark.parametrize(
    ("sampler", "left"),
    [
        ({}, [0.05, 0.4, 0.25, 0.25, 0.05]),
        ({"top_k": 0, "top_p": 1.0, "min_p": 0.0}, [0.05, 0.4, 0.25, 0.25, 0.05]),
        ({"top_k": 1}, [0, 1, 0, 0, 0]),
        ({"top_k": 9}, [0.05, 0.4, 0.25, 0.25, 0.05]),
        ({"min_p": 0.5}, [0, 0.4 / 0.9, 0.25 / 0.9, 0.25 / 0.9, 0]),
        ({"top_p": 0.41}, [0, 0.4, 0.25, 0, 0]),
        ({"top_p": 0.39}, [0, 0.4, 0, 0, 0]),
        ({"min_p": 0.5, "top_p": 0.4}, [0, 0.4 / 0.9, 0, 0, 0]),
    ],
)
def test_what_is_left_to_draw_from(sampler: dict[str, float], left: list[float]) -> None:
    found = likely(ODDS.log(), 1.0, sampler)
    torch.testing.assert_close(found, torch.tensor(left, dtype=torch.float32))


def test_the_temperature_comes_first() -> None:
    warm = likely(ODDS.log(), 2.0, {"min_p": 0.5})
    assert torch.count_nonzero(warm) == 3
    assert torch.count_nonzero(likely(ODDS.log(), 0.5, {"min_p": 0.5})) == 1


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"topk": 3}, "The sampler has no 'topk': give some of top_k, top_p, min_p"),
        ({"top_k": 2.5}, "top_k is 2.5: it must be a whole number from 0"),
        ({"top_k": -1}, "top_k is -1"),
        ({"top_p": 0.0}, "top_p is 0: it must be above 0, at most 1"),
        ({"top_p": float("nan")}, "top_p is nan"),
        ({"min_p": 1.5}, "min_p is 1.5: it must be 0 to 1"),
    ],
)
def test_what_no_sampler_has_is_refused(given: dict[str, float], sentence: str) -> None:
    with pytest.raises(ConfigurationError, match=sentence):
        checked_sampler(given)


def test_a_provider_that_would_pass_it_over_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="leave it out, or name vllm:NAME"):
        chat_model("anthropic:claude", world="vault", sampler={"top_k": 3})


def test_it_is_sent_with_every_call_to_every_server() -> None:
    given: Any = {"world": "vault", "sampler": {"top_k": 40, "min_p": 0.05}}
    with OpenAIStub() as one, OpenAIStub() as two:
        call(chat_model("vllm:m", base_url=one.url, **given), HELLO)
        call(chat_model("openai:m", base_url=one.url, api_key="k", **given), HELLO)
        pool = chat_model("vllm:m", base_url=[one.url, two.url], **given)
        call(pool, HELLO)
        bodies = [*one.bodies, *two.bodies]
    assert len(bodies) == 3
    assert {(body["top_k"], body["min_p"], body.get("top_p")) for body in bodies} == {(40, 0.05, None)}
    assert all(isinstance(body["top_k"], int) for body in bodies)


def test_a_server_that_refuses_it_is_not_asked_without() -> None:
    with OpenAIStub() as server:
        server.script(status(400, "Unsupported parameter: 'top_k' is not supported with this model."))
        model = chat_model("vllm:m", base_url=server.url, world="vault", sampler={"top_k": 40})
        with pytest.raises(ProviderFailure, match="top_k") as failed:
            call(model, HELLO)
    assert failed.value.kind is FailureKind.BAD_REQUEST
    assert len(server.bodies) == 1


def test_all_tokens_are_what_sglang_calls_minus_one() -> None:
    with OpenAIStub() as server:
        for provider in ("sglang", "vllm"):
            call(chat_model(f"{provider}:m", base_url=server.url, world="vault", sampler={"top_k": 0}), HELLO)
    assert [body["top_k"] for body in server.bodies] == [-1, 0]

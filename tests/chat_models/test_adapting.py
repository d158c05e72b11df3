"""Servers that refuse a part of a request: it is left out from then on, said, and nothing else of it changes."""

from __future__ import annotations

from typing import Any

import pytest
from openai_stub import Exchange, answer, say, status

from chat_models import FailureKind, ProviderFailure, chat_model
from chat_models.served import ServedChatModel

SYSTEM = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": "hi"},
    {"role": "assistant", "content": "yes?"},
    {"role": "user", "content": "go"},
]
PYDANTIC = {"detail": [{"type": "extra_forbidden", "loc": ["body", "seed"], "msg": "Extra inputs are not permitted"}]}
SEED_REFUSED: dict[str, Any] = {
    "mistral": answer(PYDANTIC, code=422),
    "openai": status(400, "Unsupported parameter: 'seed' is not supported with this model."),
    "another": status(400, "seed: unknown field"),
    "a gateway, in a 200": answer({"error": {"message": "seed is not supported", "code": 400}}),
}


@pytest.mark.parametrize("refusal", SEED_REFUSED.values(), ids=SEED_REFUSED)
def test_a_field_the_server_refuses_is_left_out_from_then_on(stub, ask, refusal):
    stub.script(refusal, say("one"), say("two"))
    first, second = ask(seed=7), ask(seed=7)
    assert (first.message["content"], first.attempts, second.message["content"]) == ("one", 1, "two")
    assert ["seed" in body for body in stub.bodies] == [True, False, False]
    assert all(body["temperature"] == 1.0 for body in stub.bodies)
    assert first.changes == second.changes == ("The server refuses seed: requests are sent without it.",)


def test_a_value_the_server_refuses_stays_an_error_and_a_limit_gets_its_other_name(stub, ask):
    stub.script(status(400, "temperature must be below 2"))
    with pytest.raises(ProviderFailure) as caught:
        ask()
    assert (caught.value.kind, len(stub.bodies)) == (FailureKind.BAD_REQUEST, 1)
    stub.script(status(400, "Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead."))
    assert ask().changes == ("The server refuses max_tokens: the limit is sent as max_completion_tokens.",)
    assert stub.bodies[-1]["max_completion_tokens"] == 4096
    assert "max_tokens" not in stub.bodies[-1]


def test_what_a_reply_depends_on_is_never_left_out(stub, ask):
    stub.script(status(400, "structured_outputs is not supported"))
    with pytest.raises(ProviderFailure):
        ask(constraint="a+")
    assert len(stub.bodies) == 1


SYSTEM_REFUSED: dict[str, Any] = {
    "vllm": status(400, "System role not supported"),
    "llama.cpp": status(500, "Value is not callable: raise_exception: System role not supported at row 1"),
    "mistral": status(400, "Conversation roles must alternate user/assistant/user/assistant/..."),
    "zephyr": status(400, "Only user and assistant roles are supported!"),
}


@pytest.mark.parametrize("refusal", SYSTEM_REFUSED.values(), ids=SYSTEM_REFUSED)
def test_a_system_text_that_is_refused_opens_the_first_user_message(stub, ask, refusal):
    stub.script(refusal)
    done = ask(messages=SYSTEM)
    assert stub.bodies[-1]["messages"] == [{"role": "user", "content": "Be brief.\n\nhi"}, *SYSTEM[2:]]
    assert done.changes == ("The server refuses the system role: the system text opens the first user message.",)
    ask(messages=SYSTEM)
    assert len(stub.bodies) == 3


def test_another_fault_of_the_messages_folds_nothing(stub, ask):
    stub.script(status(500, "Jinja Exception: After the optional system message, conversation roles must alternate"))
    with pytest.raises(ProviderFailure) as caught:
        ask(messages=SYSTEM)
    assert (caught.value.kind, caught.value.attempts, len(stub.bodies)) == (FailureKind.BAD_REQUEST, 1, 1)


def test_two_models_of_one_server_learn_by_themselves_and_a_refusal_that_stays_ends(stub, ask):
    async def refuse(exchange: Exchange) -> None:
        await status(400, "seed is bad")(exchange)

    stub.default = refuse
    with pytest.raises(ProviderFailure):
        ask(seed=7)
    assert len(stub.bodies) == 2
    other = chat_model("vllm:other", world="none", base_url=stub.url)
    assert isinstance(other, ServedChatModel)
    assert other.adaptation.changes == []

"""What a server can do, found out with short calls: against stubs that behave as servers were seen to."""

from __future__ import annotations

import re

import pytest
from openai_stub import Exchange, holding, say, status

from chat_models import ConfigurationError, ProviderFailure, chat_model, probes
from chat_models.gbnf import gbnf
from chat_models.served import ServedChatModel


def served(stub, spec="vllm:m") -> ServedChatModel:
    model = chat_model(spec, world="none", base_url=stub.url)
    assert isinstance(model, ServedChatModel)
    return model


def test_a_server_that_passes_over_a_constraint_is_refused_in_one_sentence(stub):
    stub.default = say("hello")
    with pytest.raises(
        ConfigurationError, match=r"The server of vllm:m at http.* passes over .* leave `constrained` out"
    ):
        probes.check_held(served(stub), "vllm:m")
    with pytest.raises(ConfigurationError, match="openai:m cannot be constrained"):
        probes.check_held(served(stub, "openai:m"), "openai:m")


def test_a_server_that_holds_replies_is_asked_once(stub):
    stub.default = holding(say("hello"))
    model = served(stub)
    for _ in range(3):
        probes.check_held(model, "vllm:m")
    assert [body["structured_outputs"] for body in stub.bodies] == [{"regex": probes.HELD}]
    assert stub.bodies[0]["max_tokens"] == 512


def test_a_model_that_thinks_until_its_tokens_are_used_up_is_not_refused(stub):
    stub.default = say("", finish_reason="length", reasoning_content="Let me see")
    assert probes.holds_constraint(served(stub))


@pytest.mark.parametrize(
    ("spec", "field"),
    [("sglang:m", {"regex": "<a>[0-9]+"}), ("llamacpp:m", {"grammar": 'root ::= "<" "a" ">" [0-9] + '})],
)
def test_sglang_and_llamacpp_are_asked_in_their_own_way(stub, spec, field):
    served(stub, spec).invoke("hi", **served(stub, spec).constrained("<a>[0-9]+"))
    assert field.items() <= stub.bodies[0].items()
    assert "structured_outputs" not in stub.bodies[0]


def test_an_expression_becomes_a_grammar_of_the_same_parts():
    assert gbnf(r"(?:a\|b|[^<\s]{0,2})*") == (r'root ::= ("a" "|" "b"  | [^< \t\n\x0b\x0c\r] {0,2} )* ')
    assert gbnf('\\\\"') == r'root ::= "\\" "\"" '
    for unknown in (r"\d", "a.b", "^a", "(?=a)", "(?P<n>a)"):
        with pytest.raises(ValueError, match="has no form as a grammar"):
            gbnf(unknown)


def test_every_expression_of_the_shipped_scaffolds_becomes_a_grammar():
    from scaffolds import Scaffold
    from tools import dialect
    from worlds import make_world

    for name in ("crafter", "vault"):
        world = make_world(name, "default" if name == "crafter" else "one-door")
        for routine in ("LOG", "PLAN"):
            words = Scaffold.load(f"scaffolds/{name}/v0").vocabulary(routine, world.actions, notebook="on", hooks=None)
            regex = dialect("tags").constraint(words, None)
            assert regex is not None
            assert gbnf(regex).count("(") == len(re.findall(r"(?<!\\)\(\?:", re.sub(r"\[[^\]]*\]", "", regex)))


async def refuses_system(exchange: Exchange) -> None:
    first, *rest = [message["role"] for message in exchange.body["messages"]]
    if first == "system":
        await status(400, "System role not supported")(exchange)
    elif "user" in rest and first == "user":
        await status(400, "Conversation roles must alternate user/assistant")(exchange)
    else:
        await say("hello")(exchange)


def test_the_system_role_and_alternation_are_found_out(stub):
    assert probes.takes_system_role(served(stub))
    assert not probes.needs_alternation(served(stub))
    stub.default = refuses_system
    assert not probes.takes_system_role(served(stub))
    assert probes.needs_alternation(served(stub))
    stub.default = status(401)
    with pytest.raises(ProviderFailure):
        probes.takes_system_role(served(stub))


@pytest.mark.parametrize(
    ("path", "content", "tokens"),
    [
        ("/v1/models", {"data": [{"id": "other", "max_model_len": 1}, {"id": "m", "max_model_len": 4096}]}, 4096),
        ("/props", {"default_generation_settings": {"n_ctx": 2048}}, 2048),
        ("/api/ps", {"models": [{"name": "m", "context_length": 8192}]}, 8192),
        ("/v1/models", {"data": [{"id": "m"}]}, None),
        ("/v1/models", {"data": None}, None),
    ],
)
def test_the_context_length_is_what_the_server_says(stub, path, content, tokens):
    stub.gets[path] = content
    assert probes.context_length(served(stub)) == tokens


def test_the_models_are_those_the_server_lists(stub):
    assert probes.listed_models(served(stub)) == []
    stub.gets["/v1/models"] = {"data": [{"id": "m"}, {"id": 5}, "x"]}
    assert probes.listed_models(served(stub)) == ["m"]


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (
            {"default_generation_settings": {"params": {"top_k": 40, "min_p": 0.05, "mirostat": 0}}},
            {"top_k": 40, "min_p": 0.05},
        ),
        ({"default_generation_settings": {"params": {"top_k": "all"}}}, {}),
        ({"default_generation_settings": {}}, {}),
        ([], {}),
    ],
)
def test_a_server_that_tells_its_sampler_is_heard(stub, content, told):
    stub.gets["/props"] = content
    assert probes.servers_sampler(served(stub)) == told

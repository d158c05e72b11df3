"""Replies held to a regular expression: valid operations only, always an end, from any model and with any seed."""

from __future__ import annotations

import random
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from effort import effort
from openai_stub import OpenAIStub, say
from puppet_model import puppet
from tool_vocabularies import EVOLVED_LOG, LOG, PLAN

from chat_models import Completion, ConfigurationError, Retry, call, chat_model
from chat_models.constraining import ENDING, Constraints
from tools import Call, Vocabulary, dialect

ONCE = Retry(attempts=1)
VOCABULARIES = {"LOG": LOG, "PLAN": PLAN, "EVOLVED_LOG": EVOLVED_LOG}


@pytest.fixture(scope="module")
def constraints() -> Constraints:
    from tiny_model import make_tokenizer

    return Constraints(make_tokenizer(), [2])


def mistakes(said: Completion, vocabulary: Vocabulary) -> list[Any]:
    reading = dialect("tags").read(said.message, vocabulary, truncated=said.finish_reason == "length")
    return [item for item in reading.items if not isinstance(item, Call)]


def ask(model: Any, routine: str, seed: int, constraint: str | None) -> Completion:
    messages = [{"role": "user", "content": f"{routine} step 1\n\nYou see a tree."}]
    return call(model, messages, seed=seed, constraint=constraint, retry=ONCE)


@pytest.mark.parametrize("name", list(VOCABULARIES))
@pytest.mark.parametrize("tokens", [40, 100, 256])
def test_a_model_that_knows_nothing_makes_no_mistake(tiny: Path, name: str, tokens: int) -> None:
    model = chat_model(f"embedded+weights={tiny}+dtype=float32+tokens={tokens}", world="none")
    vocabulary = VOCABULARIES[name]
    replies = [ask(model, name, seed, vocabulary.reply_regex()) for seed in range(effort(4, 12))]
    assert [mistakes(said, vocabulary) for said in replies] == [[]] * len(replies)
    assert {said.finish_reason for said in replies} == {"stop"}
    assert all(re.fullmatch(vocabulary.reply_regex(), said.message["content"]) for said in replies)


def test_unconstrained_the_same_model_makes_mistakes_only(tiny: Path) -> None:
    model = chat_model(f"embedded+weights={tiny}+dtype=float32+tokens=100", world="none")
    assert all(mistakes(ask(model, "LOG", seed, None), LOG) for seed in range(effort(4, 12)))


def test_a_constrained_reply_is_repeated_by_its_seed(tiny: Path) -> None:
    model = chat_model(f"embedded+weights={tiny}+dtype=float32", world="none")
    one, again, other = (ask(model, "LOG", seed, LOG.reply_regex()).message["content"] for seed in (1, 1, 2))
    assert one == again != other


@pytest.mark.parametrize("name", list(VOCABULARIES))
def test_every_beginning_of_a_reply_has_a_short_end(constraints: Constraints, name: str) -> None:
    vocabulary = VOCABULARIES[name]
    expression = vocabulary.reply_regex()
    choose = random.Random(name)
    for _ in range(25):
        constraint = constraints.begin(expression)
        matcher, written = constraint._matcher, []
        for _ in range(choose.randrange(60)):
            bits = np.unpackbits(np.frombuffer(matcher.compute_bitmask(), dtype=np.uint8), bitorder="little")
            possible = [token for token in np.flatnonzero(bits).tolist() if token != 2]
            if not possible:
                break
            written.append(choose.choice(possible))
            assert matcher.consume_token(written[-1])
        ending = constraint.shortest_end()
        assert ending[-1] == 2
        assert len(ending) <= ENDING
        text = constraints._tokenizer.decode([*written, *ending[:-1]])
        assert re.fullmatch(expression, text), text


@pytest.mark.parametrize(
    ("written", "ending"),
    [
        ("", "<|DONE|>"),
        ("I see", "<|DONE|>"),
        ("I see <|", "DONE|>"),
        ("<|APPEND|>a.md|a note <", "|END|>"),
        ("<|SEARCH|>a.md|tree<|END|>", ""),
        ("<|TAIL|>a.md", "|1<|END|>"),
        ("<|REA", "D|>1<|END|>"),
    ],
)
def test_the_end_is_the_shortest(constraints: Constraints, written: str, ending: str) -> None:
    constraint = constraints.begin(LOG.reply_regex())
    tokens = constraints._tokenizer(written)["input_ids"]
    assert constraint._matcher.try_consume_tokens(tokens) == len(tokens)
    found = constraints._tokenizer.decode(constraint.shortest_end()[:-1])
    assert len(found) == len(ending)
    assert re.fullmatch(LOG.reply_regex(), written + found)


def test_an_expression_that_cannot_be_followed_is_our_error(constraints: Constraints) -> None:
    with pytest.raises(ConfigurationError, match=r"cannot be constrained to '\(\?=a\)b'"):
        constraints.begin("(?=a)b")


# --- other models ----------------------------------------------------------------------------------------------------


def test_vllm_is_sent_the_field_it_obeys(stub: OpenAIStub) -> None:
    stub.script(say("<|DONE|>"), say("<|DONE|>"))
    model = chat_model("vllm:m", world="none", base_url=stub.url)
    call(model, [{"role": "user", "content": "hi"}], constraint="a|b", seed=1, retry=ONCE)
    call(model, [{"role": "user", "content": "hi"}], seed=1, retry=ONCE)
    constrained, free = stub.bodies
    assert constrained["structured_outputs"] == {"regex": "a|b"}
    assert not [name for name in constrained if name.startswith(("guided", "extra"))]
    assert constrained["seed"] == 1
    assert "structured_outputs" not in free


@pytest.mark.parametrize("spec", ["openai:m", "scripted"])
def test_a_model_that_cannot_be_constrained_is_refused_before_it_is_asked(stub: OpenAIStub, spec: str) -> None:
    model = chat_model(spec, world="vault", base_url=stub.url)
    with pytest.raises(ConfigurationError, match=r"cannot be constrained: leave `constrained` out"):
        call(model, [{"role": "user", "content": "hi"}], constraint="a", retry=ONCE)
    assert stub.bodies == []


def test_a_foreign_model_cannot_be_constrained() -> None:
    with pytest.raises(ConfigurationError, match="The replies of puppet cannot be constrained"):
        call(puppet("hi"), [{"role": "user", "content": "hi"}], constraint="a", retry=ONCE)

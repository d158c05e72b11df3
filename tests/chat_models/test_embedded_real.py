"""The real weights, where they are on this machine already: nothing is fetched for a test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tool_vocabularies import LOG, PLAN

from chat_models.embedded_engine import Engine, Reply, Request
from chat_models.embedded_weights import find_weights
from tools import Call, dialect

FOUND = find_weights()
pytestmark = pytest.mark.skipif(FOUND is None, reason="no weights here yet: automem demo fetches them")

SYSTEM = {"role": "system", "content": "You play a game and keep a notebook of files. " * 14}


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    assert FOUND is not None
    made = Engine(FOUND)
    yield made
    made.stop()


def page(text: str) -> list[dict[str, str]]:
    return [SYSTEM, {"role": "user", "content": text}]


def answers(engine: Engine, requests: list[Request]) -> list[Reply]:
    futures = [engine.submit(request) for request in requests]
    return [future.result(timeout=120) for future in futures]


def test_sampled_replies_depend_on_no_other_call_and_on_no_cache(engine: Engine) -> None:
    texts = ["PLAN step 1\n\nYou see a tree." + " You see grass." * (9 * n) for n in range(2)]
    requests = [Request(page(text), limit=8, seed=seed) for seed, text in enumerate(texts)]
    alone = [answers(engine, [request])[0] for request in requests]
    together = answers(engine, requests)
    assert alone[0].cached_tokens == 0
    assert all(reply.cached_tokens > 0 for reply in together)
    assert [reply.text for reply in together] == [reply.text for reply in alone]


def test_a_question_is_answered_in_words(engine: Engine) -> None:
    question = [{"role": "user", "content": "What is the capital of France? Answer in one word."}]
    (reply,) = answers(engine, [Request(question, limit=12, temperature=0.0)])
    assert "Paris" in reply.text


def test_constrained_replies_hold_operations_only(engine: Engine) -> None:
    requests = [
        Request(page(f"{words.routine} step 1\n\nYou see a tree."), limit=40, seed=1, constraint=words.reply_regex(10))
        for words in (LOG, PLAN)
    ]
    for reply, words in zip(answers(engine, requests), (LOG, PLAN), strict=True):
        message = {"role": "assistant", "content": reply.text}
        items = dialect("tags").read(message, words, truncated=reply.finish_reason == "length").items
        assert all(isinstance(item, Call) for item in items), reply.text

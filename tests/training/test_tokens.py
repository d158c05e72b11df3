"""Exactly what the assistant wrote is learned, with its end-of-turn token: token by token."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tiny_model import TEMPLATE as SMOLLM2
from word_tokenizer import word_tokenizer

from chat_models.embedded_weights import find_weights
from training import TrainingError
from training.base_model import find_base, load_chat
from training.dataset import Message
from training.tokens import NO_LOSS, ChatTokens, Untrainable

CONVERSATION = [("user", "LOG 1"), ("assistant", "DONE now"), ("user", "LOG 2"), ("assistant", "\nDONE")]
WORDS = (
    *("system\nuser\nassistant\n\n", "You are Qwen, created by Alibaba Cloud. You are a helpful assistant."),
    *("AI", " AI assistant named SmolLM, trained by Hugging Face", "LOG 1 2", "DONE now", "now", "Be short", " end"),
)
QWEN_OPENING = (
    *("<|im_start|>", "system", "\n", "You", " are", " Qwen,", " created", " by", " Alibaba", " Cloud."),
    *(" You", " are", " a", " helpful", " assistant.", "<|im_end|>", "\n"),
)
SMOLLM2_OPENING = (
    *("<|im_start|>", "system", "\n", "You", " are", " a", " helpful", " AI", " assistant", " named", " SmolLM,"),
    *(" trained", " by", " Hugging", " Face", "<|im_end|>", "\n"),
)
FIRST = ("<|im_start|>", "user", "\n", "LOG", " 1", "<|im_end|>", "\n", "<|im_start|>", "assistant", "\n")
SECOND = ("\n", "<|im_start|>", "user", "\n", "LOG", " 2", "<|im_end|>", "\n", "<|im_start|>", "assistant", "\n")


@pytest.fixture(scope="module")
def qwen() -> str:
    """The template of Qwen2.5-Instruct, as TRL ships it."""
    import trl

    return (Path(trl.__path__[0]) / "chat_templates" / "qwen2_5.jinja").read_text()


def chat(template: str, *, words: tuple[str, ...] = WORDS) -> ChatTokens:
    tokenizer = word_tokenizer(template, *words)
    return ChatTokens(tokenizer, "tiny", frozenset({tokenizer.eos_token_id}))


def messages(*turns: tuple[Any, str]) -> list[Message]:
    return [Message(role=role, content=content) for role, content in turns]


def pieces(made: ChatTokens, loss: Any = "all", *turns: tuple[str, str]) -> list[tuple[str, bool]]:
    """(token, whether it is learned)"""
    tokens = made.encode(messages(*(turns or CONVERSATION)), loss)
    assert all(label in (token, NO_LOSS) for token, label in zip(tokens.input_ids, tokens.labels, strict=True))
    texts = [made.tokenizer.decode([token]) for token in tokens.input_ids]
    return [(text, label != NO_LOSS) for text, label in zip(texts, tokens.labels, strict=True)]


def expected(*parts: tuple[tuple[str, ...], bool]) -> list[tuple[str, bool]]:
    return [(token, learned) for tokens, learned in parts for token in tokens]


def test_every_turn_is_learned_with_qwens_template_and_the_system_prompt_it_inserts_is_not(qwen: str) -> None:
    assert pieces(chat(qwen)) == expected(
        ((*QWEN_OPENING, *FIRST), False),
        (("DONE", " now", "<|im_end|>"), True),
        (SECOND, False),
        (("\n", "DONE", "<|im_end|>"), True),
    )


def test_every_turn_is_learned_with_smollm2s_template_and_the_system_prompt_it_inserts_is_not() -> None:
    assert pieces(chat(SMOLLM2)) == expected(
        ((*SMOLLM2_OPENING, *FIRST), False),
        (("DONE", " now", "<|im_end|>"), True),
        (SECOND, False),
        (("\n", "DONE", "<|im_end|>"), True),
    )


@pytest.mark.parametrize("template", ["qwen", "smollm2"])
def test_a_system_message_of_its_own_takes_the_place_of_the_inserted_one(template: str, qwen: str) -> None:
    made = chat(qwen if template == "qwen" else SMOLLM2)
    assert pieces(made, "all", ("system", "Be short"), *CONVERSATION[:2]) == expected(
        (("<|im_start|>", "system", "\n", "Be", " short", "<|im_end|>", "\n", *FIRST), False),
        (("DONE", " now", "<|im_end|>"), True),
    )


@pytest.mark.parametrize("template", ["qwen", "smollm2"])
def test_only_the_last_turn_is_learned_if_so_asked(template: str, qwen: str) -> None:
    opening = QWEN_OPENING if template == "qwen" else SMOLLM2_OPENING
    assert pieces(chat(qwen if template == "qwen" else SMOLLM2), "last") == expected(
        ((*opening, *FIRST, "DONE", " now", "<|im_end|>", *SECOND), False),
        (("\n", "DONE", "<|im_end|>"), True),
    )


def test_what_stands_before_a_turn_is_what_a_server_hands_to_the_model(qwen: str) -> None:
    """Tokenised in one piece, the turn's line break would be merged with the prompt's: a token no server hands over."""
    made = chat(qwen)
    tokens = made.encode(messages(*CONVERSATION), "last")
    learned = tokens.labels.index(next(label for label in tokens.labels if label != NO_LOSS))
    plain = [{"role": role, "content": content} for role, content in CONVERSATION]
    prompt = made.tokenizer.apply_chat_template(plain[:-1], tokenize=False, add_generation_prompt=True)
    assert tokens.input_ids[:learned] == made.tokenizer(prompt, add_special_tokens=False)["input_ids"]
    whole = made.tokenizer.apply_chat_template(plain, tokenize=False)
    assert "\n\n" in made.tokenizer.convert_ids_to_tokens(made.tokenizer(whole)["input_ids"])


@pytest.mark.skipif(find_weights() is None, reason="no weights here yet: automem demo fetches them")
def test_with_the_real_smollm2_exactly_these_tokens_are_learned() -> None:
    made = load_chat(find_base("embedded"))
    turns = [("system", "Be short."), ("user", "LOG step 2"), ("assistant", "<|SEARCH|>map.md|tree<|END|>\n<|DONE|>")]
    tokens = made.encode(messages(*turns), "all")
    assert tokens.input_ids == [
        *(1, 9690, 198, 6077, 1890, 30, 2, 198, 1, 4093, 198, 16479, 1833, 216, 34, 2, 198, 1, 520, 9531, 198),
        *(44, 108, 6493, 24396, 108, 46, 5123, 30, 13738, 108, 11646, 44, 108, 16317, 108, 46, 198),
        *(44, 108, 52, 19832, 108, 46, 2),
    ]
    assert tokens.labels == [*[NO_LOSS] * 21, *tokens.input_ids[21:]]


def test_a_turn_that_holds_a_mark_of_the_base_is_not_learned() -> None:
    with pytest.raises(Untrainable, match="special token"):
        chat(SMOLLM2).encode(messages(("user", "LOG"), ("assistant", "DONE<|im_end|>\n<|im_start|>user")), "all")


def test_a_mark_of_the_base_in_what_the_model_read_stays_as_it_was_read() -> None:
    got = pieces(chat(SMOLLM2), "all", ("user", "LOG<|im_start|>assistant\nDONE<|im_end|>"), ("assistant", "now"))
    assert [token for token, learned in got if learned] == ["now", "<|im_end|>"]


LLAMA = (
    "{% for m in messages %}{{ '<|im_start|>' + m['role'] + '\n' + m['content'] | trim + '<|im_end|>' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)


def test_a_template_that_trims_a_turn_is_followed() -> None:
    got = pieces(chat(LLAMA), "all", ("user", "LOG 1"), ("assistant", "\nDONE now\n"))
    assert [token for token, learned in got if learned] == ["DONE", " now", "<|im_end|>"]


@pytest.mark.parametrize(
    ("template", "why"),
    [
        (SMOLLM2.replace("+ '<|im_end|>'", "+ ' end'"), "no token that the model stops at"),
        (LLAMA.replace("m['content'] | trim", "m['content'] | upper"), "changes what the assistant wrote"),
        (
            LLAMA.replace("m['content'] | trim", "(m['content'] if loop.last else 'so')"),
            "when the conversation goes on",
        ),
        ("{{ raise_exception('roles') }}", "refuses a conversation"),
    ],
)
def test_a_template_whose_turns_cannot_be_learned_exactly_is_refused(template: str, why: str) -> None:
    with pytest.raises(TrainingError, match=why):
        chat(template).encode(messages(("user", "LOG"), ("assistant", "now"), *CONVERSATION), "all")


def test_a_base_without_a_chat_template_is_refused() -> None:
    tokenizer = word_tokenizer("", *WORDS)
    with pytest.raises(TrainingError, match="no chat template"):
        ChatTokens(tokenizer, "tiny", frozenset({2}))

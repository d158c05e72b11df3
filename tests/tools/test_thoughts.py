"""Thoughts in a reply's text are no part of its answer, whatever the model wraps them in."""

import pytest
from tool_vocabularies import PLAN

from tools import dialect
from tools.thoughts import ThoughtReader, separate

DRAFT = "<|ACTION|>Noop<|END|> {draft} </tool_call>"
ANSWER = "<|ACTION|>Do<|END|>"
FINAL = "<|channel|>final<|message|>"


@pytest.mark.parametrize(
    "text",
    [
        f"<think>{DRAFT}</think>\n\n{ANSWER}",
        f"<thinking>{DRAFT}</thinking>{ANSWER}",
        f"Let me see. <think>{DRAFT}</think>{ANSWER}",
        f"{DRAFT}</think>\n{ANSWER}",
        f"<think>one</think><think>{DRAFT}</think>{ANSWER}",
        f"<seed:think>{DRAFT}</seed:think>{ANSWER}",
        f"[THINK]{DRAFT}[/THINK]{ANSWER}",
        f"{DRAFT}[/THINK]{ANSWER}",
        f"<|channel>thought\n{DRAFT}<channel|>{ANSWER}",
        f"<|START_THINKING|>{DRAFT}<|END_THINKING|>{ANSWER}",
        f"<|channel|>analysis<|message|>{DRAFT}<|end|><|start|>assistant{FINAL}{ANSWER}<|return|>",
        f"<|channel|>analysis<|message|>{DRAFT}<|end|><|start|>assistant<|channel|>commentary<|message|>{DRAFT}"
        f"<|end|><|start|>assistant{FINAL}{ANSWER}",
        f"{FINAL}{ANSWER}<|return|>",
        f"{DRAFT}<|end|><|start|>assistant{FINAL}{ANSWER}",
        f"analysis{DRAFT}assistantfinal{ANSWER}",
    ],
)
def test_a_draft_in_a_thought_is_not_read_and_not_sent_back(text: str) -> None:
    message = {"role": "assistant", "content": text}
    for name in ("tags", "functions"):
        sent = dialect(name).settle(message)["content"]
        assert sent in (ANSWER, f"Let me see. {ANSWER}")
    (call,) = dialect("tags").read(message, PLAN).items
    assert call.arguments.action == "Do"
    thoughts, answer = separate(text)
    assert separate(answer) == ("", answer)
    assert thoughts in text


@pytest.mark.parametrize(
    "text",
    [
        f"<think>{DRAFT}",
        f"Hm.\n<think>{DRAFT}",
        f"[THINK]{DRAFT}",
        f"<|channel>thought {DRAFT}",
        f"<|channel|>analysis<|message|>{DRAFT}",
    ],
)
def test_a_thought_that_does_not_end_is_no_answer(text: str) -> None:
    assert separate(text).answer in ("", "Hm.")


@pytest.mark.parametrize(
    "text",
    [
        "I <think> so, but",
        "<|APPEND|>a.md|I <think> so<|END|>",
        "my analysis: [THINKING] of the channel",
        "a </thought>",
    ],
)
def test_words_that_look_like_marks_stay(text: str) -> None:
    if text.startswith("I <think>"):
        text = f"<|READ|>a.md<|END|> {text}"
    assert separate(text) == ("", text)


def test_a_cut_reply_is_a_thought_where_the_template_opens_one() -> None:
    reader = ThoughtReader()
    assert reader.separate(f"So {DRAFT}</think>{ANSWER}", cut=False).answer == ANSWER
    assert reader.separate(f"So {DRAFT}", cut=True) == (f"So {DRAFT}", "")
    assert reader.separate(DRAFT, cut=True).answer == ""


def test_a_cut_reply_is_an_answer_where_the_model_answers_without_thoughts() -> None:
    reader = ThoughtReader()
    assert reader.separate(ANSWER, cut=False).answer == ANSWER
    assert reader.separate(f"So {ANSWER}", cut=True).answer == f"So {ANSWER}"


def test_before_any_whole_reply_a_cut_one_counts_only_if_it_begins_with_an_operation() -> None:
    assert ThoughtReader().separate(f"So {DRAFT}", cut=True).answer == ""
    assert ThoughtReader().separate(ANSWER, cut=True).answer == ANSWER


def test_what_an_episode_taken_up_again_has_shown_is_learned() -> None:
    reader = ThoughtReader()
    reader.learn("Hm.</think>", cut=False)
    assert reader.separate(ANSWER, cut=True).answer == ""


def test_many_marks_cost_little() -> None:
    for piece in ("<think></think>", "</think>", "<think>", "<|channel|>"):
        assert separate(piece * 60_000).answer in ("", piece * 60_000)

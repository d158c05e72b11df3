"""Whatever a model sends: reading never raises, always answers, stays within bounds, and does linear work."""

import json
import sys
from collections.abc import Callable
from re import _parser as regex_parser  # type: ignore[attr-defined]  # the only way to a pattern's widest match
from types import FrameType
from typing import Any, SupportsIndex

import pytest
from effort import effort
from hypothesis import given, settings
from hypothesis import strategies as st
from tool_vocabularies import EVOLVED_LOG, PLAN

from tools import Call, Mistake, MistakeCode, Vocabulary, dialect, tag_scanner
from tools.reading import FRAGMENT_CHARS, MAX_OPERATIONS
from tools.tag_reader import TagReader

TAGS, FUNCTIONS = dialect("tags"), dialect("functions")
VOCABULARIES = (EVOLVED_LOG, PLAN, Vocabulary("EMPTY", []))

PIECES = (
    *("<|SEARCH|>", "<|APPEND|>", "<|WRITE|>", "<|DONE|>", "<|ACTION|>", "<|FLY|>", "<SEARCH>", "<|read|>", "<|TAIL|>"),
    *("<|END|>", "<|END|}", "<END>", "|END|>", "<|END", "</SEARCH>", "<|", "<", "|", "|>", ">", "}", "<|im_end|>"),
    *("map.md|", "a tree", "5", "\n", "```", "`", '"', " ", "ACTION: Do", "\nACTION: Do\n", "Move West", "- "),
    *("<think>", "</think>", "\x00", "\ud83d", "é", "SEARCH", "END", "ACTION", "\r\n", "\u2028"),
)
MESSY = st.lists(st.sampled_from(PIECES) | st.text(max_size=8), max_size=30).map("".join)


def check_items(items: tuple[Call | Mistake, ...]) -> None:
    assert 1 <= len(items) <= MAX_OPERATIONS + 1
    ended = False
    for item in items:
        assert len(item.fragment) <= FRAGMENT_CHARS + 5
        assert len(item.title) <= 80
        assert "\n" not in item.title
        for text in (item.fragment, item.title):
            text.encode()
        if isinstance(item, Mistake):
            assert item.message.endswith((".", "|>"))
            assert "\n" not in item.message
            item.message.encode()
        if ended:
            assert isinstance(item, Mistake)
            assert item.code in (MistakeCode.AFTER_END, MistakeCode.TOO_MANY)
        ended = ended or (isinstance(item, Call) and item.operation.ends_routine)


@settings(max_examples=effort(400, 1500), deadline=None, derandomize=True)
@given(text=MESSY, vocabulary=st.sampled_from(VOCABULARIES), truncated=st.booleans())
def test_no_text_raises_and_every_text_is_answered(text: str, vocabulary: Vocabulary, truncated: bool) -> None:
    message = {"role": "assistant", "content": text}
    items = TAGS.read(message, vocabulary, truncated=truncated).items
    check_items(items)
    end = 0
    for item in items:
        if item.span is not None:
            assert end <= item.span[0] <= item.span[1] <= len(text), "spans follow each other"
            end = item.span[1]
    json.dumps(TAGS.settle(message), ensure_ascii=False).encode()
    assert TAGS.settle(message)["content"]
    TAGS.remove(message, items)
    assert TAGS.read(message, vocabulary, truncated=truncated).items == items, "reading has no memory"


PROSE = st.text(st.characters(exclude_characters="<|:", exclude_categories=["Cs"]), max_size=30)
SOUND = ("<|SEARCH|>map.md|tree<|END|>", "<|APPEND|>map.md|a tree\nand | a cow<|END|>", "<|READ|>a.md<|END|>")


@settings(max_examples=effort(100, 300), deadline=None, derandomize=True)
@given(st.lists(st.tuples(PROSE, st.sampled_from(SOUND)), min_size=1, max_size=8), PROSE)
def test_prose_around_sound_operations_changes_nothing(parts: list[tuple[str, str]], last: str) -> None:
    text = "".join(prose + operation for prose, operation in parts) + last
    reading = TAGS.read({"role": "assistant", "content": text}, EVOLVED_LOG)
    assert [item.fragment for item in reading.calls] == [operation for _, operation in parts]
    assert reading.mistakes == ()


@settings(max_examples=effort(150, 500), deadline=None, derandomize=True)
@given(st.lists(st.sampled_from(SOUND), min_size=1, max_size=5), st.integers(0, 200), st.sampled_from(PIECES))
def test_one_damage_costs_at_most_the_operations_it_touches(sound: list[str], place: int, piece: str) -> None:
    """What stands wholly before the damage is always read; a damage between operations costs none of them."""
    text = "\n".join(sound)
    place %= len(text) + 1
    damaged = text[:place] + piece + text[place:]
    reading = TAGS.read({"role": "assistant", "content": damaged}, EVOLVED_LOG)
    before, end = 0, -1
    for operation in sound:
        end += len(operation) + 1
        before += end <= place
    if piece not in ("<think>", "</think>"):
        fragments = [item.fragment for item in reading.items]
        assert fragments[:before] == sound[:before]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
NAMES = st.sampled_from(["search", "append", "done", "act", "fly", "", "SEARCH", None, 7])
ARGUMENTS = (
    st.fixed_dictionaries({"file": st.text(max_size=5)}, optional={"keyword": JSON, "text": JSON, "lines": JSON}).map(
        json.dumps
    )
    | JSON.map(json.dumps)
    | st.text(max_size=12)
    | JSON
)
ENTRIES = (
    st.fixed_dictionaries(
        {"function": st.fixed_dictionaries({"name": NAMES, "arguments": ARGUMENTS})},
        optional={"id": st.sampled_from(["a", "b", "call_1", "", None, 3]), "type": st.just("function")},
    )
    | JSON
)


@settings(max_examples=effort(200, 700), deadline=None, derandomize=True)
@given(st.lists(ENTRIES, max_size=6) | JSON, st.text(max_size=9) | JSON, st.sampled_from(VOCABULARIES), st.booleans())
def test_no_message_of_calls_raises_and_every_call_is_answered(
    entries: Any, content: Any, vocabulary: Vocabulary, truncated: bool
) -> None:
    message = {"role": "assistant", "content": content, "tool_calls": entries}
    items = FUNCTIONS.read(message, vocabulary, truncated=truncated).items
    check_items(items)
    settled = FUNCTIONS.settle(message)
    json.dumps(settled, ensure_ascii=False).encode()
    ids = [call["id"] for call in settled.get("tool_calls", [])]
    assert len(set(ids)) == len(ids)
    assert [item.call_id for item in items] == (ids or [None])
    assert [item.call_id for item in FUNCTIONS.read(settled, vocabulary).items] == (ids or [None])
    calls = [item.arguments for item in items if isinstance(item, Call)]
    again = [item.arguments for item in FUNCTIONS.read(settled, vocabulary).items if isinstance(item, Call)]
    assert calls == again or truncated
    assert [answer["tool_call_id"] for answer in FUNCTIONS.answer(message, [], str)] == ids
    FUNCTIONS.remove(message, items)


# --- work ------------------------------------------------------------------------------------------------------------


class Measured(str):
    """A text that counts the characters read through it, by slices and searches."""

    touched = 0

    def __getitem__(self, key: SupportsIndex | slice) -> str:
        part = super().__getitem__(key)
        Measured.touched += len(part)
        return part

    def find(self, *arguments: Any) -> int:
        found = super().find(*arguments)
        start = arguments[1] if len(arguments) > 1 else 0
        end = arguments[2] if len(arguments) > 2 else len(self)
        Measured.touched += (end if found < 0 else found) - start
        return found

    def rfind(self, *arguments: Any) -> int:
        found = super().rfind(*arguments)
        Measured.touched += arguments[2] - max(found, arguments[1])
        return found


def work(text: str, vocabulary: Vocabulary, truncated: bool) -> int:
    """Lines of Python run plus characters touched in reading the text: exact, the same on every machine."""
    lines = 0

    def trace(frame: FrameType, event: str, argument: object) -> Callable[..., Any] | None:
        nonlocal lines
        lines += event == "line"
        return trace if "tools" in frame.f_code.co_filename else None

    Measured.touched = 0
    reader = TagReader(Measured(text), vocabulary, truncated)
    before = sys.gettrace()
    sys.settrace(trace)
    try:
        reader.read()
    finally:
        sys.settrace(before)
    return lines + Measured.touched


ADVERSARIAL = {
    "openers": "<|APPEND|>",
    "openers on lines": "<|APPEND|>a|b\n",
    "half openers": "<|",
    "brackets": "<",
    "pipes": "|",
    "closers": "<|END|>",
    "damaged closers": "<|APPEND|>a|b<END> x ",
    "weak closers": "|END|> x",
    "named closers": "</SEARCH>",
    "mentions": "<|APPEND|>a|`<|READ|>` ",
    "mentions without end": "`<|READ|>x<|END|>` ",
    "unknown": "<|FLY|>",
    "done": "<|DONE|>",
    "done in text": " <|DONE|> x",
    "long names": "<|" + "A" * 300,
    "white space": " \n",
    "fences": "\n```",
    "action lines": "\nACTION: x",
    "sound action lines": "\nACTION: Do",
    "starred lines": "\n" + "*" * 12 + "ACTION " + "*" * 12,
    "turn ends": "<|im_end|>",
    "thoughts": "<think>",
    "letters": "a",
}


@pytest.mark.parametrize("unit", ADVERSARIAL.values(), ids=ADVERSARIAL.keys())
@pytest.mark.parametrize("opening", ["", "<|WRITE|>a|", "<|READ|>", "<|DONE|>"])
def test_the_work_of_reading_grows_with_the_length_and_no_faster(unit: str, opening: str) -> None:
    for vocabulary in (EVOLVED_LOG, PLAN):
        short, long = (work(opening + unit * (size // len(unit)), vocabulary, True) for size in (1_500, 12_000))
        assert long <= 8 * 2 * short + 2_000, "8 times the text, at most 16 times the work"


def test_a_mark_is_sought_within_bounded_reach() -> None:
    """The expressions of the scanner match a bounded number of characters, so seeking marks is linear too."""
    for pattern in (tag_scanner._TAG, tag_scanner._ACTION_LINE):
        _, widest = regex_parser.parse(pattern.pattern, pattern.flags).getwidth()
        assert widest <= 60

"""From a traced conversation to a training example: the transformations that are always applied, and the checks.

Transformations, in this order, of the last assistant message that holds a memory operation (what follows it teaches no
memory and is left out; a LOG may also end on a message that only says it is done):
1. code fences around operations are unwrapped;
2. LOG is cut after the operation that ends it;
3. the world's action is stripped from PLAN: committing it is the gameplay model's part;
4. text after the last operation is trimmed;
5. an example without any memory operation is dropped;
6. an example in which a fence survives is dropped.
Checks of every assistant message that is left: no action, no fence, at least one operation, nothing after the last
one. Beyond the paper's four, for all of it is trained on: no mistake, no reply cut at the token limit, no words that
pose as the harness's own messages, no control tokens of a chat template. Everything is a pure function of text;
applying it twice changes nothing. Source of transformations and checks: the paper's post-processing (paper.md).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from tools import Call, Dialect, Kind, Reading, Vocabulary
from traces import Message
from training.spans import Cut

_FENCE_LINE = re.compile(r"(?m)^[ \t]{0,8}(?:```+|~~~+)[^\n`]{0,40}(?:\n|\Z)")
_FENCE = re.compile(r"```|~~~")
_POSING = re.compile(
    r"(?m)^[ \t>*_#]{0,8}(?:(?i:results?)[ \t\r:*_]{0,8}$|(?:LOG|PLAN|HANDOFF) step \d)|^[ \t>]{0,8}### [A-Z_]{3,32}\b"
)
"""The harness's own headings, also as models like to dress them: indented, quoted, bold, with a colon."""
_CONTROL_TOKEN = re.compile(r"<\|(?:im_start|im_end|endoftext|end_of_text|eot_id|start_header_id|end_header_id)\|>")


class Dropped(StrEnum):
    """Why a conversation gave no example: a closed set, counted in every report."""

    NO_OPERATION = "no memory operation"
    FENCE = "a code fence survives"
    ACTION = "an action in an earlier message"
    TAIL = "text after the last operation of an earlier message"
    NOTHING = "an assistant message without an operation"
    MISTAKE = "an operation that could not be read or is not allowed"
    TRUNCATED = "a reply cut at the token limit"
    POSING = "words that pose as the harness's messages"
    CONTROL = "control tokens of a chat template"


@dataclass(frozen=True, slots=True)
class Example:
    """What is left of a conversation: its messages, and of each assistant message the cut it is."""

    messages: tuple[Message, ...]
    cuts: tuple[Cut, ...]
    changed: tuple[str, ...]
    """Names of the transformations that changed something."""


def process(
    messages: Sequence[Message], routine: str, vocabulary: Vocabulary, dialect: Dialect, *, truncated: bool = False
) -> Example | Dropped:
    """Make an example of a routine's conversation (system first), or say why none can be made.

    `truncated`: whether any of its replies was cut at the token limit.
    """
    if truncated:
        return Dropped.TRUNCATED
    reader = _Reader(routine, vocabulary, dialect)
    end = reader.last(messages)
    if end is None:
        return Dropped.NO_OPERATION
    kept = list(messages[: end + 1])
    places = [place for place, message in enumerate(kept) if message["role"] == "assistant"]
    last, changed = _transform(Cut.whole(str(kept[end]["content"])), reader)
    cuts = [*(Cut.whole(str(kept[place]["content"])) for place in places[:-1]), last]
    if not any(reader.remembers(cut.text) for cut in cuts):
        return Dropped.NO_OPERATION
    for cut in cuts:
        if (fault := _check(cut.text, reader)) is not None:
            return fault
    if end < len(messages) - 1:
        changed = ("left out what follows", *changed)
    for place, cut in zip(places, cuts, strict=True):
        kept[place] = {"role": "assistant", "content": cut.text}
    return Example(tuple({"role": one["role"], "content": one["content"]} for one in kept), tuple(cuts), changed)


@dataclass(frozen=True, slots=True)
class _Reader:
    """Reads replies of one routine."""

    routine: str
    vocabulary: Vocabulary
    dialect: Dialect

    def read(self, text: str) -> Reading:
        return self.dialect.read({"role": "assistant", "content": text}, self.vocabulary)

    def remembers(self, text: str) -> bool:
        """Whether a reply holds a memory operation."""
        return any(call.operation.kind in (Kind.RECALL, Kind.RECORD) for call in self.read(text).calls)

    def last(self, messages: Sequence[Message]) -> int | None:
        """Where the example ends: the last reply with a memory operation, or the end of LOG that follows one."""
        replies = [place for place, message in enumerate(messages) if message["role"] == "assistant"]
        remembering = [place for place in replies if self.remembers(str(messages[place]["content"]))]
        if not remembering:
            return None
        if self.routine == "LOG" and self._only_ends(str(messages[replies[-1]]["content"])):
            return replies[-1]
        return remembering[-1]

    def _only_ends(self, text: str) -> bool:
        items = self.read(text).items
        return any(isinstance(item, Call) and item.operation.kind is Kind.CONTROL for item in items)


def _transform(cut: Cut, reader: _Reader) -> tuple[Cut, tuple[str, ...]]:
    changed = []
    for name, step in (
        ("fences unwrapped", _unwrapped),
        ("cut after the end of LOG", _ended),
        ("action stripped", _without_action),
        ("tail trimmed", _trimmed),
    ):
        before, cut = cut, step(cut, reader)
        if cut.spans != before.spans:
            changed.append(name)
    return cut, tuple(changed)


def _unwrapped(cut: Cut, reader: _Reader) -> Cut:
    """Leave out the lines of fences, in pairs, that hold an operation between them, or that stand alone at an end."""
    lines = [match.span() for match in _FENCE_LINE.finditer(cut.text)]
    spans = [call.span for call in reader.read(cut.text).calls if call.span]
    gone: list[tuple[int, int]] = []
    for (first, opened), (closing, after) in zip(lines[::2], lines[1::2], strict=False):
        if any(opened <= start and end <= closing for start, end in spans):
            gone += [(first, opened), (closing, after)]
    for start, end in reversed(gone):
        cut = cut.without(start, end)
    return cut


def _ended(cut: Cut, reader: _Reader) -> Cut:
    if reader.routine != "LOG":
        return cut
    for call in reader.read(cut.text).calls:
        if call.operation.kind is Kind.CONTROL and call.span:
            return cut.without(call.span[1], len(cut.text))
    return cut


def _without_action(cut: Cut, reader: _Reader) -> Cut:
    """Strip actions, and what the dialect reads of another one after them."""
    while True:
        found = [call for call in reader.read(cut.text).calls if call.operation.kind is Kind.WORLD and call.span]
        if not found or found[0].span is None:
            return cut
        cut = cut.without(*found[0].span)


def _trimmed(cut: Cut, reader: _Reader) -> Cut:
    ends = [call.span[1] for call in reader.read(cut.text).calls if call.span]
    return cut.without(max(ends), len(cut.text)) if ends else cut


def _check(text: str, reader: _Reader) -> Dropped | None:
    reading = reader.read(text)
    calls = reading.calls
    if any(call.operation.kind is Kind.WORLD for call in calls):
        return Dropped.ACTION
    if _FENCE.search(text):
        return Dropped.FENCE
    if not calls:
        return Dropped.NOTHING
    if reading.mistakes:
        return Dropped.MISTAKE
    if text[max(call.span[1] for call in calls if call.span) :].strip():
        return Dropped.TAIL
    return unfit(text)


def unfit(text: str) -> Dropped | None:
    """Why no model should learn to write this text, whatever operations it holds."""
    if _POSING.search(text):
        return Dropped.POSING
    return Dropped.CONTROL if _CONTROL_TOKEN.search(text) else None

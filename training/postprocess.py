"""From a traced conversation to training messages: transformations, then checks.

Thoughts are removed from every assistant message. The further transformations, in this order, are of the last one that
holds a memory operation (later messages are left out, except a message of LOG that holds only DONE):
1. code fences around operations are removed;
2. LOG ends after DONE;
3. the world's action is removed from PLAN: the gameplay model commits it;
4. text after the last operation is removed.
A conversation without a memory operation is dropped.

Checks of every remaining assistant message, since all of them are trained on: no action, no fence, at least one
operation, nothing after the last one. These four are the paper's; this project adds: no mistake, no reply cut at the
token limit or equal to the one before it, no text that imitates the harness's own messages, no control tokens of a
chat template.

Everything is a pure function of text, only deletes, and is idempotent.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise

from tools import Call, Dialect, Kind, Reading, Vocabulary
from tools.thoughts import separate
from traces import Message

_FENCE_LINE = re.compile(r"(?m)^[ \t]{0,8}(?:```+|~~~+)[^\n`]{0,40}(?:\n|\Z)")
_FENCE = re.compile(r"```|~~~")
_IMITATION = re.compile(
    r"(?m)^[ \t>*_#]{0,8}(?:(?i:results?)[ \t\r:*_]{0,8}$|(?:LOG|PLAN|HANDOFF) step \d)|^[ \t>]{0,8}### [A-Z_]{3,32}\b"
)
"""The harness's own headings, plain or as models often write them: indented, quoted, bold, with a colon."""
_CONTROL_TOKEN = re.compile(r"<\|(?:im_start|im_end|endoftext|end_of_text|eot_id|start_header_id|end_header_id)\|>")


class Dropped(StrEnum):
    """Why a conversation gives no example: a closed set, counted in every report."""

    NO_OPERATION = "no memory operation"
    FENCE = "a code fence survives"
    ACTION = "an action in an earlier message"
    TAIL = "text after the last operation of an earlier message"
    NOTHING = "an assistant message without an operation"
    MISTAKE = "an operation that could not be read or is not allowed"
    TRUNCATED = "a reply cut at the token limit"
    IMITATION = "text that imitates the harness's messages"
    REPEATED = "a reply equal to the one before it"
    CONTROL = "control tokens of a chat template"


@dataclass(frozen=True, slots=True)
class Processed:
    """The messages of an example, and the transformations that changed something."""

    messages: tuple[Message, ...]
    changed: tuple[str, ...]


def process(
    messages: Sequence[Message], routine: str, vocabulary: Vocabulary, dialect: Dialect, *, truncated: bool = False
) -> Processed | Dropped:
    """Make an example of a routine's conversation (system first), or return why none can be made.

    `truncated`: whether any of its replies was cut at the token limit.
    """
    if truncated:
        return Dropped.TRUNCATED
    reader = _Reader(routine, vocabulary, dialect)
    messages, thought = _without_thoughts(messages)
    end = reader.last(messages)
    if end is None:
        return Dropped.NO_OPERATION
    kept: list[Message] = [{"role": one["role"], "content": str(one["content"])} for one in messages[: end + 1]]
    kept[end]["content"], changed = _transform(str(kept[end]["content"]), reader)
    replies = [str(message["content"]) for message in kept if message["role"] == "assistant"]
    if not any(reader.uses_memory(reply) for reply in replies):
        return Dropped.NO_OPERATION
    if any(one == following for one, following in pairwise(replies)):
        return Dropped.REPEATED
    for reply in replies:
        if (fault := _check(reply, reader)) is not None:
            return fault
    left_out = ("left out what follows",) if end < len(messages) - 1 else ()
    return Processed(tuple(kept), (*thought, *left_out, *changed))


@dataclass(frozen=True, slots=True)
class _Reader:
    """Reads replies of one routine."""

    routine: str
    vocabulary: Vocabulary
    dialect: Dialect

    def read(self, text: str) -> Reading:
        return self.dialect.read({"role": "assistant", "content": text}, self.vocabulary)

    def spans(self, text: str, *kinds: Kind) -> list[tuple[int, int]]:
        """Start and end of each operation in a reply, of these kinds or of all."""
        return [one.span for one in self.read(text).calls if one.span and (not kinds or one.operation.kind in kinds)]

    def uses_memory(self, text: str) -> bool:
        """Whether a reply holds a memory operation."""
        return any(call.operation.kind in (Kind.RECALL, Kind.RECORD) for call in self.read(text).calls)

    def last(self, messages: Sequence[Message]) -> int | None:
        """Where the example ends: the last reply with a memory operation, or the end of LOG that follows one."""
        replies = [place for place, message in enumerate(messages) if message["role"] == "assistant"]
        using = [place for place in replies if self.uses_memory(str(messages[place]["content"]))]
        if not using:
            return None
        if self.routine == "LOG" and self._only_ends(str(messages[replies[-1]]["content"])):
            return replies[-1]
        return using[-1]

    def _only_ends(self, text: str) -> bool:
        items = self.read(text).items
        return any(isinstance(item, Call) and item.operation.kind is Kind.CONTROL for item in items)


def _without_thoughts(messages: Sequence[Message]) -> tuple[list[Message], tuple[str, ...]]:
    """The messages with the answers alone of replies: traces of earlier versions hold thoughts, too."""
    answers = [
        {**one, "content": separate(str(one["content"])).answer} if one["role"] == "assistant" else one
        for one in messages
    ]
    return answers, ("thoughts removed",) if answers != list(messages) else ()


def _transform(text: str, reader: _Reader) -> tuple[str, tuple[str, ...]]:
    changed = []
    for name, step in (
        ("fences unwrapped", _without_fences),
        ("cut after the end of LOG", _until_done),
        ("action stripped", _without_action),
        ("tail trimmed", _without_tail),
    ):
        before, text = text, step(text, reader)
        if text != before:
            changed.append(name)
    return text, tuple(changed)


def _without_fences(text: str, reader: _Reader) -> str:
    """Remove pairs of fence lines with an operation between them."""
    lines = [match.span() for match in _FENCE_LINE.finditer(text)]
    spans = reader.spans(text)
    for (first, opened), (closing, after) in reversed(list(zip(lines[::2], lines[1::2], strict=False))):
        if any(opened <= start and end <= closing for start, end in spans):
            text = text[:first] + text[opened:closing] + text[after:]
    return text


def _until_done(text: str, reader: _Reader) -> str:
    ends = reader.spans(text, Kind.CONTROL) if reader.routine == "LOG" else []
    return text[: ends[0][1]] if ends else text


def _without_action(text: str, reader: _Reader) -> str:
    """Remove actions one by one: once the first is gone, the dialect may read another."""
    while found := reader.spans(text, Kind.WORLD):
        start, end = found[0]
        text = text[:start] + text[end:]
    return text


def _without_tail(text: str, reader: _Reader) -> str:
    spans = reader.spans(text)
    return text[: max(end for _, end in spans)] if spans else text


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
    if text[max(end for _, end in reader.spans(text)) :].strip():
        return Dropped.TAIL
    if _IMITATION.search(text):
        return Dropped.IMITATION
    return Dropped.CONTROL if _CONTROL_TOKEN.search(text) else None

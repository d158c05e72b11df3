"""What reading a message gives: calls and mistakes in the order written, and the replies they are answered with."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from pydantic import BaseModel

from tools.operation import Operation
from tools.thoughts import separate

FRAGMENT_CHARS = 200
"""How much of a fragment is kept: enough for a model to recognise its own words, small enough for a trace line."""
TITLE_CHARS = 80
"""A heading over a result stays one line on a terminal."""
MAX_OPERATIONS = 100
"""Operations read from one message. 4,096 new tokens hold a few hundred of the shortest; real turns hold under ten."""


AFTER_END = "Nothing is carried out after the operation that ends the routine."
"""The sentence that answers such an operation, in every dialect."""
EMPTY = "(empty reply)"
"""Replaces an empty message in a conversation: some providers refuse empty content."""


class MistakeCode(StrEnum):
    """Everything that can be wrong with a model's message; counted by the metrics, so closed."""

    UNKNOWN_OPERATION = "unknown_operation"  # no operation has this name
    NOT_ALLOWED = "not_allowed"  # the operation exists, but not in this routine
    BAD_ARGUMENTS = "bad_arguments"  # arguments missing, unknown, of the wrong type or out of range
    UNCLOSED = "unclosed"  # an operation that was not closed and whose arguments could not be had either
    UNREADABLE = "unreadable"  # something that looks like an operation and is none, or a message without any
    EMPTY_REPLY = "empty_reply"  # nothing but white space
    TRUNCATED = "truncated"  # the reply hit the token limit inside an operation, or before its answer began
    AFTER_END = "after_end"  # an operation after `done` or `act`
    TOO_MANY = "too_many"  # beyond MAX_OPERATIONS


@dataclass(frozen=True, slots=True)
class Mistake:
    """A model's mistake: data, not an exception, because it is answered in its place among the calls.

    `message` is one sentence for the model. `fragment` is an excerpt of what was written. `span` is where: characters
    of the content (tags) or the index in `tool_calls` (functions).
    """

    code: MistakeCode
    message: str
    fragment: str = ""
    call_id: str | None = None
    span: tuple[int, int] | None = None

    @property
    def title(self) -> str:
        """A heading for the reply: the start of what was written, or the code when nothing was."""
        return one_line(self.fragment) or self.code.value


def nothing_written(truncated: bool, how: str) -> Mistake:
    """The mistake of a reply without an answer; `how` is a clause that says what to write."""
    if truncated:
        sentence = f"The token limit was used up before the answer began; think less, and {how}"
        return Mistake(MistakeCode.TRUNCATED, sentence)
    return Mistake(MistakeCode.EMPTY_REPLY, f"The reply was empty; {how}")


@dataclass(frozen=True, slots=True)
class Call:
    """One operation the model asked for, its arguments validated. `fragment` and `span` as in Mistake."""

    operation: Operation
    arguments: BaseModel
    fragment: str = ""
    call_id: str | None = None
    span: tuple[int, int] | None = None

    @property
    def title(self) -> str:
        """A heading for the reply, the same in every dialect: `SEARCH map_notes.md|tree`."""
        values = "|".join(str(getattr(self.arguments, field)) for field in self.operation.fields)
        return one_line(f"{self.operation.tag} {values}")


@dataclass(frozen=True, slots=True)
class Reading:
    """A message as read: calls and mistakes in the order written. Never empty: a message without any is a mistake."""

    items: tuple[Call | Mistake, ...]

    @property
    def calls(self) -> tuple[Call, ...]:
        """The operations to carry out, in order."""
        return tuple(item for item in self.items if isinstance(item, Call))

    @property
    def mistakes(self) -> tuple[Mistake, ...]:
        """What could not be read or is not allowed, in order."""
        return tuple(item for item in self.items if isinstance(item, Mistake))


@dataclass(frozen=True, slots=True)
class Reply:
    """What one item is answered with. `ok` is False for mistakes and refusals; `call_id` as in the item answered."""

    title: str
    text: str
    ok: bool
    call_id: str | None = None


def answer_text(message: Mapping[str, Any]) -> str:
    """The text of a message, without thoughts; its content may be a string, a list of parts, or nothing."""
    content = message.get("content")
    if isinstance(content, list):
        parts = (part.get("text") if isinstance(part, Mapping) else part for part in content)
        content = "".join(part for part in parts if isinstance(part, str))
    return separate(content).answer if isinstance(content, str) else ""


def encodable(text: str) -> str:
    """The text with lone surrogates replaced: servers do send them, and no JSON or UTF-8 writer takes them."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode(errors="replace").decode()
    return text


def excerpt(text: str, limit: int = FRAGMENT_CHARS) -> str:
    """At most `limit` characters of the text, the middle left out, safe to encode."""
    text = (
        text.strip() if len(text) <= limit else f"{text[: limit - limit // 4].strip()} … {text[-limit // 4 :].strip()}"
    )
    return encodable(text)


def one_line(text: str, limit: int = TITLE_CHARS) -> str:
    """The start of the text as one line of at most `limit` characters, white space collapsed."""
    line = " ".join(text[: 4 * limit].split())
    return encodable(line if len(line) <= limit and len(text) <= 4 * limit else f"{line[: limit - 1]}…")

"""What an operation answers: an outcome, the text a model reads, and the facts a trace keeps."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple


class Outcome(StrEnum):
    """How an operation ended; the first three are for recalls, the rest for records, `REJECTED` for both."""

    HIT = "hit"
    EMPTY = "empty"
    MISSING = "missing"
    WRITTEN = "written"
    DUPLICATE = "duplicate"
    EXISTS = "exists"
    REJECTED = "rejected"


class RejectionCode(StrEnum):
    """Why an operation was refused: a closed set, each with a sentence the model can act on."""

    EMPTY_NAME = "empty_name"
    ABSOLUTE_NAME = "absolute_name"
    PARENT_FOLDER = "parent_folder"
    HIDDEN_NAME = "hidden_name"
    BAD_CHARACTER = "bad_character"
    BAD_FOLDER = "bad_folder"
    DEVICE_NAME = "device_name"
    NAME_TOO_LONG = "name_too_long"
    NAME_TOO_DEEP = "name_too_deep"
    NAME_TAKEN = "name_taken"
    NOT_A_FILE = "not_a_file"
    TOO_MANY_FILES = "too_many_files"
    FILE_FULL = "file_full"
    NOTEBOOK_FULL = "notebook_full"
    CONTROL_CHARACTER = "control_character"
    NOT_UNICODE = "not_unicode"
    EMPTY_TEXT = "empty_text"
    BAD_KEY = "bad_key"
    BAD_COUNT = "bad_count"


class Refused(Exception):
    """An operation that is refused. It becomes a `REJECTED` result and never leaves this package."""

    def __init__(self, code: RejectionCode, sentence: str) -> None:
        super().__init__(sentence)
        self.code = code
        self.sentence = sentence


class Source(NamedTuple):
    """Who wrote a line: the world step and the notebook revision."""

    step: int
    revision: int


@dataclass(frozen=True, slots=True)
class MemoryResult:
    """The answer of one operation: `text` is for the model, everything else for the trace."""

    operation: str
    outcome: Outcome
    text: str
    """What the model reads; at most `Limits.result_chars` characters."""
    file: str | None = None
    """The sanitised name; None when it was refused, or when an operation has no file."""
    lines: tuple[int, ...] = ()
    """Line numbers from 1: those shown by a recall, those written (or already present) by a record."""
    provenance: tuple[Source, ...] = ()
    """Recalls: who wrote each of `lines`."""
    total: int = 0
    """Matches (search, count), lines of the file (read, tail), lines touched (records), before any cut."""
    revision: int = 0
    """The notebook's revision after the operation."""
    code: RejectionCode | None = None
    """Set when the outcome is `REJECTED`."""


def quoted(text: str, most: int = 60) -> str:
    """Quote what a model wrote: printable, on one line, at most about `most` characters."""
    shown = repr(text[:most])
    if len(shown) > 2 * most:  # mostly escapes
        shown = shown[: 2 * most] + "'"
    return shown if len(text) <= most else shown + "…"


def plural(count: int, noun: str) -> str:
    """`1 line`, `2 lines`."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"

"""One change of one file as a splice of lines: what the journal stores and every replay applies."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple


class Change(NamedTuple):
    """Replace `drop` lines from index `at` (from 0) by `put`."""

    at: int
    drop: int
    put: list[str]
    unended: bool = False
    """Whether the file's last line then lacks its newline (only a write can ask for that)."""

    def to_json(self) -> dict[str, object]:
        """Return the journal's form, without the fields that have their usual value."""
        form: dict[str, object] = {"at": self.at, "put": self.put}
        if self.drop:
            form["drop"] = self.drop
        if self.unended:
            form["unended"] = True
        return form

    @classmethod
    def from_json(cls, form: dict[str, Any]) -> Change:
        """Read the journal's form; KeyError, TypeError or ValueError when it is none."""
        if any("\n" in line for line in form["put"]):
            raise ValueError("it puts a line that holds a newline")
        return cls(form["at"], form.get("drop", 0), form["put"], form.get("unended", False))


def split(text: str) -> tuple[list[str], bool]:
    """Return the lines of a text and whether the last one lacks its newline; `joined` is the inverse."""
    if not text:
        return [], False
    lines = text.split("\n")
    if lines[-1]:
        return lines, True
    lines.pop()
    return lines, False


def joined(lines: Sequence[str], unended: bool) -> str:
    """Return the text of these lines."""
    if not lines:
        return ""
    return "\n".join(lines) if unended else "\n".join(lines) + "\n"


def change_between(before: list[str], lines: list[str], unended: bool) -> Change:
    """Return the splice that turns the lines `before` into `lines`, leaving their common head and tail untouched."""
    shorter = min(len(before), len(lines))
    head = 0
    while head < shorter and before[head] == lines[head]:
        head += 1
    tail = 0
    while tail < shorter - head and before[-1 - tail] == lines[-1 - tail]:
        tail += 1
    return Change(head, len(before) - head - tail, lines[head : len(lines) - tail], unended)

"""The text of one file as lines, each with who wrote it; changes of it, and the difference that a person reads."""

from __future__ import annotations

import difflib
from array import array
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from memory_fs.results import Source


class Change(NamedTuple):
    """Replace `drop` lines from index `at` (from 0) by `put`."""

    at: int
    drop: int
    put: list[str]
    unended: bool = False
    """Whether the file's last line then lacks its newline (only a write can ask for that)."""

    def to_json(self) -> dict[str, object]:
        """Return the journal's form, without fields that have their default value."""
        form: dict[str, object] = {"at": self.at, "put": self.put}
        if self.drop:
            form["drop"] = self.drop
        if self.unended:
            form["unended"] = True
        return form

    @classmethod
    def from_json(cls, form: dict[str, Any]) -> Change:
        """Read the journal's form; KeyError, TypeError or ValueError when it is invalid."""
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


class Text:
    """Lines, and for each the step and the revision that wrote it."""

    __slots__ = ("lines", "revisions", "steps", "unended")

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.unended = False
        """Whether the last line lacks its newline."""
        self.steps = array("q")
        self.revisions = array("q")

    def splice(self, change: Change, source: Source) -> None:
        """Apply a change made by `source`; ValueError when it does not fit this text.

        Lines outside the splice keep who wrote them, and so does a line that only moved within it.
        """
        at, drop, put, unended = change
        if not 0 <= at <= at + drop <= len(self.lines):
            raise ValueError(f"it changes lines {at + 1} to {at + drop} of {len(self.lines)}")
        step, revision = source
        self.unended = unended
        if at == len(self.lines):
            self.lines += put
            self.steps.extend([step] * len(put))
            self.revisions.extend([revision] * len(put))
            return
        movers: dict[str, list[Source]] = {}
        for index in range(at + drop - 1, at - 1, -1):
            movers.setdefault(self.lines[index], []).append(self.source(index))
        sources = [movers[line].pop() if movers.get(line) else source for line in put]
        self.lines[at : at + drop] = put
        self.steps[at : at + drop] = array("q", [step for step, _ in sources])
        self.revisions[at : at + drop] = array("q", [revision for _, revision in sources])

    def source(self, index: int) -> Source:
        """Return who wrote the line at `index` (from 0)."""
        return Source(self.steps[index], self.revisions[index])

    def text(self) -> str:
        """Return the file's whole text."""
        return joined(self.lines, self.unended)


CONTEXT = 3
"""Unchanged lines shown around a change, as diff(1) does."""


def unified_diff(a: Mapping[str, Text], b: Mapping[str, Text]) -> str:
    """Return what turns files `a` into files `b`; a file that one side lacks is compared with /dev/null."""
    names = sorted(a.keys() | b.keys())
    return "".join(line + "\n" for name in names for line in _file_diff(name, a.get(name), b.get(name)))


def _file_diff(name: str, a: Text | None, b: Text | None) -> Iterator[str]:
    old, new = _shown(a), _shown(b)
    if old == new and (a is None) == (b is None):
        return
    yield f"--- {'a/' + name if a else '/dev/null'}"
    yield f"+++ {'b/' + name if b else '/dev/null'}"
    # difflib's time is quadratic in what differs: compare only that, and its surroundings.
    at, drop, put, _ = change_between(old, new, False)
    start = max(at - CONTEXT, 0)
    old_part = old[start : at + drop + CONTEXT]
    new_part = new[start : at + len(put) + CONTEXT]
    matcher = difflib.SequenceMatcher(None, old_part, new_part)
    for group in matcher.get_grouped_opcodes(CONTEXT):
        (_, a1, _, b1, _), (_, _, a2, _, b2) = group[0], group[-1]
        yield f"@@ -{_range(start + a1, a2 - a1)} +{_range(start + b1, b2 - b1)} @@"
        for tag, i1, i2, j1, j2 in group:
            if tag == "equal":
                yield from (" " + line for line in old_part[i1:i2])
                continue
            yield from ("-" + line for line in old_part[i1:i2])
            yield from ("+" + line for line in new_part[j1:j2])


def _shown(text: Text | None) -> list[str]:
    """Return the lines, the last one marked as diff(1) does when it lacks its newline."""
    if text is None or not text.lines:
        return []
    return [*text.lines[:-1], text.lines[-1] + "\n\\ No newline at end of file"] if text.unended else text.lines


def _range(start: int, length: int) -> str:
    if length == 1:
        return str(start + 1)
    return f"{start + 1 if length else start},{length}"

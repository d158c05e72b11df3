"""One episode read for the index: its operations and notebook lines, each with what is asked of it in searches."""

from __future__ import annotations

import json
import re
import sqlite3
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from hashlib import sha1
from typing import Any

from memory_fs.journal import Record, records
from traces import EpisodeFolder, TraceReader
from traces.flags import StepJudge
from traces.records import OperationRecord, StepRecord

AFTER = 5
"""Steps after an operation whose rewards are counted as coming after it, its own step included."""
SLICE = 50
"""Steps between two commits, and between two looks whether somebody waits for a page."""
CURVE = 160
"""Points of a course that are kept."""
TEXT = 2_000
"""Characters of an operation or a line that are kept."""

Item = tuple[tuple[Any, ...], str, str]
"""A row of `item` without its id, the text and the terms."""


_Found = tuple[list[Any], str, list[str]]
"""The beginning of a row, the text and the terms so far."""


@dataclass
class _Waiting:
    """A step whose operations wait for what comes after it."""

    step: int
    items: list[_Found]
    reward: float
    before: float
    """Progression before its action."""
    after: float = 0.0


@dataclass
class Scan:
    """Reads one episode, and remembers where it is."""

    id: int
    run: str
    folder: EpisodeFolder
    steps: int = 0
    progression: float = 0.0
    curve: list[tuple[int, float]] = field(default_factory=list)
    _judge: StepJudge = field(default_factory=StepJudge)
    _waiting: deque[_Waiting] = field(default_factory=deque)
    _last: Record | None = None
    _known: set[int] = field(default_factory=set)
    """Lines that came before."""

    def read(self, over: bool) -> Iterator[list[Item]]:
        """Yield the items of the steps that are there, some steps at a time. `over`: no further steps will come."""
        with TraceReader(self.folder) as reader:
            while self.steps < len(reader):
                last = min(self.steps + SLICE, len(reader))
                lines = self._lines_until(last)
                yield [item for record in reader.heads(self.steps + 1, last) for item in self._step(record, lines)]
        if over:
            yield [item for one in self._waiting for item in self._done(one)]
            self._waiting.clear()

    def write(self, db: sqlite3.Connection, size: int) -> None:
        """Keep how far it is; `size`: of the trace, once all of it is read."""
        curve = self.curve
        if len(curve) > CURVE:
            every = -(-len(curve) // CURVE)
            curve = [*curve[::every], curve[-1]]
        kept = [size, self.steps, json.dumps(curve), self.id]
        db.execute("UPDATE episode SET size=?, steps=?, curve=? WHERE id=?", kept)

    def _step(self, record: StepRecord, lines: deque[tuple[int, _Found]]) -> list[Item]:
        redundant, _ = self._judge.operations(record)
        before = self.progression
        self.progression = float(record.info.get("progression", before))
        if self.progression != before or not self.curve:
            self.curve.append((record.step, self.progression))
        self.steps = record.step
        items = [
            self._operation(record.step, conversation.routine, one, (number, place) in redundant)
            for number, conversation in enumerate(record.conversations)
            for place, one in enumerate(conversation.operations)
            if one.outcome not in ("done", "act", "held", "removed", "repeated")
        ]
        items += [self._operation(record.step, "hook", one, False) for one in record.hook_operations]
        while lines and lines[0][0] <= record.step:
            items.append(lines.popleft()[1])
        self._waiting.append(_Waiting(record.step, items, 0.0, before))
        for one in self._waiting:
            one.reward += record.reward
            one.after = self.progression
        done = []
        while self._waiting and self._waiting[0].step <= record.step - AFTER:
            done += self._done(self._waiting.popleft())
        return done

    def _done(self, one: _Waiting) -> list[Item]:
        gain = one.after - one.before
        terms = ["rewarded"] if one.reward > 0 else []
        return [((*row, one.reward, gain), text, " ".join([*found, *terms])) for row, text, found in one.items]

    def _operation(self, step: int, routine: str, one: OperationRecord, redundant: bool) -> _Found:
        given = [str(value) for name, value in one.arguments.items() if name != "file"]
        file = one.file or str(one.arguments.get("file") or "")
        text = " · ".join([*given, *([one.code] if one.code else [])])[:TEXT]
        origins = sorted({origin for origin, _ in one.provenance})
        terms = [term("k", "operation"), term("p", one.operation), term("o", one.outcome), term("f", file)]
        terms += [term("n", self.run), *(f"s{origin}" for origin in origins[:40])]
        terms += [term("o", "redundant")] if redundant else []
        oldest = origins[0] if origins else -1
        row = [self.id, step, routine, one.operation or "unread", one.outcome, storable(file), oldest]
        return row, storable(text), terms

    def _lines_until(self, step: int) -> deque[tuple[int, _Found]]:
        """The lines that came into the notebook up to a step, each where it first came, with that step."""
        found: deque[tuple[int, _Found]] = deque()
        if not self.folder.journal.exists():
            return found
        for record in records(self.folder.journal, after=self._last):
            if record.step > step:
                break
            self._last = record
            for file, change in record.changes.items():
                for line in change.put if change else ():
                    key = hash((file, line))
                    if line.strip() and key not in self._known:
                        self._known.add(key)
                        kept = storable(file)
                        row = [self.id, record.step, record.routine, record.operation, "line", kept, record.step]
                        terms = [term("k", "line"), term("f", file), term("n", self.run), f"s{record.step}"]
                        found.append((record.step, (row, storable(line[:TEXT]), terms)))
        return found


def storable(text: str) -> str:
    """The text without lone surrogates, which a model may write and SQLite cannot hold."""
    return text.encode(errors="replace").decode()


def term(letter: str, value: str) -> str:
    """One word of the index for a value of any signs."""
    plain = value.lower()
    return letter + (plain if re.fullmatch(r"[a-z_]{1,40}", plain) else f"x{digest(plain)}")


def digest(text: str) -> str:
    """A short name for a text."""
    return sha1(text.encode(errors="surrogatepass"), usedforsecurity=False).hexdigest()[:16]

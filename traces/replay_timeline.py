"""An episode in one line: what each step was, where it gained, and what had been recalled before it did."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from traces.flags import StepFlags
from traces.records import OperationRecord, StepRecord

MARKS = {
    "gain": 1,
    "write": 2,
    "recall": 4,
    "empty": 8,
    "redundant": 16,
    "rejected": 32,
    "mistake": 64,
    "invalid": 128,
    "repaired": 256,
    "vetoed": 512,
    "stuck": 1024,
    "oscillating": 2048,
    "notice": 4096,
}
"""What a step can be marked as, each with its bit."""

_BY_OUTCOME = {"hit": "recall", "empty": "empty", "missing": "empty", "written": "write"}
_BY_OUTCOME |= {"duplicate": "redundant", "exists": "redundant", "rejected": "rejected", "mistake": "mistake"}
_BY_ACTION = {"invalid": "invalid", "missing": "invalid", "repaired": "repaired", "vetoed": "vetoed"}

RECENT = 5
"""A recall belongs to what was gained in the same step or so many steps later."""

GAINS = 1_000
"""Steps with a gain for which recalls are looked into."""


@dataclass(frozen=True, slots=True)
class Recalled:
    """Lines of a file that an operation of the model returned."""

    step: int
    file: str
    operation: str
    revision: int
    lines: tuple[int, ...]
    """From 1."""
    provenance: tuple[tuple[int, int], ...]
    """(step, revision) that wrote each."""


@dataclass(frozen=True, slots=True)
class Gain:
    """A step after which progression had risen, and what had been recalled shortly before."""

    step: int
    reward: float
    action: str
    new: tuple[str, ...]
    """What is new in the world's own statistics, in its words; may be nothing."""
    recalls: tuple[Recalled, ...]


@dataclass
class Timeline:
    """Everything the page's timeline shows of one episode; grows by a few numbers a step."""

    marks: list[int] = field(default_factory=list)
    revisions: list[int] = field(default_factory=list)
    rewards: list[tuple[int, float]] = field(default_factory=list)
    """Where there was any."""
    progression: list[tuple[int, float]] = field(default_factory=list)
    """Where it changed."""
    gains: list[Gain] = field(default_factory=list)
    _recent: deque[tuple[Recalled, ...]] = field(default_factory=lambda: deque(maxlen=RECENT + 1))
    _known: frozenset[str] = frozenset()

    def add(self, record: StepRecord, flags: StepFlags) -> None:
        """Take in the next step."""
        names = set(_marks(record, flags))
        operations = [one for conversation in record.conversations for one in conversation.operations]
        self._recent.append(tuple(_recalls(record.step, operations)))
        before = self.progression[-1][1] if self.progression else 0.0
        now = float(record.info.get("progression", before))
        statistics = frozenset(_strings(record.info.get("statistics", {})))
        if now != before or not self.progression:
            self.progression.append((record.step, now))
        if now > before:
            names.add("gain")
            if len(self.gains) < GAINS:
                self.gains.append(self._gain(record, statistics))
        self._known = statistics
        if record.reward:
            self.rewards.append((record.step, record.reward))
        self.marks.append(sum(MARKS[name] for name in names))
        self.revisions.append(record.revision)

    def milestones(self) -> list[int]:
        """Return the steps at which something was gained; where progression never rose, the rewarded ones."""
        gained = [step for step, mark in enumerate(self.marks, 1) if mark & MARKS["gain"]]
        return gained or [step for step, reward in self.rewards if reward > 0]

    def plain(self) -> dict[str, Any]:
        """Return what the page shows."""
        return {
            "marks": self.marks,
            "rewards": self.rewards,
            "progression": self.progression,
            "milestones": self.milestones(),
        }

    def _gain(self, record: StepRecord, statistics: frozenset[str]) -> Gain:
        recalls = tuple(one for step in self._recent for one in step)
        return Gain(record.step, record.reward, record.action, tuple(sorted(statistics - self._known)), recalls)


def _marks(record: StepRecord, flags: StepFlags) -> Iterator[str]:
    for conversation in record.conversations:
        for one in conversation.operations:
            if one.outcome in _BY_OUTCOME:
                yield _BY_OUTCOME[one.outcome]
    if flags.redundant_writes:
        yield "redundant"
    if record.action_outcome in _BY_ACTION:
        yield _BY_ACTION[record.action_outcome]
    if flags.unproductive:
        yield flags.unproductive
    if record.notices:
        yield "notice"


def _recalls(step: int, operations: list[OperationRecord]) -> Iterator[Recalled]:
    for one in operations:
        if one.outcome == "hit" and one.file and one.lines and len(one.lines) == len(one.provenance):
            yield Recalled(step, one.file, one.operation, one.revision, one.lines, one.provenance)


def _strings(value: Any) -> Iterator[str]:
    """The texts in a world's statistics, such as names of what was achieved."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for one in value.values():
            yield from _strings(one)
    elif isinstance(value, list | tuple):
        for one in value:
            yield from _strings(one)

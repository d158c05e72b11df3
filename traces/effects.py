"""What changes of an episode's memory operations did: effects.jsonl beside the trace, a line per measured change."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, Literal

from traces.folders import EpisodeFolder, TraceDamaged, disk_failure
from traces.plain_json import dump, load
from traces.records import Conversation, OperationRecord, StepRecord

if TYPE_CHECKING:
    from pydantic import TypeAdapter

Verdict = Literal["helpful", "harmful", "no effect", "undecided"]
MemoryKind = Literal["write", "recall"]
CHANGED = "changed"
"""The code of a recall whose answer a counterfactual gave in place of the notebook."""
_MEASURED: dict[str, MemoryKind] = {"written": "write", "hit": "recall"}


@dataclass(frozen=True, slots=True)
class Estimate:
    """A mean difference, changed less unchanged, and its 95 % interval."""

    mean: float
    low: float | None
    """None with too few samples for an interval; the same for `high`."""
    high: float | None

    @property
    def verdict(self) -> Verdict:
        """Of the operation that was dropped or changed for the worse."""
        if self.low is None or self.high is None:
            return "undecided"
        if self.low == self.high == 0.0:
            return "no effect"
        return "helpful" if self.high < 0 else "harmful" if self.low > 0 else "undecided"


@dataclass(frozen=True, slots=True)
class Effect:
    """A measured change of a write or a recall."""

    step: int
    index: int
    """The operation's number among those of the step that `measurable` returns, from 1."""
    routine: str
    operation: str
    file: str | None
    arguments: dict[str, Any]
    change: Literal["drop", "edit", "file"]
    text: str | None
    """Of an edit."""
    samples: int
    horizon: int
    """Steps played, at most: after a write, and from the step of a recall on."""
    progression: Estimate
    """In [-1, 1]."""
    episode_return: Estimate
    """Rewards from the operation on."""
    unchanged: float
    """Mean progression of the arm that keeps the operation, in [0, 1]."""
    changed: float
    calls: int
    """Model calls of both arms."""
    tokens: int | None
    """None where a server did not report them."""
    replayed: bool
    """Whether each sample replayed the world, because it cannot be branched."""
    versions: dict[str, str]
    kind: MemoryKind = "write"

    @property
    def asked(self) -> str:
        """The text of a note; what a recall asks its file for."""
        if self.kind == "write":
            return str(self.arguments.get("text", ""))
        return " ".join(str(value) for name, value in self.arguments.items() if name != "file")


def measurable(step: StepRecord) -> list[tuple[MemoryKind, Conversation, OperationRecord]]:
    """Return what a counterfactual can change of a step, in order: the model's writes, and its recalls that found
    something. An effect's `index` counts them from 1."""
    return [
        (_MEASURED[one.outcome], conversation, one)
        for conversation in step.conversations
        for one in conversation.operations
        if is_measurable(one.outcome)
    ]


def is_measurable(outcome: str) -> bool:
    """Whether an operation of this outcome is a write, or a recall that found something."""
    return outcome in _MEASURED


def read_effects(folder: EpisodeFolder) -> list[Effect]:
    """Return what was measured of an episode, in the order measured. Raises TraceFailure or TraceDamaged."""
    path = folder.effects
    try:
        lines = path.read_bytes().splitlines()
    except FileNotFoundError:
        return []
    except OSError as error:
        raise disk_failure("read", path, error) from error
    found = []
    for number, line in enumerate(lines, 1):
        try:
            found.append(_lines().validate_python(load(line)))
        except ValueError as error:
            raise TraceDamaged(f"{path}:{number} is no effect ({_fault(error)}): remove the line") from error
    return found


def write_effect(folder: EpisodeFolder, effect: Effect) -> None:
    """Add a line to the episode's effects. Raises TraceFailure."""
    try:
        with folder.effects.open("ab") as file:
            file.write(dump(dataclasses.asdict(effect)) + b"\n")
    except OSError as error:
        raise disk_failure("write", folder.effects, error) from error


def dropped(effects: Iterable[Effect]) -> dict[tuple[int, int], Effect]:
    """Return the newest effect of leaving out each operation, by step and index."""
    return {(one.step, one.index): one for one in effects if one.change == "drop"}


def effect_faults(effects: Iterable[Effect], operations: set[tuple[int, int, str]]) -> Iterator[str]:
    """Yield a sentence for each effect of an operation that the trace does not have; `operations`: (step, index,
    kind) of all that can be measured."""
    for one in effects:
        if (one.step, one.index, one.kind) not in operations:
            yield f"it holds an effect of {one.kind} {one.step}.{one.index}, which the trace does not have"


@cache
def _lines() -> TypeAdapter[Effect]:
    from pydantic import TypeAdapter

    return TypeAdapter(Effect)


def _fault(error: ValueError) -> str:
    """What is wrong with a line, from pydantic's first error."""
    from pydantic import ValidationError

    if not isinstance(error, ValidationError):
        return str(error)
    first = error.errors(include_url=False)[0]
    return ": ".join(filter(None, [".".join(map(str, first["loc"])), first["msg"]]))

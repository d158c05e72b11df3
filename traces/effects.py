"""What changes of an episode's writes did: effects.jsonl beside the trace, a line for each measured change."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, Literal

from traces.folders import EpisodeFolder, TraceDamaged, disk_failure
from traces.plain_json import dump, load
from traces.records import OperationRecord, StepRecord

if TYPE_CHECKING:
    from pydantic import TypeAdapter

Verdict = Literal["helpful", "harmful", "no effect", "undecided"]


@dataclass(frozen=True, slots=True)
class Estimate:
    """A mean difference, changed less unchanged, and its 95 % interval."""

    mean: float
    low: float | None
    """None with too few samples for an interval; the same for `high`."""
    high: float | None

    @property
    def verdict(self) -> Verdict:
        """Of the note that was dropped or changed for the worse."""
        if self.low is None or self.high is None:
            return "undecided"
        if self.low == self.high == 0.0:
            return "no effect"
        return "helpful" if self.high < 0 else "harmful" if self.low > 0 else "undecided"


@dataclass(frozen=True, slots=True)
class Effect:
    """A measured change of a write."""

    step: int
    index: int
    """The write's number among the writes of the step, from 1."""
    routine: str
    operation: str
    file: str | None
    arguments: dict[str, Any]
    change: Literal["drop", "edit", "file"]
    text: str | None
    """Of an edit."""
    samples: int
    horizon: int
    """Steps played after the write, at most."""
    progression: Estimate
    """In [-1, 1]."""
    episode_return: Estimate
    """Rewards from the write on."""
    unchanged: float
    """Mean progression of the arm that keeps the note, in [0, 1]."""
    changed: float
    calls: int
    """Model calls of both arms."""
    tokens: int | None
    """None where a server did not report them."""
    replayed: bool
    """Whether each sample replayed the world, because it cannot be branched."""
    versions: dict[str, str]


def step_writes(step: StepRecord) -> list[tuple[str, OperationRecord]]:
    """Return the model's operations that changed the notebook in a step, in order, each with its routine.

    An effect's `index` counts them from 1.
    """
    return [
        (conversation.routine, one)
        for conversation in step.conversations
        for one in conversation.operations
        if one.outcome == "written"
    ]


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
    """Return the newest effect of leaving out each write, by step and index."""
    return {(one.step, one.index): one for one in effects if one.change == "drop"}


def effect_faults(effects: Iterable[Effect], writes: set[tuple[int, int]]) -> Iterator[str]:
    """Yield a sentence for each effect of a write that the trace does not have; `writes`: (step, index) of all."""
    for one in effects:
        if (one.step, one.index) not in writes:
            yield f"it holds an effect of write {one.step}.{one.index}, which the trace does not have"


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

"""An episode at a glance: where it gained, where it made no progress, what it tried in vain, how it used its notebook.

One pass over outlines, in memory that does not grow with the episode. What counts as unproductive, redundant or empty
is said in flags.py.
"""

from collections import Counter
from collections.abc import Hashable, Iterable
from dataclasses import dataclass, field
from heapq import heappush, heappushpop
from typing import Generic, TypeVar

from traces.flags import RECALLS, WRITES, Observation, StepFlags, flagged_steps, normal_form
from traces.outline import OperationOutline, StepOutline
from traces.records import total_tokens

K = TypeVar("K", bound=Hashable)
_KEYS = 4096  # enough for all that is said of an episode of a thousand steps; 100,000 steps stay below 10 MB


@dataclass(slots=True)
class Recurrence:
    """How often something came, and in which steps first and last."""

    first: int
    last: int
    count: int = 1


class Tally(Generic[K]):
    """Counts keys. Beyond `keys` of them it forgets the half that came least (then: longest ago).

    So what recurs often is counted right, and the count of something rare that was forgotten in between is too low.
    """

    def __init__(self, keys: int = _KEYS) -> None:
        self._keys = keys
        self._found: dict[K, Recurrence] = {}
        self.forgot = False

    def add(self, key: K, step: int) -> None:
        """Count `key` once more, at `step`."""
        found = self._found.get(key)
        if found is not None:
            found.count += 1
            found.last = step
            return
        if len(self._found) >= self._keys:
            kept = sorted(self._found.items(), key=lambda item: (-item[1].count, -item[1].last))
            self._found = dict(kept[: self._keys // 2])
            self.forgot = True
        self._found[key] = Recurrence(step, step)

    def most(self, number: int | None = None, least: int = 1) -> list[tuple[K, Recurrence]]:
        """Return what came at least `least` times, the most frequent first, then the earliest; at most `number`."""
        ordered = sorted(self._found.items(), key=lambda item: (-item[1].count, item[1].first))
        return [item for item in ordered if item[1].count >= least][:number]

    def __len__(self) -> int:
        return len(self._found)


_GAINS = 500  # steps with a reward or a change of progression that are kept
_STRETCHES = 100  # longest stretches that are kept
_FILES = 256  # files that are counted apart
_KEY = 200  # characters of a text that distinguish it from others
STRETCH = 3
"""Unproductive steps in a row that make a stretch of stagnation: two may be a turn against a wall."""


@dataclass(frozen=True, slots=True, order=True)
class Stretch:
    """Steps in a row whose actions were all unproductive."""

    length: int
    first: int
    stuck: int
    """How many of them were stuck; the others were oscillating."""

    @property
    def last(self) -> int:
        """The last of its steps."""
        return self.first + self.length - 1


@dataclass(frozen=True, slots=True)
class Gain:
    """A step that was rewarded, or after which progression was another."""

    step: int
    reward: float
    progression: float


@dataclass(slots=True)
class Overview:
    """What `overview` finds. Tallies are by text; steps count from 1."""

    steps: int = 0
    progression: float = 0.0
    episode_return: float = 0.0
    gains: list[Gain] = field(default_factory=list)
    """The first of them; `gained` counts all."""
    gained: int = 0
    last_gain: int = 0
    """The last step after which progression had risen; 0 where it never did."""
    judged: int = 0
    stuck: int = 0
    oscillating: int = 0
    stretches: int = 0
    longest: list[Stretch] = field(default_factory=list)
    """The longest stretches, in the order of their steps."""
    actions: Tally[str] = field(default_factory=Tally)
    """By action outcome."""
    refused: Tally[tuple[str, str]] = field(default_factory=Tally)
    """Actions that were not sent as chosen: (outcome, as chosen)."""
    mistakes: Tally[tuple[str, str]] = field(default_factory=Tally)
    """(code, operation or what was written)."""
    rejections: Tally[tuple[str, str]] = field(default_factory=Tally)
    """Refused operations: (code, operation and file)."""
    operations: Tally[tuple[str, str, str]] = field(default_factory=Tally)
    """The model's, by (routine, operation, outcome)."""
    hooks: Tally[tuple[str, str]] = field(default_factory=Tally)
    """Those of hooks, by (operation, outcome)."""
    files: dict[str, Counter[str]] = field(default_factory=dict)
    """By file: "writes", "redundant", "searches", "empty", "recalls"; at most so many files, the rest under ""."""
    repeated: Tally[tuple[str, str]] = field(default_factory=Tally)
    """Redundant writes by (file, normal form of the text)."""
    empty: Tally[tuple[str, str]] = field(default_factory=Tally)
    """Empty searches by (file, keyword)."""
    notices: Tally[str] = field(default_factory=Tally)
    prompt_tokens: int | None = 0


def overview(steps: Iterable[StepOutline], final_observation: Observation | None = None) -> Overview:
    """Return the overview of an episode from all its steps; `final_observation` judges the last action too."""
    found = Overview()
    heap: list[Stretch] = []
    first = stuck = 0  # of the stretch under way
    for step, flags in flagged_steps(steps, final_observation):
        _count_step(found, step, flags)
        if flags.unproductive:
            first = first or step.step
            stuck += flags.unproductive == "stuck"
        elif first:
            _end_stretch(found, heap, Stretch(step.step - first, first, stuck))
            first = stuck = 0
    if first:
        _end_stretch(found, heap, Stretch(found.steps + 1 - first, first, stuck))
    found.longest = sorted(heap, key=lambda one: one.first)
    return found


def _end_stretch(found: Overview, heap: list[Stretch], stretch: Stretch) -> None:
    if stretch.length < STRETCH:
        return
    found.stretches += 1
    if len(heap) < _STRETCHES:
        heappush(heap, stretch)
    else:
        heappushpop(heap, stretch)


def _count_step(found: Overview, step: StepOutline, flags: StepFlags) -> None:
    found.steps = step.step
    progression = float(step.info.get("progression", found.progression))
    if step.reward or progression != found.progression:
        found.gained += 1
        if len(found.gains) < _GAINS:
            found.gains.append(Gain(step.step, step.reward, progression))
        if progression > found.progression:
            found.last_gain = step.step
    found.progression = progression
    found.episode_return += step.reward
    found.prompt_tokens = total_tokens(({"prompt": found.prompt_tokens}, step.tokens))["prompt"]
    found.judged += flags.judged
    found.stuck += flags.unproductive == "stuck"
    found.oscillating += flags.unproductive == "oscillating"
    found.actions.add(step.action_outcome, step.step)
    if step.action_outcome != "valid":
        found.refused.add((step.action_outcome, (step.chosen or "")[:_KEY]), step.step)
    for notice in step.notices:
        found.notices.add(notice[:_KEY], step.step)
    for number, conversation in enumerate(step.conversations):
        for index, one in enumerate(conversation.operations):
            if one.outcome == "mistake":
                written = one.operation or str(one.arguments.get("written", ""))
                found.mistakes.add((str(one.code), written[:_KEY]), step.step)
                continue
            found.operations.add((conversation.routine, one.operation, one.outcome), step.step)
            if one.outcome in WRITES:
                _count_write(found, step.step, one, (number, index) in flags.redundant_writes)
            elif one.outcome in RECALLS:
                _count_recall(found, step.step, one, (number, index) in flags.empty_searches)
            elif one.outcome == "rejected":
                file = str(one.arguments.get("file", one.file or ""))  # a refused name is only among the arguments
                found.rejections.add((str(one.code), f"{one.operation} {file[:_KEY]}"), step.step)
    for one in step.hook_operations:
        found.hooks.add((one.operation, one.outcome), step.step)


def _count_write(found: Overview, step: int, one: OperationOutline, redundant: bool) -> None:
    uses = _file(found, one.file)
    uses["writes"] += 1
    if redundant:
        uses["redundant"] += 1
        text = str(one.arguments.get("text", ""))[:_KEY]
        found.repeated.add(((one.file or "")[:_KEY], normal_form(text) or text), step)


def _count_recall(found: Overview, step: int, one: OperationOutline, empty: bool) -> None:
    uses = _file(found, one.file)
    uses["recalls"] += 1
    if one.operation == "search":
        uses["searches"] += 1
    if empty:
        uses["empty"] += 1
        found.empty.add(((one.file or "")[:_KEY], str(one.arguments.get("keyword", ""))[:_KEY]), step)


def _file(found: Overview, name: str | None) -> Counter[str]:
    name = (name or "")[:_KEY]
    uses = found.files.get(name)
    if uses is None:
        uses = found.files.setdefault(name if len(found.files) < _FILES else "", Counter())
    return uses

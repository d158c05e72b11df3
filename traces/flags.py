"""What is flagged on a step: an action that led nowhere, a write that added nothing, a search that found nothing.

The one place of these definitions. metrics.py, which describes them, counts what is flagged here; what shows
or filters steps (the reviewer's tools, the replay page, LangSmith feedback, credit) reads the same flags.

An observation is judged without its clock, since a text with a turn counter never repeats. A world that shows a clock
names it: `info["clock"]` of its steps is a regular expression of what in its text only says how late it is.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Literal, NamedTuple, Protocol, TypeVar

from traces.records import StepRecord

Observation = Mapping[str, str]
Unproductive = Literal["stuck", "oscillating"]
Place = tuple[int, int]
"""The place of an operation in its step: index of the conversation, index of the operation in it, both from 0."""

WRITES = frozenset({"written", "duplicate", "exists"})
"""Outcomes of an operation that wrote, or that would have had the notebook not held it already."""
RECALLS = frozenset({"hit", "empty", "missing"})
"""Outcomes of an operation that recalled, found or not."""


class OperationLike(Protocol):
    """What is judged of an operation: a `records.OperationRecord` or an `outline.OperationOutline`."""

    @property
    def operation(self) -> str: ...  # noqa: D102
    @property
    def arguments(self) -> Mapping[str, Any]: ...  # noqa: D102
    @property
    def outcome(self) -> str: ...  # noqa: D102
    @property
    def file(self) -> str | None: ...  # noqa: D102


class ConversationLike(Protocol):
    """What is judged of a conversation."""

    @property
    def operations(self) -> Sequence[OperationLike]: ...  # noqa: D102


class StepLike(Protocol):
    """What is judged of a step: a `records.StepRecord` or an `outline.StepOutline`."""

    @property
    def step(self) -> int: ...  # noqa: D102
    @property
    def observation(self) -> Observation: ...  # noqa: D102
    @property
    def info(self) -> Mapping[str, Any]: ...  # noqa: D102
    @property
    def conversations(self) -> Sequence[ConversationLike]: ...  # noqa: D102


S = TypeVar("S", bound=StepLike)


class StepFlags(NamedTuple):
    """The flags of one step."""

    step: int
    judged: bool
    """Whether an observation followed the action, so that it could be judged."""
    unproductive: Unproductive | None
    """How the action led nowhere; None where it led somewhere, or was not judged."""
    redundant_writes: tuple[Place, ...] = ()
    empty_searches: tuple[Place, ...] = ()

    def names(self) -> list[str]:
        """Return the flags that are up, each once, as words: stuck, oscillating, redundant write, empty search."""
        named = [self.unproductive] if self.unproductive else []
        return [
            *named,
            *["redundant write"][: len(self.redundant_writes)],
            *["empty search"][: len(self.empty_searches)],
        ]


class StepJudge:
    """Judges the steps of one episode in order, in bounded memory."""

    def __init__(self) -> None:
        self._seen: list[Observation] = []  # the last three observations
        self._appended = RecentTexts()

    @property
    def begun(self) -> bool:
        """Whether there is an action to be judged by the next observation."""
        return bool(self._seen)

    def action(self, after: Observation, clock: str = "") -> Unproductive | None:
        """Say how the last action led nowhere, by the observation that followed it; nothing is remembered.

        `clock` is the world's (`timeless.clock_of`): what it matches makes no difference.
        """
        return unproductive(self._seen, timeless(after, clock)) if self._seen else None

    def observe(self, observation: Observation, clock: str = "") -> None:
        """Remember what the next step sees."""
        self._seen = [*self._seen[-2:], timeless(observation, clock)]

    def is_redundant(self, write: OperationLike) -> bool:
        """Say whether a write added nothing, and remember it. Every write of the model is asked about, once, in order.

        It added nothing where the notebook answered "duplicate" or "exists", or an appended text says again what was
        lately appended to the same file.
        """
        repeated = write.operation == "append" and self._appended.repeats(
            write.file, str(write.arguments.get("text", ""))
        )
        return repeated or write.outcome != "written"

    def operations(self, step: StepLike) -> tuple[tuple[Place, ...], tuple[Place, ...]]:
        """Return the writes that added nothing and the searches that found nothing. Every step once, in order."""
        redundant: list[Place] = []
        empty: list[Place] = []
        for number, conversation in enumerate(step.conversations):
            for index, operation in enumerate(conversation.operations):
                if operation.outcome in WRITES:
                    if self.is_redundant(operation):
                        redundant.append((number, index))
                elif is_empty_search(operation):
                    empty.append((number, index))
        return tuple(redundant), tuple(empty)


def unproductive(seen: Sequence[Observation], after: Observation) -> Unproductive | None:
    """Say how the action between the last of `seen` (at most three, not none) and `after` led nowhere, if it did."""
    if after == seen[-1]:
        return "stuck"
    return "oscillating" if len(seen) == 3 and seen[0] == seen[2] and seen[1] == after else None


def is_search(operation: OperationLike) -> bool:
    """Say whether an operation is a search that ran."""
    return operation.operation == "search" and operation.outcome in RECALLS


def is_empty_search(operation: OperationLike) -> bool:
    """Say whether an operation is a search that ran and found nothing."""
    return is_search(operation) and operation.outcome != "hit"


def is_idle(step: StepRecord) -> bool:
    """Say whether a model neither used its notebook in a step nor gave an action of the world."""
    used = (one.outcome in RECALLS | WRITES for talk in step.conversations for one in talk.operations)
    return step.action_outcome in ("missing", "invalid") and not any(used)


def flagged_steps(steps: Iterable[S], final_observation: Observation | None = None) -> Iterator[tuple[S, StepFlags]]:
    """Yield each step with its flags. `steps` are those of an episode from its first on, in order.

    A step's action is judged by the observation of the step after it, the last one's by `final_observation`. What
    hooks did is not the model's and not flagged. One step is held back at a time.
    """
    judge = StepJudge()
    before: tuple[S, tuple[Place, ...], tuple[Place, ...]] | None = None
    clock = ""
    for step in steps:
        clock = clock_of(step.info)
        if before is not None:
            yield _flagged(before, True, judge.action(step.observation, clock))
        judge.observe(step.observation, clock)
        before = step, *judge.operations(step)
    if before is not None:
        verdict = judge.action(final_observation, clock) if final_observation is not None else None
        yield _flagged(before, final_observation is not None, verdict)


def _flagged(
    before: tuple[S, tuple[Place, ...], tuple[Place, ...]], judged: bool, verdict: Unproductive | None
) -> tuple[S, StepFlags]:
    step, redundant, empty = before
    return step, StepFlags(step.step, judged, verdict, redundant, empty)


def clock_of(info: Mapping[str, Any]) -> str:
    """Return the clock of the world that gave this info; empty if it shows none."""
    return str(info.get("clock", ""))


def timeless(observation: Observation, clock: str) -> Observation:
    """Return the observation's texts without what `clock` matches."""
    return {part: re.sub(clock, "", text) for part, text in observation.items()} if clock else observation


_TEXTS = 64  # remembered per file: enough to catch a refrain, and a bound on memory
_FILES = 64  # files whose texts are remembered
_STAMP = re.compile(r"\b(?:step|turn|t)\s*[:=#]?\s*\d+\b")
_NOT_WORDS = re.compile(r"[^\w-]+|(?<!\w)-(?!\d)")  # a minus stays: -3 is not 3


class RecentTexts:
    """The normal forms of the texts lately appended to each file, bounded in files and in texts per file."""

    def __init__(self) -> None:
        self._files: dict[str, dict[str, None]] = {}

    def repeats(self, file: str | None, text: str) -> bool:
        """Say whether `text` was lately appended to `file`, and remember it."""
        recent = self._files.pop(file or "", {})
        self._files[file or ""] = recent  # the file used last comes last
        if len(self._files) > _FILES:
            del self._files[next(iter(self._files))]
        form = normal_form(text)
        repeated = bool(form) and form in recent
        recent.pop(form, None)
        recent[form] = None
        if len(recent) > _TEXTS:
            del recent[next(iter(recent))]
        return repeated


def normal_form(text: str) -> str:
    """Return `text` without letter case, spacing, punctuation and stamps: equal forms say the same."""
    return " ".join(_NOT_WORDS.sub(" ", _STAMP.sub(" ", text.casefold())).split())

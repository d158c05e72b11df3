"""An episode on its way to LangSmith, read from its trace step by step, while it is played or after.

What is sent live is read from the trace like what is pushed later: nothing waits in memory, a server that is away for
an hour misses nothing, and both send the same.
"""

import hashlib
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from traces.flags import Place, StepJudge, clock_of
from traces.folders import EpisodeFolder
from traces.langsmith_facts import EpisodeFacts, StepTimes
from traces.langsmith_feedback import Feedback, Root, episode_feedback, judged_feedback, step_feedback
from traces.langsmith_texts import Hiding, hidden_kinds
from traces.langsmith_tree import Run, failure_run, step_runs
from traces.reader import TraceReader
from traces.records import EpisodeResult, StepRecord


@dataclass(frozen=True, slots=True)
class Choice:
    """What of an episode is sent."""

    sample: float = 1.0
    """Share of the steps; which ones follows from seed and step. The last one is always sent: it bears the score."""
    hide: tuple[str, ...] = ()
    """Kinds of text that are not sent (see `langsmith_texts`)."""

    def takes(self, seed: int, step: int) -> bool:
        """Say whether a step is among those sent."""
        digest = hashlib.blake2b(f"{seed}/{step}".encode(), digest_size=8).digest()
        return int.from_bytes(digest, "big") < self.sample * 2**64


class OutgoingStep(NamedTuple):
    """What is to be sent of one step; nothing of a step that is not sampled."""

    step: int
    runs: Sequence[Run] = ()
    feedback: Sequence[Feedback] = ()


class StepRanges:
    """Numbers of steps, added in ascending order, kept as ranges."""

    def __init__(self, ranges: Iterable[Sequence[int]] = ()) -> None:
        self.ranges = [(first, last) for first, last in ranges]

    def add(self, step: int) -> None:
        """Add a step after all others."""
        if self.ranges and self.ranges[-1][1] == step - 1:
            self.ranges[-1] = (self.ranges[-1][0], step)
        else:
            self.ranges.append((step, step))

    def after(self, step: int) -> list[tuple[int, int]]:
        """Return the ranges of the steps after `step`."""
        return [(max(first, step + 1), last) for first, last in self.ranges if last > step]

    def __contains__(self, step: int) -> bool:
        found = bisect_right(self.ranges, step, key=lambda one: one[0])
        return found > 0 and step <= self.ranges[found - 1][1]

    def __len__(self) -> int:
        return sum(last - first + 1 for first, last in self.ranges)


@dataclass(slots=True)
class _Kept:
    """A step that was not sampled, in case no other follows."""

    record: StepRecord
    began: int
    redundant: tuple[Place, ...]
    empty: tuple[Place, ...]


@dataclass(slots=True)
class EpisodeSource:
    """The steps to send of one episode, each once, in order. Close it. Raises TraceFailure and TraceDamaged.

    Steps up to number `sent` are read, since what follows is judged by them, but not shipped, except those of `again`.
    """

    folder: EpisodeFolder
    choice: Choice
    sent: int = 0
    again: StepRanges = field(default_factory=StepRanges)
    facts: EpisodeFacts = field(init=False)
    _reader: TraceReader = field(init=False)
    _times: StepTimes = field(init=False)
    _hiding: Hiding = field(init=False)
    _judge: StepJudge = field(default_factory=StepJudge, init=False)
    _next: int = field(default=1, init=False)
    _root: Root | None = field(default=None, init=False)
    _kept: _Kept | None = field(default=None, init=False)
    _clock: str = field(default="", init=False)

    def __post_init__(self) -> None:
        self.facts = EpisodeFacts.read(self.folder)
        self._times = StepTimes(self.folder, self.facts.began)
        self._hiding = Hiding(hidden_kinds(self.choice.hide))
        self._reader = TraceReader(self.folder)

    def __len__(self) -> int:
        """Return the number of steps in the trace, as last looked at."""
        return len(self._reader)

    def steps(self) -> Iterator[OutgoingStep]:
        """Yield the steps that are in the trace and were not asked for before."""
        while self._next <= len(self._reader) or self._next <= self._reader.refresh():
            outgoing = self._step(self._reader.step(self._next))
            self._next += 1
            if outgoing is not None:
                yield outgoing

    def end(self, result: EpisodeResult) -> OutgoingStep:
        """Return what is known once the episode has ended or stopped, after its last step."""
        last = self._next - 1
        runs: list[Run] = []
        feedback: list[Feedback] = []
        if self._kept is not None and self._root is None:
            kept = self._kept
            self._root = Root.of(kept.record, self.facts, kept.began)
            runs = step_runs(kept.record, self.facts, kept.began, self._hiding, kept.redundant, kept.empty)
            feedback = step_feedback(kept.record, self._root, self.facts)
        if self._root is not None:
            if result.final_observation is not None and self._judge.begun and result.steps == last:
                verdict = self._judge.action(result.final_observation, self._clock)
                feedback.append(judged_feedback(self._root, self.facts, verdict))
            feedback += episode_feedback(self._root, self.facts, result)
        if result.failure is not None:
            runs.append(failure_run(result, self.facts, self._times.now, self._hiding))
        return OutgoingStep(last, runs, feedback)

    def close(self) -> None:
        """Let go of the trace."""
        self._reader.close()

    def _step(self, record: StepRecord) -> OutgoingStep | None:
        """What is to be sent of the next step; None if it was sent before."""
        began = self._times.begin(record)
        feedback: list[Feedback] = []
        self._clock = clock_of(record.info)
        if self._root is not None:
            verdict = self._judge.action(record.observation, self._clock)
            feedback.append(judged_feedback(self._root, self.facts, verdict))
        self._judge.observe(record.observation, self._clock)
        redundant, empty = self._judge.operations(record)
        self._root, self._kept = None, None
        sampled = self.choice.takes(self.facts.seed, record.step) or record.terminated or record.truncated
        if not sampled:
            self._kept = _Kept(record, began, redundant, empty)
        else:
            self._root = Root.of(record, self.facts, began)
        if record.step <= self.sent and record.step not in self.again:
            return None
        if self._root is None:
            return OutgoingStep(record.step, (), feedback)
        runs = step_runs(record, self.facts, began, self._hiding, redundant, empty)
        return OutgoingStep(record.step, runs, [*feedback, *step_feedback(record, self._root, self.facts)])

"""Candidates for training: every LOG and every consulting PLAN of the memory model, with features to select by.

A candidate holds no text: its prompts and replies stay in the trace, where `source.TraceSource` reads them by id. It
takes some hundred bytes, so the candidates of a hundred long episodes fit in memory.

A failed model call is never in a trace (it ends the episode before the step is recorded), so no candidate holds one.
"""

from __future__ import annotations

import math
import re
from array import array
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, field, replace
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import orjson

from traces import Conversation, EpisodeFolder, EpisodeResult, Message, RunFolder, StepRecord, TraceReader, read_result
from traces.effects import Estimate, dropped, read_effects
from traces.feedback import feedback_file, read_feedback
from traces.flags import StepFlags, flagged_steps
from training.credit import CreditRule, credits
from training.source import CandidateId, Routine, memory_conversation

NEARBY = 10
"""Steps whose rewards count as nearby, the candidate's own included: about as long as a recalled fact is acted on."""
_HEADING = re.compile(r"(?m)^## (.{1,40})$")
_HEADINGS = 8
_FIRST = {"harmful": 0, "helpful": 1}
"""Which of several measured writes of a turn counts; of one verdict, that of the largest effect."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """One routine of one step, and its features."""

    id: str
    world: str
    task: str
    seed: int
    step: int
    routine: Routine
    shape: str
    """Prompt shape: the routine, the sections of its first message, and the number of replies."""
    operations: tuple[str, ...] = ()
    """Memory operations that were run, in order."""
    outcomes: dict[str, int] = field(default_factory=dict)
    """Operations by outcome: hit, empty, missing, written, duplicate, exists, rejected, mistake."""
    turns: int = 0
    """Replies of the model."""
    recalls: int = 0
    records: int = 0
    redundant_writes: int = 0
    empty_searches: int = 0
    mistakes: int = 0
    recall_before_record: bool = False
    """Whether something was recalled before the first record of the routine."""
    prompt_characters: int = 0
    """Of the first prompt, system message included."""
    reply_characters: int = 0
    characters: int = 0
    """Of the whole conversation."""
    credit: float = 0.0
    """Credit of its operations (see `training.credit`)."""
    reward_nearby: float = 0.0
    """Sum of the rewards of its step and the next nine."""
    unproductive: bool = False
    """Whether the action of its step was stuck or oscillating."""
    progression: float = 0.0
    """Of its episode, in [0, 1]; as far as it came, where it did not finish."""
    episode_rank: float = 0.0
    """Share of the task's episodes that did better: 0 for the best."""
    episode_status: str = "finished"
    feedback: float | None = None
    """A person's judgement, in [0, 1] (see `traces.feedback`); None without one."""
    effect: float | None = None
    """What its write or recall did to progression, in [-1, 1]: mean of with it less without it (see `traces.effects`);
    None where it was not measured. Of several one that is proven harmful, else helpful, else of the largest effect."""
    effect_low: float | None = None
    """Ends of the effect's 95 % interval; None with too few samples."""
    effect_high: float | None = None

    @property
    def episode(self) -> str:
        """Its episode, as `WORLD/TASK/seed-N`."""
        return self.id.rsplit("/", 2)[0]

    def to_plain(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return asdict(self)

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any]) -> Candidate:
        """The candidate that `to_plain` was called on."""
        return cls(**{**plain, "operations": tuple(plain["operations"])})


def candidates(run: RunFolder, *, rule: CreditRule | None = None, workers: int = 1) -> Iterator[Candidate]:
    """All candidates of a run, by episode, step and routine. `workers`: processes side by side, one episode each.

    Failed and damaged episodes are left out: an episode that a machine's failure ended is never trained on.
    """
    return _judged(_played(run, rule or CreditRule(), workers), run)


def _judged(found: Iterable[Candidate], run: RunFolder) -> Iterator[Candidate]:
    """The candidates with people's judgements and the measured effects of their operations."""
    feedback, effects = read_feedback(run), _effects(run)
    nothing = {"effect": None, "effect_low": None, "effect_high": None}
    for one in found:
        yield replace(one, feedback=feedback.get(one.id), **effects.get(one.id, nothing))


def _effects(run: RunFolder) -> dict[str, dict[str, float | None]]:
    """The effect of each measured candidate by its id: signs are turned, because it was measured by leaving it out."""
    measured: dict[str, list[Estimate]] = {}
    for folder in run.episodes():
        for one in dropped(read_effects(folder)).values():
            name = "/".join((*folder.path.parts[-3:], f"step-{one.step}", one.routine))
            measured.setdefault(name, []).append(one.progression)
    chosen = {}
    for name, estimates in measured.items():
        first = min(estimates, key=lambda each: (_FIRST.get(each.verdict, 2), -abs(each.mean)))
        low, high = (None if end is None else 0.0 - end for end in (first.high, first.low))
        chosen[name] = {"effect": 0.0 - first.mean, "effect_low": low, "effect_high": high}
    return chosen


def _played(run: RunFolder, rule: CreditRule, workers: int) -> Iterator[Candidate]:
    """The candidates as played, before anything was judged or measured."""
    ranked = list(_ranked(run))
    if workers <= 1 or len(ranked) <= 1:
        for folder, result, rank in ranked:
            yield from episode_candidates(folder, result, rank, rule)
        return
    # A spawned process inherits no lock, thread or open file.
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        for found in pool.map(_encoded, *zip(*ranked, strict=True), [rule] * len(ranked)):
            yield from (Candidate.from_plain(orjson.loads(line)) for line in found)


def write_candidates(found: Iterable[Candidate], path: Path) -> int:
    """Write candidates as JSON lines, all of them or none; return how many. `found` may read the same file."""
    written = 0
    temporary = path.parent.with_name(f"{path.name}.tmp")
    with temporary.open("wb") as file:
        for candidate in found:
            file.write(orjson.dumps(candidate.to_plain(), option=orjson.OPT_APPEND_NEWLINE))
            written += 1
    temporary.replace(path)
    return written


def update_candidates(path: Path, run: RunFolder) -> None:
    """Update the candidates written to `path` with what was judged and measured of the run since."""
    if feedback_file(run).exists() or any(folder.effects.exists() for folder in run.episodes()):
        write_candidates(_judged(read_candidates(path), run), path)


def read_candidates(path: Path) -> Iterator[Candidate]:
    """The candidates written to `path`, in order."""
    with path.open("rb") as file:
        for line in file:
            yield Candidate.from_plain(orjson.loads(line))


def episode_candidates(
    folder: EpisodeFolder, result: EpisodeResult, rank: float, rule: CreditRule
) -> Iterator[Candidate]:
    """The candidates of one episode, in order."""
    with TraceReader(folder) as reader:
        rewards = array("d")
        earned = credits(_recorded(reader, rewards), rule)
        for record, flags in flagged_steps(reader, result.final_observation):
            nearby = math.fsum(rewards[record.step - 1 : record.step - 1 + NEARBY])
            for routine in ("LOG", "PLAN"):
                index = memory_conversation(record, routine)
                if index is None:
                    continue
                which = CandidateId(result.world, result.task, result.seed, record.step, routine)
                number = len(record.conversations[index].operations)
                yield replace(
                    _features(which, record, index, flags),
                    credit=math.fsum(earned.get((record.step, index, n), 0.0) for n in range(number)),
                    reward_nearby=nearby,
                    progression=result.progression,
                    episode_rank=rank,
                    episode_status=result.status,
                )


def _recorded(reader: TraceReader, rewards: array[float]) -> Iterator[StepRecord]:
    for record in reader:
        rewards.append(record.reward)
        yield record


def _encoded(folder: EpisodeFolder, result: EpisodeResult, rank: float, rule: CreditRule) -> list[bytes]:
    """The candidates as JSON, which passes between processes fastest."""
    return [orjson.dumps(one.to_plain()) for one in episode_candidates(folder, result, rank, rule)]


def _ranked(run: RunFolder) -> Iterator[tuple[EpisodeFolder, EpisodeResult, float]]:
    """The episodes that have a score, each with the share of its task's episodes that did better."""
    results = ((folder, read_result(folder, content=True)) for folder in run.episodes())
    sound = [(folder, result) for folder, result in results if result is not None and result.scored]
    for folder, result in sound:
        peers = [other.progression for _, other in sound if other.task == result.task]
        better = sum(progression > result.progression for progression in peers)
        yield folder, result, better / len(peers)


def _features(which: CandidateId, record: StepRecord, index: int, flags: StepFlags) -> Candidate:
    conversation = record.conversations[index]
    run = [operation for operation in conversation.operations if operation.outcome not in ("act", "done", "removed")]
    memory = [operation for operation in run if operation.outcome != "mistake"]
    recalled = [operation.outcome in ("hit", "empty", "missing") for operation in memory]
    recorded = [operation.outcome in ("written", "duplicate", "exists") for operation in memory]
    first_record = recorded.index(True) if True in recorded else len(recorded)
    lengths = [len(message.get("content") or "") for message in conversation.messages]
    replies = [message for message in conversation.messages if message["role"] == "assistant"]
    first = conversation.calls[0].prompt_length if conversation.calls else len(lengths)
    return Candidate(
        id=str(which),
        world=which.world,
        task=which.task,
        seed=which.seed,
        step=which.step,
        routine=which.routine,
        shape=_shape(conversation, len(replies)),
        operations=tuple(operation.operation for operation in memory),
        outcomes=dict(sorted(Counter(str(operation.outcome) for operation in run).items())),
        turns=len(replies),
        recalls=sum(recalled),
        records=sum(recorded),
        redundant_writes=len([one for one in flags.redundant_writes if one[0] == index]),
        empty_searches=sum(
            operation.operation == "search" and operation.outcome in ("empty", "missing") for operation in memory
        ),
        mistakes=sum(operation.outcome == "mistake" for operation in run),
        recall_before_record=any(recalled[:first_record]) and True in recorded,
        prompt_characters=sum(lengths[:first]),
        reply_characters=sum(len(message.get("content") or "") for message in replies),
        characters=sum(lengths),
        unproductive=flags.unproductive is not None,
    )


def _shape(conversation: Conversation, replies: int) -> str:
    opening: Message = next((one for one in conversation.messages if one["role"] == "user"), {})
    headings = _HEADING.findall(str(opening.get("content") or ""))[:_HEADINGS]
    return f"{conversation.routine}: {', '.join(headings) or 'no sections'}; replies {min(replies, 4)}"

"""The steps of an episode as pieces of a replay page: everything that was seen, said, done and answered, exactly."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator
from typing import Any

from traces.effects import Effect, is_measurable
from traces.flags import Observation, StepFlags, flagged_steps
from traces.plain_json import dump
from traces.reader import TraceReader
from traces.records import Conversation, Message, OperationRecord, StepRecord
from traces.replay_blocks import TextTable, packed
from traces.replay_timeline import Timeline

STEPS, CHARACTERS = 48, 600_000
"""A piece ends with so many steps, or once it holds so many characters: unpacking it takes some milliseconds."""


class PlainSteps:
    """Steps of an episode as the page reads them, in order; `packed` gives those since the last piece as a piece."""

    def __init__(self, effects: Iterable[Effect] = (), revision: int = 0) -> None:
        """`effects`: what its operations did; `revision`: of the notebook before the first step."""
        self._effects: dict[tuple[int, int], dict[str, Effect]] = {}
        for one in effects:  # of each kind of change the newest
            self._effects.setdefault((one.step, one.index), {})[one.change] = one
        self._revision = revision
        self._table, self._steps = TextTable(), list[dict[str, Any]]()

    def __len__(self) -> int:
        """How many steps the next piece holds."""
        return len(self._steps)

    @property
    def is_full(self) -> bool:
        """Whether the next piece is as large as one should be."""
        return len(self._steps) >= STEPS or self._table.size >= CHARACTERS

    def add(self, record: StepRecord, flags: StepFlags) -> None:
        """Take the next step."""
        step = _step(record, flags, self._table) | {"revisions": [self._revision, record.revision]}
        self._revision = record.revision
        self._steps.append(self._with_effects(record.step, step))

    def packed(self) -> bytes:
        """Return the piece, and begin another."""
        piece = packed({**self._table.plain(), "steps": self._steps})
        self._table, self._steps = TextTable(), []
        return piece

    def _with_effects(self, number: int, step: dict[str, Any]) -> dict[str, Any]:
        """The step with the measured effects of its memory operations."""
        found_in = [one for talk in step["talks"] for one in talk["operations"] if is_measurable(one["outcome"])]
        for index, one in enumerate(found_in, 1):
            if found := self._effects.get((number, index)):
                one["effects"] = [_effect(effect) for effect in found.values()]
        return step


class StepBlocks:
    """The steps of one trace. `timeline` is filled as the pieces are taken; `effects`: what its operations did."""

    def __init__(
        self, reader: TraceReader, final_observation: Observation | None, effects: Iterable[Effect] = ()
    ) -> None:
        self.timeline = Timeline()
        self._plain = PlainSteps(effects)
        self._reader = reader
        self._final = final_observation
        self._firsts: list[int] = []

    def blocks(self) -> Iterator[bytes]:
        """Yield the pieces; raises TraceDamaged where the trace is."""
        for record, flags in flagged_steps(self._reader.steps(), self._final):
            self.timeline.add(record, flags)
            if not len(self._plain):
                self._firsts.append(record.step)
            self._plain.add(record, flags)
            if self._plain.is_full:
                yield self._plain.packed()
        if len(self._plain):
            yield self._plain.packed()

    def head(self) -> dict[str, Any]:
        """Return the first step of each piece."""
        return {"firsts": self._firsts}


def _step(record: StepRecord, flags: StepFlags, table: TextTable) -> dict[str, Any]:
    redundant, empty = set(flags.redundant_writes), set(flags.empty_searches)
    return {
        "seen": [table.add(text) for text in record.observation.values()],
        "notices": [table.add(notice) for notice in record.notices],
        "complaints": [table.add(complaint) for complaint in record.complaints],
        "talks": [
            _conversation(conversation, table, {at for one, at in redundant if one == number})
            for number, conversation in enumerate(record.conversations)
        ],
        "hooks": [_operation(one, False) for one in record.hook_operations],
        "action": record.action,
        "chosen": record.chosen,
        "how": record.action_outcome,
        "reward": record.reward,
        "progression": record.info.get("progression"),
        "end": record.info.get("end_reason") or ("step limit" if record.truncated else None),
        "tokens": record.tokens,
        "calls": record.model_calls,
        "latency": record.latency_s,
        "flags": [*([flags.unproductive] if flags.unproductive else []), *(["empty search"] if empty else [])],
    }


def _conversation(conversation: Conversation, table: TextTable, redundant: set[int]) -> dict[str, Any]:
    plain: dict[str, Any] = {
        "routine": conversation.routine,
        "role": conversation.role,
        "model": conversation.model,
        "messages": [_message(message, table) for message in conversation.messages],
        "prompts": [call.prompt_length for call in conversation.calls],
        "tokens": [[call.prompt_tokens, call.completion_tokens] for call in conversation.calls],
        "operations": [_operation(one, number in redundant) for number, one in enumerate(conversation.operations)],
    }
    thoughts = [call.thoughts for call in conversation.calls]
    if any(thoughts):
        plain["thoughts"] = [table.add(text) if text else None for text in thoughts]
    shortened = [[[one["message"], table.add(one["content"])] for one in call.shortened] for call in conversation.calls]
    if any(shortened):
        plain["shortened"] = shortened
    if conversation.tools is not None:
        plain["tools"] = table.add(dump(conversation.tools).decode())
    return plain


def _message(message: Message, table: TextTable) -> list[Any]:
    """A message as [role, text, everything else it holds]."""
    content = message.get("content")
    text = content if isinstance(content, str) else "" if content is None else dump(content).decode()
    rest = {name: value for name, value in message.items() if name not in ("role", "content")}
    return [message.get("role", ""), table.add(text), *([rest] if rest else [])]


def _operation(one: OperationRecord, redundant: bool) -> dict[str, Any]:
    plain: dict[str, Any] = {
        "call": one.call,
        "operation": one.operation,
        "arguments": one.arguments,
        "outcome": one.outcome,
        "revision": one.revision,
    }
    if one.code:
        plain["code"] = one.code
    if one.file:
        plain["file"] = one.file
    if one.lines:
        plain["lines"] = _runs(one.lines)
    if one.total:
        plain["total"] = one.total
    if redundant:
        plain["redundant"] = True
    return plain


def _effect(one: Effect) -> dict[str, Any]:
    estimate = one.progression
    return {
        "change": one.change,
        "kind": one.kind,
        "text": one.text,
        "samples": one.samples,
        "verdict": estimate.verdict,
    } | {name: None if value is None else round(100 * value, 1) for name, value in dataclasses.asdict(estimate).items()}


def _runs(lines: tuple[int, ...]) -> list[list[int]]:
    """Ascending line numbers as [first, how many] of each run."""
    runs: list[list[int]] = []
    for line in lines:
        if runs and line == runs[-1][0] + runs[-1][1]:
            runs[-1][1] += 1
        else:
            runs.append([line, 1])
    return runs

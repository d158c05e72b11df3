"""One step of an episode as LangSmith's runs: the same tree whether it is sent while it is played or years later.

    WORLD/TASK seed N step S        chain: observation → action, reward
    ├─ OPERATION                    tool: what a scaffold's hooks did to the notebook
    ├─ LOG                          chain
    │  ├─ MODEL                     llm: messages in and out, tokens, seed
    │  └─ OPERATION                 tool: arguments → outcome, lines, where they came from, what the model read
    ├─ PLAN                         chain; PLAN (gameplay) beside it where it was handed over
    └─ act                          tool: as chosen → as sent, its outcome, reward

Every run bears what one filters by as metadata, and the words one filters by most as tags. Ids come from the run, the
episode, its attempt, the step and the place in it; times from `langsmith_facts`: a step sent twice is one step.
"""

import hashlib
import uuid
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from traces.flags import Place
from traces.langsmith_facts import EpisodeFacts, iso, took
from traces.langsmith_texts import Hiding, answers
from traces.records import Conversation, EpisodeResult, Message, ModelCall, OperationRecord, StepRecord, shortened

Run = dict[str, Any]
"""A run in the words of LangSmith's API, without its project."""
RunType = Literal["chain", "llm", "tool"]
_NOT_MEMORY = frozenset({"act", "done"})
"""Operations that do nothing to the notebook and ask nothing of it; the action is a run of its own."""


def run_id(facts: EpisodeFacts, key: str, at: int) -> str:
    """Return the id of a run that began at `at` (microseconds): a UUID of version 7, as LangSmith wants them."""
    digest = hashlib.blake2b(f"{facts.thread}\0{key}".encode(), digest_size=10).digest()
    bits = int.from_bytes(digest, "big")
    return str(
        uuid.UUID(
            int=(at // 1000 & (1 << 48) - 1) << 80
            | 7 << 76
            | (bits >> 62 & 0xFFF) << 64
            | 2 << 62
            | bits & (1 << 62) - 1
        )
    )


def step_runs(
    record: StepRecord,
    facts: EpisodeFacts,
    began: int,
    hiding: Hiding,
    redundant: Collection[Place] = (),
    empty: Collection[Place] = (),
) -> list[Run]:
    """Return the runs of a step that began at `began` (microseconds since 1970), parents first; the first is the root.

    `redundant` and `empty`: its writes that added nothing and its searches that found nothing (see `flags.py`).
    """
    tree = _Tree(record, facts, began, hiding)
    root = tree.root(len(redundant), len(empty))
    for index, operation in enumerate(record.hook_operations):
        tree.operation(root, f"hook/{index}", operation, {"routine": "hooks", "role": "hook"})
    for number, conversation in enumerate(record.conversations):
        flags = {index: "redundant write" for at, index in redundant if at == number}
        flags |= {index: "empty search" for at, index in empty if at == number}
        tree.conversation(root, number, conversation, flags)
    tree.act(root)
    _end(root, max(tree.now, began + took(record.latency_s)))
    return tree.runs


def failure_run(result: EpisodeResult, facts: EpisodeFacts, at: int, hiding: Hiding) -> Run:
    """Return the run of the machine's failure that ended an episode; it lies beside the steps.

    Its sentence may quote a server, a world or a scaffold's code, and is hidden as prompts are.
    """
    failure = result.failure
    assert failure is not None, "only a failed episode has one"
    record = StepRecord(step=result.steps + 1, observation={}, action="")
    tree = _Tree(record, facts, at, hiding)
    metadata = {"kind": failure.kind, "where": failure.where}
    key = f"failed/{failure.kind}"
    run = tree.add(None, key, f"{facts.episode} failed at step {failure.step}", "chain", {}, metadata, ["failed"])
    (run["error"],) = hiding.prompts([failure.sentence])
    return run


@dataclass(slots=True)
class _Tree:
    """Adds the runs of one step one after another, and keeps the time."""

    record: StepRecord
    facts: EpisodeFacts
    now: int
    """The time in the step, in microseconds. Each run begins a microsecond after the last thing that happened."""
    hiding: Hiding
    runs: list[Run]
    revision: int | None

    def __init__(self, record: StepRecord, facts: EpisodeFacts, began: int, hiding: Hiding) -> None:
        self.record, self.facts, self.now, self.hiding = record, facts, began, hiding
        self.runs, self.revision = [], None

    def add(
        self,
        parent: Run | None,
        key: str,
        name: str,
        run_type: RunType,
        inputs: dict[str, Any],
        metadata: dict[str, Any],
        tags: Sequence[str] = (),
        took_us: int = 0,
    ) -> Run:
        began = iso(self.now)
        identity = run_id(self.facts, f"{self.record.step}/{key}", self.now)
        order = f"{began[:26].translate(_NO_MARKS)}Z{identity}"
        present = {name: value for name, value in metadata.items() if value is not None}
        run: Run = {
            "id": identity,
            "trace_id": parent["trace_id"] if parent else identity,
            "dotted_order": f"{parent['dotted_order']}.{order}" if parent else order,
            "name": name,
            "run_type": run_type,
            "start_time": began,
            "end_time": iso(self.now + took_us),
            "inputs": inputs,
            "outputs": {},
            "extra": {"metadata": {**self.facts.metadata, "step": self.record.step, **present}},
            "tags": [*tags, self.facts.version],
        }
        if parent:
            run["parent_run_id"] = parent["id"]
        self.now += took_us + 1
        self.runs.append(run)
        return run

    def root(self, redundant: int, empty: int) -> Run:
        record, hiding = self.record, self.hiding
        inputs = {"observation": hiding.observation(record.observation), "notices": hiding.prompts(record.notices)}
        metadata = {
            "outcome": record.action_outcome,
            "action": record.action,
            "notebook_revision": record.revision,
            "model_calls": record.model_calls,
            "redundant_writes": redundant,
            "empty_searches": empty,
        }
        name = f"{self.facts.episode} step {record.step}"
        root = self.add(None, "step", name, "chain", inputs, metadata, ["step", record.action_outcome])
        root["outputs"] = {
            "action": record.action,
            "outcome": record.action_outcome,
            "reward": record.reward,
            "progression": record.info.get("progression"),
            "end_reason": record.info.get("end_reason"),
            "complaints": hiding.prompts(record.complaints),
        }
        return root

    def conversation(self, root: Run, number: int, conversation: Conversation, flags: Mapping[int, str]) -> None:
        kept = conversation.role == "memory"
        metadata = {"routine": conversation.routine, "role": conversation.role, "model": conversation.model}
        if kept and all(one.routine != conversation.routine for one in self.record.conversations[:number]):
            metadata["candidate"] = self.facts.candidate(self.record.step, conversation.routine)
        opening = [message for message in conversation.messages if message.get("role") == "user"][:1]
        name = conversation.routine if kept else f"{conversation.routine} ({conversation.role})"
        inputs = {"messages": self.hiding.messages(opening)}
        chain = self.add(root, str(number), name, "chain", inputs, metadata, [conversation.routine, conversation.role])
        read = answers(conversation)
        for index, call in enumerate(conversation.calls):
            self._call(chain, f"{number}/call/{index}", conversation, call, metadata)
            for place, one in enumerate(conversation.operations):
                if one.call == index and one.outcome not in _NOT_MEMORY:
                    key = f"{number}/operation/{place}"
                    self.operation(chain, key, one, metadata, read.get(place), flags.get(place))
        said = [message for message in conversation.messages if message.get("role") == "assistant"][-1:]
        chain["outputs"] = {"messages": self.hiding.messages(said)}
        chain["extra"]["metadata"] |= {} if self.revision is None else {"notebook_revision": self.revision}
        _end(chain, self.now)

    def _call(
        self, chain: Run, key: str, conversation: Conversation, call: ModelCall, metadata: dict[str, Any]
    ) -> None:
        provider, _, name = conversation.model.partition(":")
        usage = _usage(call)
        model = {
            **metadata,
            "ls_provider": provider,
            "ls_model_name": name or provider,
            "ls_model_type": "chat",
            "ls_temperature": self.facts.temperature,
            "ls_max_tokens": self.facts.max_tokens,
            **self.facts.sampler,
            "finish_reason": call.finish_reason,
            "seed_of_call": call.seed,
            "attempts_of_call": call.attempts,
            "latency_s": call.latency_s,
            "notebook_revision": self.revision,
        }
        sent = shortened(conversation.messages[: call.prompt_length], call.shortened)
        inputs = {"messages": self.hiding.messages(sent)}
        run = self.add(
            chain,
            key,
            conversation.model,
            "llm",
            inputs,
            model,
            [conversation.routine, conversation.role],
            took(call.latency_s),
        )
        reply: list[Message] = conversation.messages[call.prompt_length : call.prompt_length + 1]
        run["outputs"] = {"messages": self.hiding.messages(reply), **({"usage_metadata": usage} if usage else {})}
        parameters = {
            "model": name or provider,
            "seed": call.seed,
            **({"tools": conversation.tools} if conversation.tools else {}),
        }
        run["extra"]["invocation_params"] = parameters

    def operation(
        self,
        parent: Run,
        key: str,
        one: OperationRecord,
        metadata: Mapping[str, Any],
        read: str | None = None,
        flag: str | None = None,
    ) -> None:
        name = one.operation or "unreadable"
        if one.revision:
            self.revision = one.revision
        facts = {
            **metadata,
            "operation": name,
            "outcome": one.outcome,
            "code": one.code,
            "file": one.file,
            "found": one.total if one.provenance or one.outcome in ("hit", "empty") else None,
            "flag": flag,
            "notebook_revision": self.revision,
        }
        tags = [name, one.outcome, metadata["routine"], metadata["role"], *([flag] if flag else [])]
        run = self.add(parent, key, name, "tool", self.hiding.written(one.arguments), facts, tags)
        sources = [
            {"line": line, "step": step, "revision": revision}
            for line, (step, revision) in zip(one.lines, one.provenance, strict=False)
        ]
        run["outputs"] = {
            "result": self.hiding.result(read),
            "outcome": one.outcome,
            "code": one.code,
            "file": one.file,
            "lines": list(one.lines),
            "provenance": sources,
            "total": one.total,
            "revision": one.revision,
        }

    def act(self, root: Run) -> None:
        record = self.record
        last = record.conversations[-1] if record.conversations else None
        metadata = {
            "routine": last.routine if last else None,
            "role": last.role if last else None,
            "operation": "act",
            "outcome": record.action_outcome,
            "action": record.action,
            "notebook_revision": record.revision,
        }
        inputs = {"action": self.hiding.choice(record.chosen)}
        run = self.add(root, "act", "act", "tool", inputs, metadata, ["act", record.action_outcome])
        run["outputs"] = {
            "sent": record.action,
            "outcome": record.action_outcome,
            "reward": record.reward,
            "progression": record.info.get("progression"),
            "ended": record.terminated or record.truncated,
        }


_NO_MARKS = {ord(mark): None for mark in "-:."}


def _end(run: Run, at: int) -> None:
    run["end_time"] = iso(at)


def _usage(call: ModelCall) -> dict[str, Any] | None:
    """The tokens of a call as LangSmith counts them; None where the server gave none."""
    if call.prompt_tokens is None and call.completion_tokens is None:
        return None
    prompt, completion = call.prompt_tokens or 0, call.completion_tokens or 0
    usage: dict[str, Any] = {"input_tokens": prompt, "output_tokens": completion, "total_tokens": prompt + completion}
    if call.cached_tokens is not None:
        usage["input_token_details"] = {"cache_read": call.cached_tokens}
    return usage

"""The words a trace is written in: plain, frozen records of calls, operations, conversations, steps and episodes.

A record holds only plain data (dict, list, str, int, float, bool, None), so that it reloads equal to itself
without the code that wrote it. `FORMAT` is raised whenever a reader of the earlier format would misread a file.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

FORMAT = 1
TRACE_FORMAT = 2
"""Of steps.jsonl.zst: 2 is plain JSON, compressed; format 1 was packed JSON in steps.jsonl."""
RESULT_FORMAT = 2
"""Of episode.json, failure.json and limited.json: 2 added the digests; results of format 1 hold none."""

ServerUse = dict[str, int | float | None]
"""What one server did: "calls" answered, "prompt", "completion" and "cached" tokens (None where it did not report some
of them), "seconds" of the answered calls added up, "errors": failed attempts of calls that were answered in the end."""
Message = dict[str, Any]
"""One OpenAI-style message: role, content, and where they apply tool_calls and tool_call_id."""


Tokens = dict[str, int | None]
"""Counts of "prompt", "completion" and "cached" tokens; None where a server did not report some of them."""


def total_tokens(parts: Iterable[Mapping[str, int | None]]) -> Tokens:
    """Return the sums of these counts: unknown where one of them is unknown, 0 where there are none."""
    total: Tokens = {"prompt": 0, "completion": 0, "cached": 0}
    for part in parts:
        for name, so_far in total.items():
            more = part.get(name, 0)
            total[name] = None if so_far is None or more is None else so_far + more
    return total


def total_use(parts: Iterable[Mapping[str, ServerUse]]) -> dict[str, ServerUse]:
    """Return the sums of these counts by base URL."""
    total: dict[str, ServerUse] = {}
    for part in parts:
        for url, use in part.items():
            so_far = total.get(url)
            total[url] = dict(use) if so_far is None else {name: _sum(so_far[name], use[name]) for name in use}
    return total


def _sum(one: float | None, other: float | None) -> float | None:
    return None if one is None or other is None else one + other


def shortened(messages: list[Message], changes: list[dict[str, Any]]) -> list[Message]:
    """Return the messages with these contents ({"message": index, "content": text}) in place of their own."""
    sent = list(messages)
    for one in changes:
        sent[one["message"]] = {**sent[one["message"]], "content": one["content"]}
    return sent


def _round_latency(record: object, seconds: float) -> None:
    # A tenth of a millisecond is finer than any use of a latency; seventeen digits would cost 10 bytes per call.
    object.__setattr__(record, "latency_s", round(seconds, 4))


@dataclass(frozen=True, slots=True)
class ModelCall:
    """One answered call of a model. `Conversation.prompt` gives its prompt."""

    prompt_length: int
    prompt_tokens: int | None = None  # None where the server reported no usage; the same for the next two
    completion_tokens: int | None = None
    cached_tokens: int | None = None
    latency_s: float = 0.0  # seconds, all attempts together, kept to a tenth of a millisecond
    attempts: int = 1
    finish_reason: str | None = None
    seed: int | None = None
    shortened: list[dict[str, Any]] = field(default_factory=list)  # {"message": index, "content": what was sent of it}
    thoughts: str = ""  # what the model thought before its reply; for people, and part of no prompt or dataset
    server: str = ""  # base URL that answered, where the model has several; like the times, no part of what was played
    errors: dict[str, int] = field(default_factory=dict)  # failed attempts before it by base URL, likewise
    repeated: bool = False  # whether the reply equals the one before it in the conversation: none of it was run again

    @property
    def use(self) -> dict[str, ServerUse]:
        """What it took of each server, of a model with several."""
        unused: ServerUse = {"calls": 0, "prompt": 0, "completion": 0, "cached": 0, "seconds": 0.0, "errors": 0}
        use = {url: unused | {"errors": count} for url, count in self.errors.items()}
        if self.server:
            answered = {"calls": 1, "seconds": self.latency_s, **self.tokens}
            use[self.server] = use.get(self.server, unused) | answered
        return use

    @property
    def tokens(self) -> Tokens:
        """The counts of this call."""
        return {"prompt": self.prompt_tokens, "completion": self.completion_tokens, "cached": self.cached_tokens}

    def __post_init__(self) -> None:
        _round_latency(self, self.latency_s)


@dataclass(frozen=True, slots=True)
class OperationRecord:
    """One operation as it was written and what came of it; also a mistake, or an operation of a scaffold's hook."""

    call: int  # index in the conversation's `calls` of the call whose reply held it; -1 for hooks
    operation: str = ""  # empty where it could not be read
    arguments: dict[str, Any] = field(default_factory=dict)
    outcome: str = ""  # a memory outcome, or "mistake", "done", "act", "held", "vetoed", ...
    code: str | None = None  # of the rejection or the mistake; "changed" where a counterfactual gave the answer
    file: str | None = None
    lines: tuple[int, ...] = ()  # 1-based lines returned or touched
    provenance: tuple[tuple[int, int], ...] = ()  # for recalls, parallel to lines: (step, revision) that wrote each
    total: int = 0  # matches before any cut
    revision: int = 0  # of the notebook after the operation


@dataclass(frozen=True, slots=True)
class Conversation:
    """One routine's exchange with one model, complete, system message first."""

    routine: str  # "LOG" or "PLAN"
    role: str  # "memory" or "gameplay": which of the two models spoke
    model: str
    messages: list[Message]
    calls: list[ModelCall] = field(default_factory=list)
    operations: list[OperationRecord] = field(default_factory=list)
    tools: list[dict[str, Any]] | None = None  # tool schemas sent along, for the functions dialect

    def prompt(self, call: int) -> list[Message]:
        """Return the messages the model received in call number `call` (from 0)."""
        return shortened(self.messages[: self.calls[call].prompt_length], self.calls[call].shortened)

    def as_sent(self) -> list[Message]:
        """Return all messages, those before the last reply as the model received them for it."""
        return shortened(self.messages, self.calls[-1].shortened if self.calls else [])


@dataclass(frozen=True, slots=True)
class StepRecord:
    """One step of an episode, numbered from 1: what was seen, said, recalled, recorded, done, and what it paid."""

    step: int
    observation: dict[str, str]  # "long" and "short", as seen before the action
    action: str  # as sent to the world
    chosen: str | None = None  # as the model wrote it
    action_outcome: str = "valid"  # "valid", "repaired", "invalid", "missing", "vetoed"
    notices: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)  # sentences about this step's output, for the next one
    conversations: list[Conversation] = field(default_factory=list)
    reward: float = 0.0
    terminated: bool = False
    truncated: bool = False
    info: dict[str, Any] = field(default_factory=dict)  # after the action: progression, statistics, end_reason
    tokens: Tokens = field(default_factory=dict)  # over all calls
    model_calls: int = 0
    latency_s: float = 0.0  # seconds the whole step took, kept to a tenth of a millisecond
    revision: int = 0  # of the notebook after the step
    hook_operations: list[OperationRecord] = field(default_factory=list)

    def __post_init__(self) -> None:
        _round_latency(self, self.latency_s)


@dataclass(frozen=True, slots=True)
class Failure:
    """The machine's failure that ended an episode, kept apart from anything a model said."""

    kind: str  # "provider", "engine", "disk", "containment", ...
    where: str
    sentence: str
    step: int


Status = Literal["finished", "failed", "limited", "damaged"]
"""Ended by the world or its step limit; by a failure of the machine; by a ceiling of what may be spent. "damaged" is
never written: it is how an episode is read whose files are not what they were when its result was written."""


@dataclass(frozen=True, slots=True)
class FileDigest:
    """What the complete lines of an append-only file held at one time."""

    lines: int
    bytes: int
    sha256: str  # of these bytes, in hexadecimal


@dataclass(frozen=True, slots=True)
class EpisodeResult:
    """How one attempt at an episode ended. A finished or limited one has a score; a failed or damaged one a cause."""

    world: str
    task: str
    seed: int
    status: Status
    steps: int
    progression: float  # in [0, 1]
    episode_return: float  # the sum of rewards; "return" in files
    end_reason: str | None = None  # the world's own word, or "max_steps"
    failure: Failure | None = None
    tokens: Tokens = field(default_factory=dict)
    model_calls: int = 0
    cost: float | None = None  # US dollars by the price table; None where a model has no price
    wall_s: float = 0.0
    servers: dict[str, ServerUse] = field(default_factory=dict)  # by base URL, where a model has several
    metrics: dict[str, Any] = field(default_factory=dict)
    scaffold: str = ""
    scaffold_digest: str = ""
    model: str = ""
    gameplay_model: str | None = None  # None where one model plays both roles
    final_observation: dict[str, str] | None = None
    attempt: int = 1
    files: dict[str, FileDigest] = field(default_factory=dict)  # the trace and the journal at the end
    format: int = RESULT_FORMAT

    @property
    def scored(self) -> bool:
        """Whether it counts in a mean: it neither failed nor is damaged."""
        return self.status in ("finished", "limited")

    @property
    def verifiable(self) -> bool:
        """Whether it holds what its files can be compared with; results of format 1 do not."""
        return bool(self.files)

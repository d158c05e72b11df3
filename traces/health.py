"""How well an episode's memory works, step by step: definitions beside those of metrics.py, in bounded memory.

They are metrics too: one result, one METRICS_VERSION. Operations of hooks are not the model's and not counted. A rate
whose denominator is 0 is None.

recall_hit_rate        share of the recalls (operations answered "hit", "empty" or "missing") answered "hit"
repeated_recall_rate   share of the recalls that ask for what was asked before in the same step: same operation, same
                       arguments
never_recalled_rate    share of the writes older than 200 steps of which no line was recalled in the 200 steps after
stale_recall_rate      share of the recalled lines that a later write of the same file contradicts: one with the same
                       key. A line's key is its text before its first colon, else its first word, letter case apart;
                       lines of the last 1,000 writes are judged, the others are left out
results_prompt_share   characters of answers to operations / characters of all prompts
lines_per_100_steps    lines by which the largest file has grown, per 100 steps since it was first written
"""

from collections import OrderedDict, deque
from typing import Any

from traces.flags import RECALLS
from traces.records import Conversation, Message, OperationRecord, StepRecord

HEALTH = (
    "recall_hit_rate",
    "repeated_recall_rate",
    "never_recalled_rate",
    "stale_recall_rate",
    "results_prompt_share",
    "lines_per_100_steps",
)
"""The names of all of them."""
WAIT = 200
"""Steps after which a write that was not recalled counts as never recalled."""
KEYS = 1_000
"""Writes whose keys are remembered."""


class HealthAccumulator:
    """The health of one episode's memory; the same from the trace as while playing."""

    def __init__(self) -> None:
        self._steps = 0
        self._recalls = self._hits = self._repeated = 0
        self._waiting: deque[tuple[int, int]] = deque()
        """(step, revision) of the writes of the last WAIT steps, oldest first."""
        self._recalled: set[int] = set()
        """Of those, the revisions that were recalled."""
        self._judged_writes = self._never_recalled = 0
        self._last_of: OrderedDict[tuple[str, str], int] = OrderedDict()
        """Of a file and key, the revision that wrote it last, oldest first."""
        self._key_of: OrderedDict[tuple[str, int], str] = OrderedDict()
        """Of a file and revision, the key that was written, oldest first."""
        self._lines_recalled = self._stale = 0
        self._prompt_characters = self._result_characters = 0
        self._files: dict[str, tuple[int, int]] = {}
        """Of a file, the step of its first write and its lines after its last."""

    def update(self, record: StepRecord) -> None:
        """Count the next step."""
        self._steps = record.step
        asked: set[str] = set()
        for conversation in record.conversations:
            self._count_characters(conversation)
            for operation in conversation.operations:
                if operation.outcome in RECALLS:
                    self._count_recall(operation, asked)
                elif operation.outcome == "written":
                    self._count_write(operation, record.step)
        while self._waiting and self._waiting[0][0] <= record.step - WAIT:
            _, revision = self._waiting.popleft()
            self._judged_writes += 1
            self._never_recalled += revision not in self._recalled
            self._recalled.discard(revision)

    def result(self) -> dict[str, Any]:
        """Return all of it so far, plain data."""
        growth = [(lines, self._steps - first + 1) for first, lines in self._files.values()]
        largest = max(growth, default=None)
        return {
            "recall_hit_rate": _rate(self._hits, self._recalls),
            "repeated_recall_rate": _rate(self._repeated, self._recalls),
            "never_recalled_rate": _rate(self._never_recalled, self._judged_writes),
            "stale_recall_rate": _rate(self._stale, self._lines_recalled),
            "results_prompt_share": _rate(self._result_characters, self._prompt_characters),
            "lines_per_100_steps": None if largest is None else round(100 * largest[0] / largest[1], 6),
        }

    def _count_recall(self, operation: OperationRecord, asked: set[str]) -> None:
        self._recalls += 1
        self._hits += operation.outcome == "hit"
        question = f"{operation.operation} {sorted(operation.arguments.items())}"
        self._repeated += question in asked
        asked.add(question)
        for _, revision in operation.provenance:
            self._recalled.add(revision)
            key = self._key_of.get((str(operation.file), revision))
            if key is not None:
                self._lines_recalled += 1
                self._stale += self._last_of.get((str(operation.file), key), revision) > revision

    def _count_write(self, operation: OperationRecord, step: int) -> None:
        file = str(operation.file)
        self._waiting.append((step, operation.revision))
        self._recalled.discard(operation.revision)
        first, _ = self._files.get(file, (step, 0))
        self._files[file] = first, max(operation.lines, default=0)
        key = _key(str(operation.arguments.get("key") or operation.arguments.get("text") or ""))
        if not key:
            return
        self._last_of[file, key] = operation.revision
        self._last_of.move_to_end((file, key))
        self._key_of[file, operation.revision] = key
        if len(self._key_of) > KEYS:
            self._key_of.popitem(last=False)
        if len(self._last_of) > KEYS:
            self._last_of.popitem(last=False)

    def _count_characters(self, conversation: Conversation) -> None:
        lengths = [len(_text(message)) for message in conversation.messages]
        opening = min((call.prompt_length for call in conversation.calls), default=len(lengths))
        for call in conversation.calls:
            self._prompt_characters += sum(lengths[: call.prompt_length])
            self._result_characters += sum(
                length
                for length, message in zip(
                    lengths[opening : call.prompt_length], conversation.messages[opening:], strict=False
                )
                if message["role"] != "assistant"
            )


def _key(text: str) -> str:
    line = text.strip().partition("\n")[0]
    head, colon, _ = line.partition(":")
    return (head if colon else line.partition(" ")[0]).strip().casefold()


def _text(message: Message) -> str:
    content = message.get("content")
    return content if isinstance(content, str) else ""


def _rate(part: int, whole: int) -> float | None:
    return part / whole if whole else None

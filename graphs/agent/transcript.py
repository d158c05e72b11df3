"""The conversation of a tool-calling agent on disk: one message per line, written as it happens, taken up after a kill.

A line is LangChain's own form of a message (`type`, `data`) and the `seconds` that making it took. The first is the
system message. Lines are only ever added; a last line without its end was never finished and is cut.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Sequence
from dataclasses import dataclass
from io import FileIO
from pathlib import Path
from typing import Any, Self

import orjson
from langchain_core.messages import (
    AIMessage,
    BaseMessage,
    HumanMessage,
    SystemMessage,
    ToolCall,
    ToolMessage,
    message_to_dict,
    messages_from_dict,
)

from graphs.spending import Price
from traces.folders import TraceDamaged, disk_failure

NUDGE = "nudge"
"""Marks, among `additional_kwargs`, a user message of the runner's own, which begins no new task."""


@dataclass(frozen=True, slots=True)
class Spent:
    """What the work on one message of a conversation has cost, however often it was taken up again."""

    calls: int
    """Model calls that were answered."""
    tokens: int | None
    """Prompt and completion tokens; None where the provider did not report those of every call."""
    cost: float | None
    """US dollars by the price table; None without a price, or where the tokens are unknown."""
    minutes: float
    """Of models and tools; waits between attempts included, the time between two runs not."""

    def amounts(self) -> dict[str, float]:
        """The same as `spending.Amounts`; a model without a price counts as free."""
        known = {"calls": float(self.calls), "cost": self.cost or 0.0, "minutes": self.minutes}
        return known if self.tokens is None else {**known, "tokens": float(self.tokens)}


class Transcript:
    """A conversation, in memory and in its file. TraceFailure where the disk fails, TraceDamaged with the line."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.messages: list[BaseMessage] = []
        """All of them, the system message first; empty before `begin` of a new one."""
        self._seconds: list[float] = []
        """What each message took."""
        self._first = 0
        """Where the present task is given."""
        self._end: int | None = None
        """Where the task after it is given, if one is."""
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._fd: int = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)
            # Of this kind of file the dev server lets an event loop write; the line is with the kernel at once.
            self._file = FileIO(self._fd, "ab", closefd=False)
            self._load()
        except OSError as error:
            raise disk_failure("open the conversation", path, error) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._fd)

    def begin(self, system: str, message: str) -> None:
        """Stand at the task `message`: an earlier one of this text, done or under way, or else a new one.

        So a caller that goes on after a kill gives its messages in order once more, and nothing is done twice. Tasks
        that shall differ must differ in their words.
        """
        if not self.messages:
            self.append(SystemMessage(system))
        tasks = self._tasks()
        found = next((task for task in tasks if self.messages[task].text == message), None)
        if found is None:
            for call in self.pending():  # a limit or a kill ended the task before; providers want every call answered
                self.append(ToolMessage("This was not carried out.", tool_call_id=str(call["id"]), name=call["name"]))
            self._first, self._end = len(self.messages), None
            self.append(HumanMessage(message))
        else:
            self._first, self._end = found, next((task for task in tasks if task > found), None)

    def append(self, message: BaseMessage, seconds: float = 0.0) -> None:
        """Add a message; it is in the file when this returns."""
        plain = message_to_dict(message)
        plain["data"].pop("id", None)  # made up at random in every process
        line = orjson.dumps({**plain, "seconds": round(seconds, 3)}, default=str) + b"\n"
        try:
            if self._file.write(line) < len(line):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        except OSError as error:
            raise disk_failure("write the conversation", self.path, error) from error
        self.messages.append(message)
        self._seconds.append(seconds)

    @property
    def system(self) -> str:
        """The system message, as the conversation was begun with it."""
        return self.messages[0].text

    @property
    def task(self) -> str | None:
        """The present task: the last one given; None before the first."""
        return self.messages[self._tasks()[-1]].text if self._tasks() else None

    @property
    def turns(self) -> int:
        """The model's replies to the present task so far."""
        return sum(isinstance(one, AIMessage) for one in self.messages[self._first : self._end])

    @property
    def nudges(self) -> int:
        """The runner's own messages at the end, replies between them not counted."""
        count = 0
        for one in reversed(self.messages):
            if isinstance(one, ToolMessage) or (isinstance(one, HumanMessage) and NUDGE not in one.additional_kwargs):
                break
            count += isinstance(one, HumanMessage)
        return count

    @property
    def past(self) -> bool:
        """Whether another task followed the present one."""
        return self._end is not None

    def pending(self) -> list[ToolCall]:
        """The tool calls of the last reply that have no answer yet, in the order written."""
        return pending_calls(self.messages)

    def answer(self) -> str | None:
        """The last reply, if it ended the present task: a text, no tool call. None while the task goes on."""
        last = self.messages[: self._end][-1]
        ended = isinstance(last, AIMessage) and not last.tool_calls and not unfinished(last)
        return last.text if ended else None

    def spent(self, price: Price | None = None, *, whole: bool = False) -> Spent:
        """What the present task has cost so far, or the whole conversation."""
        span = slice(None) if whole else slice(self._first, self._end)
        replies = [one for one in self.messages[span] if isinstance(one, AIMessage)]
        minutes = sum(self._seconds[span]) / 60
        usage: list[Any] = [one.usage_metadata for one in replies]
        if None in usage:
            return Spent(len(replies), None, None, minutes)
        prompt = sum(one.get("input_tokens", 0) for one in usage)
        completion = sum(one.get("output_tokens", 0) for one in usage)
        cached = sum((one.get("input_token_details") or {}).get("cache_read", 0) or 0 for one in usage)
        cost = None if price is None else price.cost(prompt, completion, min(cached, prompt))
        return Spent(len(replies), prompt + completion, cost, minutes)

    def _tasks(self) -> list[int]:
        return [
            index
            for index, one in enumerate(self.messages)
            if isinstance(one, HumanMessage) and NUDGE not in one.additional_kwargs
        ]

    def _load(self) -> None:
        data = self.path.read_bytes()
        whole = data.rfind(b"\n") + 1
        if whole < len(data):
            os.ftruncate(self._fd, whole)
        for number, line in enumerate(data[:whole].split(b"\n")[:-1], 1):
            try:
                plain = orjson.loads(line)
                self.messages += messages_from_dict([plain])
                self._seconds.append(float(plain["seconds"]))
            except (ValueError, TypeError, KeyError) as error:
                raise TraceDamaged(f"{self.path}:{number} is no message ({error}): cut the file before it") from error


def pending_calls(messages: Sequence[BaseMessage]) -> list[ToolCall]:
    """The tool calls of the last reply that have no answer yet."""
    answered = set()
    for message in reversed(messages):
        if isinstance(message, ToolMessage):
            answered.add(message.tool_call_id)
        elif isinstance(message, AIMessage):
            return [call for call in message.tool_calls if call["id"] not in answered]
        else:
            break
    return []


def unfinished(reply: AIMessage) -> str:
    """What is wrong with a reply that calls no tool, as an end: it was cut, or it is empty. "" if nothing is."""
    metadata = reply.response_metadata
    reason = metadata.get("finish_reason") or metadata.get("stop_reason") or metadata.get("done_reason")
    if str(reason).lower() in ("length", "max_tokens", "max_output_tokens"):
        return "was cut at the limit of new tokens"
    return "" if reply.text.strip() else "is empty"


def spent_on(path: Path, price: Price | None = None) -> Spent:
    """What the whole conversation in a file has cost; nothing if there is none."""
    if not path.exists():
        return Spent(0, 0, None if price is None else 0.0, 0.0)
    with Transcript(path) as transcript:
        return transcript.spent(price, whole=True)


def present_task(path: Path) -> str | None:
    """The task that the conversation in a file stands at; None if there is none."""
    if not path.exists():
        return None
    with Transcript(path) as transcript:
        return transcript.task

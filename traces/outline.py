"""The outline of a step: all of it but the prompts and where recalled lines came from, at a fraction of the work.

What looks at every step of a long episode (overview.py, find.py) reads outlines: a fifth of the time that whole
records take. Fields are named as in records.py, and mean the same.
"""

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from traces.lines import Line
from traces.plain_json import dump
from traces.records import Message

_NONE: Mapping[str, Any] = MappingProxyType({})


class OperationOutline(NamedTuple):
    """One operation of the model or of a hook."""

    call: int
    operation: str
    arguments: Mapping[str, Any]
    outcome: str
    code: str | None
    file: str | None
    revision: int


class ConversationOutline(NamedTuple):
    """What a routine did, and what the model said in it."""

    routine: str
    operations: list[OperationOutline]
    replies: list[str]
    """The model's messages in order (see `reply_text`); empty where they were not asked for."""


class StepOutline(NamedTuple):
    """One step."""

    step: int
    observation: dict[str, str]
    action: str
    chosen: str | None
    action_outcome: str
    notices: list[str]
    complaints: list[str]
    conversations: list[ConversationOutline]
    hook_operations: list[OperationOutline]
    reward: float
    info: dict[str, Any]
    """What is at its top level: progression, end reason, clock; the world's statistics are left out."""
    tokens: Mapping[str, int | None]
    revision: int
    model_calls: int
    latency_s: float


def outline(line: Line) -> StepOutline:
    """Return the outline of a line, with the model's replies where it has its messages. Raises as `lines.decode`."""
    conversations = line.get("conversations", ())
    messages = line.get("messages") or [()] * len(conversations)
    return StepOutline(
        step=line["step"],
        observation=line["observation"],
        action=line["action"],
        chosen=line.get("chosen"),
        action_outcome=line.get("action_outcome", "valid"),
        notices=line.get("notices", []),
        complaints=line.get("complaints", []),
        conversations=[_conversation(one, said) for one, said in zip(conversations, messages, strict=True)],
        hook_operations=[_operation(one) for one in line.get("hook_operations", ())],
        reward=line.get("reward", 0.0),
        info={name: one for name, one in line.get("info", {}).items() if not isinstance(one, dict | list)},
        tokens=line.get("tokens", {}),
        revision=line.get("revision", 0),
        model_calls=line.get("model_calls", 0),
        latency_s=line.get("latency_s", 0.0),
    )


def reply_text(message: Message) -> str:
    """Return what a model's message says: its text, then of each tool call the name, and its arguments as sent."""
    content = message.get("content") or ""
    said = [content if isinstance(content, str) else dump(content).decode()] if content else []
    for call in message.get("tool_calls") or ():
        function = call.get("function", {})
        said += [str(function.get("name")), str(function.get("arguments"))]
    return "\n".join(said)


def _conversation(line: Line, messages: Iterable[Message]) -> ConversationOutline:
    operations = [_operation(one) for one in line.get("operations", ())]
    replies = [reply_text(message) for message in messages if message.get("role") == "assistant"]
    return ConversationOutline(line["routine"], operations, replies)


def _operation(line: Line) -> OperationOutline:
    known = line.get
    arguments = known("arguments", _NONE)
    return OperationOutline(
        line["call"],
        known("operation", ""),
        arguments,
        known("outcome", ""),
        known("code"),
        known("file"),
        known("revision", 0),
    )

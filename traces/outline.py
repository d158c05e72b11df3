"""The outline of a step: all of it but the prompts and where recalled lines came from, at a fraction of the work.

What looks at every step of a long episode (overview.py, find.py) reads outlines: a fifth of the time that whole
records take. Fields are named as in records.py, and mean the same.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from traces.packed_fields import Line, decode_dict
from traces.plain_json import dump
from traces.records import Message
from traces.text_unpacker import TextUnpacker

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
    """What stands at its top level: progression, end reason, clock; the world's statistics are left out."""
    tokens: Mapping[str, int]
    revision: int


def outline(line: Line, unpacker: TextUnpacker, replies: bool) -> StepOutline:
    """Return the outline of a line, with the model's replies if asked for. Raises as `lines.decode`."""
    step: int = line["step"]
    told = line.get("conversations", ())
    return StepOutline(
        step=step,
        observation={name: unpacker.unpack(packed, step) for name, packed in line["observation"].items()},
        action=line["action"],
        chosen=line.get("chosen"),
        action_outcome=line.get("action_outcome", "valid"),
        notices=[unpacker.unpack(notice, step) for notice in line.get("notices", ())],
        complaints=line.get("complaints", []),
        conversations=[_conversation(one, step, unpacker, replies) for one in told],
        hook_operations=[_operation(one, step, unpacker) for one in line.get("hook_operations", ())],
        reward=line.get("reward", 0.0),
        info={
            name: unpacker.unpack(one, step) if isinstance(one, list) else one
            for name, one in line.get("info", {}).items()
            if not isinstance(one, dict)
        },
        tokens=line.get("tokens", {}),
        revision=line.get("revision", 0),
    )


def reply_text(message: Message) -> str:
    """Return what a model's message says: its text, then of each tool call the name, and its arguments as sent."""
    content = message.get("content") or ""
    said = [content if isinstance(content, str) else dump(content).decode()] if content else []
    for call in message.get("tool_calls") or ():
        function = call.get("function", {})
        said += [str(function.get("name")), str(function.get("arguments"))]
    return "\n".join(said)


def _conversation(line: Line, step: int, unpacker: TextUnpacker, replies: bool) -> ConversationOutline:
    operations = [_operation(one, step, unpacker) for one in line.get("operations", ())]
    said = [_said(one, step, unpacker) for one in line["messages"]] if replies else []
    return ConversationOutline(line["routine"], operations, [one for one in said if one is not None])


def _said(message: list[Any] | Line, step: int, unpacker: TextUnpacker) -> str | None:
    """What a message of the model says; None for any other message, which is not unpacked."""
    if isinstance(message, list):
        role, content = message
        return unpacker.unpack(content, step) if role == "assistant" else None
    return reply_text(decode_dict(message, step, unpacker)) if message.get("role") == "assistant" else None


def _operation(line: Line, step: int, unpacker: TextUnpacker) -> OperationOutline:
    known = line.get
    arguments = decode_dict(line["arguments"], step, unpacker) if "arguments" in line else _NONE
    file = line["file"] if "file" in line else arguments.get("file")
    return OperationOutline(
        line["call"], known("operation", ""), arguments, known("outcome", ""), known("code"), file, known("revision", 0)
    )

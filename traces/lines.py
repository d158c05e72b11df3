"""Between a step's record and its line of the trace: plain JSON, fields named as in records.py.

Fields that hold their default are left out. The messages and thoughts of all conversations come last, so that what is
read of every step of a long episode (outline.py) need not parse them.
"""

from collections.abc import Iterable, Mapping
from dataclasses import MISSING, fields
from typing import Any

from traces.plain_json import dump, load
from traces.records import TRACE_FORMAT, Conversation, ModelCall, OperationRecord, StepRecord

Line = dict[str, Any]
_MESSAGES = b',"messages":['


def _defaults(kind: type[Any], *left_out: str) -> list[tuple[str, Any]]:
    """List the fields of a record with their defaults."""
    listed = []
    for one in fields(kind):
        if one.name not in left_out:
            default = one.default_factory() if one.default_factory is not MISSING else one.default
            listed.append((one.name, default))
    return listed


_STEP = _defaults(StepRecord, "step", "observation", "conversations", "hook_operations")
_CONVERSATION = _defaults(Conversation, "messages", "calls", "operations")
_CALL, _OPERATION = _defaults(ModelCall, "thoughts"), _defaults(OperationRecord, "lines", "provenance")


def encode(record: StepRecord) -> bytes:
    """Return the line of a record without its end. Raises RecordError for what is not plain data."""
    line: Line = {"step": record.step}
    if record.step == 1:
        line["format"] = TRACE_FORMAT
    line["observation"] = record.observation
    line |= _plain(record, _STEP)
    if record.hook_operations:
        line["hook_operations"] = list(map(_encode_operation, record.hook_operations))
    if record.conversations:
        line["conversations"] = [_encode_conversation(one) for one in record.conversations]
        line["messages"] = [one.messages for one in record.conversations]
        thoughts = [[call.thoughts for call in one.calls] for one in record.conversations]
        if any(map(any, thoughts)):
            line["thoughts"] = thoughts
    return dump(line)


def decode(line: Line) -> StepRecord:
    """Return the record of a line. Raises ValueError, TypeError, KeyError or AttributeError where it is damaged."""
    values = {name: value for name, value in line.items() if name not in ("format", "messages", "thoughts")}
    if "conversations" in values:
        thoughts = line.get("thoughts") or [[""] * len(one.get("calls", ())) for one in values["conversations"]]
        parts = zip(values["conversations"], line["messages"], thoughts, strict=True)
        values["conversations"] = [_decode_conversation(*one) for one in parts]
    if "hook_operations" in values:
        values["hook_operations"] = list(map(_decode_operation, values["hook_operations"]))
    return StepRecord(**values)


def load_line(text: bytes, start: int, end: int) -> Line:
    """Return the line at a place of a text. Raises ValueError where it is no JSON."""
    line: Line = load(text[start:end])
    return line


def load_head(text: bytes, start: int, end: int) -> Line:
    """Return the line at a place of a text without its messages, which are neither copied nor parsed. ValueError."""
    cut = text.find(_MESSAGES, start, end)
    if cut >= 0:
        try:  # within another object the brackets before the cut do not close, so this is no JSON
            return load(text[start:cut] + b"}")  # type: ignore[no-any-return]
        except ValueError:
            pass
    return load_line(text, start, end)


def _plain(record: Any, names: Iterable[tuple[str, Any]]) -> Line:
    return {name: value for name, default in names if (value := getattr(record, name)) != default}


def _encode_conversation(one: Conversation) -> Line:
    line = _plain(one, _CONVERSATION)
    if one.calls:
        line["calls"] = [_plain(call, _CALL) for call in one.calls]
    if one.operations:
        line["operations"] = list(map(_encode_operation, one.operations))
    return line


def _encode_operation(one: OperationRecord) -> Line:
    line = _plain(one, _OPERATION)
    if one.lines:
        line["lines"] = list(one.lines)
    if one.provenance:
        line["provenance"] = list(map(list, one.provenance))
    return line


def _decode_conversation(one: Mapping[str, Any], messages: list[dict[str, Any]], thoughts: list[str]) -> Conversation:
    calls = [ModelCall(**call, thoughts=own) for call, own in zip(one.get("calls", ()), thoughts, strict=True)]
    operations = list(map(_decode_operation, one.get("operations", ())))
    return Conversation(**{**one, "messages": messages, "calls": calls, "operations": operations})


def _decode_operation(one: Mapping[str, Any]) -> OperationRecord:
    lines, provenance = one.get("lines", ()), one.get("provenance", ())
    return OperationRecord(**{**one, "lines": tuple(lines), "provenance": tuple(map(tuple, provenance))})

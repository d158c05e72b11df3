"""Between a step's record and its line of steps.jsonl.

Fields that hold their default are left out, texts are packed (see text_packer.py), calls are written field by field.
"""

from typing import Any

from traces.operation_lines import decode_operation, encode_operation
from traces.packed_fields import Line, decode_dict, encode_dict, fields_as_they_are, without_defaults
from traces.plain_json import dump, load
from traces.records import FORMAT, Conversation, Message, ModelCall, StepRecord
from traces.text_packer import TextPacker
from traces.text_unpacker import TextUnpacker

_STEP = fields_as_they_are(StepRecord, "step", "observation", "notices", "conversations", "info", "hook_operations")
_CALL = fields_as_they_are(ModelCall)


def encode(record: StepRecord, packer: TextPacker) -> Line:
    """Return the line of `record`: plain data that `decode` turns back into an equal record."""
    packer.begin(record.step)
    line: Line = {"step": record.step}
    if record.step == 1:
        line["format"] = FORMAT
    line["observation"] = {name: packer.pack(text) for name, text in record.observation.items()}
    line |= without_defaults(record, _STEP)
    if record.notices:
        line["notices"] = [packer.pack(notice) for notice in record.notices]
    if record.conversations:
        line["conversations"] = [_encode_conversation(one, packer) for one in record.conversations]
    if record.info:
        line["info"] = encode_dict(record.info, packer)
    if record.hook_operations:
        line["hook_operations"] = [encode_operation(one, packer) for one in record.hook_operations]
    if packer.texts:
        line["texts"] = packer.texts
    return line


def decode(line: Line, unpacker: TextUnpacker) -> StepRecord:
    """Return the record of a line. Raises ValueError, TypeError, KeyError or IndexError where the line is damaged."""
    step: int = line["step"]
    values = {name: line[name] for name, _ in _STEP if name in line}
    if "notices" in line:
        values["notices"] = [unpacker.unpack(notice, step) for notice in line["notices"]]
    if "conversations" in line:
        values["conversations"] = [_decode_conversation(one, step, unpacker) for one in line["conversations"]]
    if "info" in line:
        values["info"] = decode_dict(line["info"], step, unpacker)
    if "hook_operations" in line:
        values["hook_operations"] = [decode_operation(one, step, unpacker) for one in line["hook_operations"]]
    observation = {name: unpacker.unpack(packed, step) for name, packed in line["observation"].items()}
    return StepRecord(step=step, observation=observation, **values)


def _encode_conversation(one: Conversation, packer: TextPacker) -> Line:
    line: Line = {
        "routine": one.routine,
        "role": one.role,
        "model": packer.pack(one.model),
        "messages": [_encode_message(message, packer) for message in one.messages],
    }
    if one.calls:
        line["calls"] = _encode_calls(one.calls)
    if one.operations:
        line["operations"] = [encode_operation(operation, packer) for operation in one.operations]
    if one.tools is not None:
        line["tools"] = packer.pack(dump(one.tools).decode())
    return line


def _decode_conversation(line: Line, step: int, unpacker: TextUnpacker) -> Conversation:
    return Conversation(
        routine=line["routine"],
        role=line["role"],
        model=unpacker.unpack(line["model"], step),
        messages=[_decode_message(message, step, unpacker) for message in line["messages"]],
        calls=_decode_calls(line["calls"]) if "calls" in line else [],
        operations=[decode_operation(one, step, unpacker) for one in line.get("operations", ())],
        tools=load(unpacker.unpack(line["tools"], step)) if "tools" in line else None,
    )


def _encode_message(message: Message, packer: TextPacker) -> list[Any] | Line:
    if list(message) == ["role", "content"] and isinstance(message["content"], str):
        return [message["role"], packer.pack(message["content"])]
    return encode_dict(message, packer)


def _decode_message(line: list[Any] | Line, step: int, unpacker: TextUnpacker) -> Message:
    if isinstance(line, list):
        role, content = line
        return {"role": role, "content": unpacker.unpack(content, step)}
    return decode_dict(line, step, unpacker)


def _encode_calls(calls: list[ModelCall]) -> Line:
    """Write each field as the list of its values over the calls, and leave out a field that is default in all."""
    columns = {name: [getattr(call, name) for call in calls] for name, _ in _CALL}
    return {name: columns[name] for name, default in _CALL if any(value != default for value in columns[name])}


def _decode_calls(columns: Line) -> list[ModelCall]:
    return [ModelCall(**dict(zip(columns, row, strict=True))) for row in zip(*columns.values(), strict=True)]

"""Between a step's record and its line of steps.jsonl.

Fields that hold their default are left out. Texts are packed (see text_packer.py). Calls are written field by field,
line numbers and provenance as differences: a recall of a hundred lines costs a few numbers.
"""

from collections.abc import Iterable
from dataclasses import MISSING, fields
from typing import Any

from traces.plain_json import dump, load
from traces.records import FORMAT, Conversation, Message, ModelCall, OperationRecord, StepRecord
from traces.text_packer import LISTING, SHORTEST, TextPacker
from traces.text_unpacker import TextUnpacker

Line = dict[str, Any]
Lines = tuple[int, ...]
Provenance = tuple[tuple[int, int], ...]


def encode(record: StepRecord, packer: TextPacker) -> Line:
    """Return the line of `record`: plain data that `decode` turns back into an equal record."""
    packer.begin(record.step)
    line: Line = {"step": record.step}
    if record.step == 1:
        line["format"] = FORMAT
    line["observation"] = {name: packer.pack(text) for name, text in record.observation.items()}
    line |= _without_defaults(record, _STEP)
    if record.notices:
        line["notices"] = [packer.pack(notice) for notice in record.notices]
    if record.conversations:
        line["conversations"] = [_encode_conversation(one, packer) for one in record.conversations]
    if record.info:
        line["info"] = _encode_dict(record.info, packer)
    if record.hook_operations:
        line["hook_operations"] = [_encode_operation(one, packer) for one in record.hook_operations]
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
        values["info"] = _decode_dict(line["info"], step, unpacker)
    if "hook_operations" in line:
        values["hook_operations"] = [_decode_operation(one, step, unpacker) for one in line["hook_operations"]]
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
        line["operations"] = [_encode_operation(operation, packer) for operation in one.operations]
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
        operations=[_decode_operation(one, step, unpacker) for one in line.get("operations", ())],
        tools=load(unpacker.unpack(line["tools"], step)) if "tools" in line else None,
    )


def _encode_message(message: Message, packer: TextPacker) -> list[Any] | Line:
    if list(message) == ["role", "content"] and isinstance(message["content"], str):
        return [message["role"], packer.pack(message["content"])]
    return _encode_dict(message, packer)


def _decode_message(line: list[Any] | Line, step: int, unpacker: TextUnpacker) -> Message:
    if isinstance(line, list):
        role, content = line
        return {"role": role, "content": unpacker.unpack(content, step)}
    return _decode_dict(line, step, unpacker)


def _encode_calls(calls: list[ModelCall]) -> Line:
    """Write each field as the list of its values over the calls, and leave out a field that is default in all."""
    columns = {name: [getattr(call, name) for call in calls] for name, _ in _CALL}
    return {name: columns[name] for name, default in _CALL if any(value != default for value in columns[name])}


def _decode_calls(columns: Line) -> list[ModelCall]:
    return [ModelCall(**dict(zip(columns, row, strict=True))) for row in zip(*columns.values(), strict=True)]


def _encode_operation(one: OperationRecord, packer: TextPacker) -> Line:
    line = _without_defaults(one, _OPERATION)
    if one.file != one.arguments.get("file"):
        line["file"] = one.file
    if one.arguments:
        line["arguments"] = _encode_dict(one.arguments, packer)
    if one.lines or one.provenance:
        line |= _encode_recalled(one.lines, one.provenance, packer)
    return line


def _decode_operation(line: Line, step: int, unpacker: TextUnpacker) -> OperationRecord:
    values = {name: line[name] for name, _ in _OPERATION if name in line}
    arguments = _decode_dict(line.get("arguments", {}), step, unpacker)
    lines, provenance = _decode_recalled(line, step, unpacker)
    return OperationRecord(
        **values,
        arguments=arguments,
        file=line["file"] if "file" in line else arguments.get("file"),
        lines=lines,
        provenance=provenance,
    )


def _encode_recalled(lines: Lines, provenance: Provenance, packer: TextPacker) -> Line:
    """Write lines and their provenance: as differences, or as rows of text where a longer recall is irregular.

    Rows are packed like any listing, so that the same recall a few steps later costs little.
    """
    columns = [_differences(column) for column in zip(*provenance, strict=True)]
    encoded: Line = {"lines": _differences(lines)} if lines else {}
    if columns:
        encoded["provenance"] = columns
    if len(lines) == len(provenance) and sum(map(len, columns)) > 2 * LISTING:
        rows = zip(lines, provenance, strict=True)
        return {"rows": packer.pack("\n".join([f"{number} {step} {revision}" for number, (step, revision) in rows]))}
    return encoded


def _decode_recalled(line: Line, step: int, unpacker: TextUnpacker) -> tuple[Lines, Provenance]:
    if "rows" in line:
        rows = [tuple(map(int, row.split())) for row in unpacker.unpack(line["rows"], step).split("\n")]
        return tuple(row[0] for row in rows), tuple((row[1], row[2]) for row in rows)
    steps, revisions = line.get("provenance", ((), ()))
    return tuple(_sums(line.get("lines", ()))), tuple(zip(_sums(steps), _sums(revisions), strict=True))


def _encode_dict(value: dict[str, Any], packer: TextPacker) -> Line:
    """Pack what is long in a dict: [...] is a packed text, {"json": text} was a list, {"dict": ...} was a dict."""
    encoded: Line = {}
    for key, one in value.items():
        if isinstance(one, str):
            encoded[key] = packer.pack(one) if len(one) >= SHORTEST else one
        elif isinstance(one, dict):
            encoded[key] = {"dict": _encode_dict(one, packer)}
        elif isinstance(one, (list, tuple)):
            encoded[key] = {"json": packer.pack(dump(one).decode())}
        else:
            encoded[key] = one
    return encoded


def _decode_dict(line: Line, step: int, unpacker: TextUnpacker) -> dict[str, Any]:
    return {
        key: one if not isinstance(one, (list, dict)) else _decode_value(one, step, unpacker)
        for key, one in line.items()
    }


def _decode_value(one: list[Any] | Line, step: int, unpacker: TextUnpacker) -> Any:
    if isinstance(one, list):
        return unpacker.unpack(one, step)
    return load(unpacker.unpack(one["json"], step)) if "json" in one else _decode_dict(one["dict"], step, unpacker)


def _without_defaults(record: Any, names: Iterable[tuple[str, Any]]) -> Line:
    return {name: value for name, default in names if (value := getattr(record, name)) != default}


def _fields_as_they_are(kind: type[Any], *packed: str) -> list[tuple[str, Any]]:
    """List the fields written as they are, with the default that may be left out."""
    listed = []
    for one in fields(kind):
        if one.name not in packed:
            default = one.default_factory() if one.default_factory is not MISSING else one.default
            listed.append((one.name, default))
    return listed


_STEP = _fields_as_they_are(StepRecord, "step", "observation", "notices", "conversations", "info", "hook_operations")
_CALL = _fields_as_they_are(ModelCall)
_OPERATION = _fields_as_they_are(OperationRecord, "arguments", "file", "lines", "provenance")


def _differences(numbers: Iterable[int]) -> list[int | list[int]]:
    """Write numbers as differences, the first to 0; [difference, count] where one repeats more than twice."""
    written: list[int | list[int]] = []
    before, difference, count = 0, 0, 0
    for number in numbers:
        if number - before == difference:
            count += 1
        else:
            written += _repeated(difference, count)
            difference, count = number - before, 1
        before = number
    return written + _repeated(difference, count)


def _repeated(difference: int, count: int) -> list[int | list[int]]:
    return [[difference, count]] if count > 2 else [difference] * count


def _sums(written: Iterable[int | list[int]]) -> Iterable[int]:
    number = 0
    for one in written:
        difference, count = (one, 1) if isinstance(one, int) else one
        for _ in range(count):
            number += difference
            yield number

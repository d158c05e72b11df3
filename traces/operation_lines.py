"""Between an operation's record and its place in a line of steps.jsonl.

A recall of a hundred lines costs a few numbers: line numbers and provenance are written as differences, or, where
these are irregular, as rows of text that are packed like any other text.
"""

from collections.abc import Iterable

from traces.listings import LISTING
from traces.packed_fields import Line, decode_dict, encode_dict, fields_as_they_are, without_defaults
from traces.records import OperationRecord
from traces.text_packer import TextPacker
from traces.text_unpacker import TextUnpacker

Lines = tuple[int, ...]
Provenance = tuple[tuple[int, int], ...]

_OPERATION = fields_as_they_are(OperationRecord, "arguments", "file", "lines", "provenance")


def encode_operation(one: OperationRecord, packer: TextPacker) -> Line:
    """Return the operation as plain data; its file is left out where the arguments name the same."""
    line = without_defaults(one, _OPERATION)
    if one.file != one.arguments.get("file"):
        line["file"] = one.file
    if one.arguments:
        line["arguments"] = encode_dict(one.arguments, packer)
    if one.lines or one.provenance:
        line |= _encode_recalled(one.lines, one.provenance, packer)
    return line


def decode_operation(line: Line, step: int, unpacker: TextUnpacker) -> OperationRecord:
    """Return the record of what `encode_operation` wrote. Raises as `lines.decode`."""
    values = {name: line[name] for name, _ in _OPERATION if name in line}
    arguments = decode_dict(line.get("arguments", {}), step, unpacker)
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

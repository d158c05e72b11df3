"""How the fields of a trace's records are written: defaults left out, dicts with their long texts packed."""

from collections.abc import Iterable
from dataclasses import MISSING, fields
from typing import Any

from traces.plain_json import dump, load
from traces.text_packer import SHORTEST, TextPacker
from traces.text_unpacker import TextUnpacker

Line = dict[str, Any]


def without_defaults(record: Any, names: Iterable[tuple[str, Any]]) -> Line:
    """Return the named fields of a record, without those that hold their default."""
    return {name: value for name, default in names if (value := getattr(record, name)) != default}


def fields_as_they_are(kind: type[Any], *packed: str) -> list[tuple[str, Any]]:
    """List the fields written as they are, with the default that may be left out."""
    listed = []
    for one in fields(kind):
        if one.name not in packed:
            default = one.default_factory() if one.default_factory is not MISSING else one.default
            listed.append((one.name, default))
    return listed


def encode_dict(value: dict[str, Any], packer: TextPacker) -> Line:
    """Pack what is long in a dict: [...] is a packed text, {"json": text} was a list, {"dict": ...} was a dict."""
    encoded: Line = {}
    for key, one in value.items():
        if isinstance(one, str):
            encoded[key] = packer.pack(one) if len(one) >= SHORTEST else one
        elif isinstance(one, dict):
            encoded[key] = {"dict": encode_dict(one, packer)}
        elif isinstance(one, (list, tuple)):
            encoded[key] = {"json": packer.pack(dump(one).decode())}
        else:
            encoded[key] = one
    return encoded


def decode_dict(line: Line, step: int, unpacker: TextUnpacker) -> dict[str, Any]:
    """Return the dict that `encode_dict` packed in line `step`, keys in their order. Raises as `lines.decode`."""
    return {
        key: one if not isinstance(one, (list, dict)) else _decode_value(one, step, unpacker)
        for key, one in line.items()
    }


def _decode_value(one: list[Any] | Line, step: int, unpacker: TextUnpacker) -> Any:
    if isinstance(one, list):
        return unpacker.unpack(one, step)
    return load(unpacker.unpack(one["json"], step)) if "json" in one else decode_dict(one["dict"], step, unpacker)

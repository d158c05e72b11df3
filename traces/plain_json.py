"""JSON as traces use it: orjson, and the standard library for the few values orjson refuses.

A model's reply may hold a lone surrogate ("\\ud800") and arguments an integer of any length. Both are JSON, neither
passes orjson (which reads such an integer as a float), and neither may end an episode. What the standard library wrote
starts with a space, and is read by it.
"""

import json
import os
from pathlib import Path
from typing import Any

import orjson

from traces.folders import TraceDamaged, disk_failure


class RecordError(ValueError):
    """A record holds something that is not plain data: a fault of the code that made it."""


def dump(value: Any) -> bytes:
    """Return `value` as compact JSON on one line. Raises RecordError where it would not come back equal."""
    try:
        return orjson.dumps(value, option=orjson.OPT_SERIALIZE_NUMPY)
    except TypeError as refused:
        try:
            text = json.dumps(value, separators=(",", ":"), allow_nan=False)
        except (TypeError, ValueError) as error:
            raise RecordError(
                f"a trace holds plain data only (dict, list, str, numbers, bool, None): {error}"
            ) from error
        if json.loads(text) != value:
            raise RecordError(f"a trace holds plain data only, with strings as keys: {refused}") from refused
        return b" " + text.encode()


def load(data: bytes | str) -> Any:
    """Return the value written by `dump`. Raises ValueError where `data` is not JSON."""
    by_orjson = data[:1] not in (b" ", " ")
    return orjson.loads(data) if by_orjson else json.loads(data)


def write_file(path: Path, value: Any) -> None:
    """Write `value` as readable JSON so that `path` holds all of it or nothing, also after a power cut.

    Raises TraceFailure where the disk refuses, RecordError where the value is not plain data.
    """
    text = json.dumps(load(dump(value)), indent=2) + "\n"
    beside = path.with_name(f"{path.name}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with beside.open("w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
        _sync_folder(path.parent)
    except OSError as error:
        raise disk_failure("write", path, error) from error


def _sync_folder(path: Path) -> None:
    """Make a new name in a folder survive a power cut."""
    folder = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def read_file(path: Path) -> Any:
    """Return what `write_file` wrote. Raises TraceFailure where it cannot be read, TraceDamaged where it is no JSON."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise disk_failure("read", path, error) from error
    try:
        return json.loads(data)
    except (ValueError, RecursionError) as error:
        raise TraceDamaged(f"{path} is not JSON ({error}): restore it, or remove it and resume the episode") from error

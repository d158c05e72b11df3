"""run.json: with what configuration, versions and host a run was made."""

import os
import platform
import re
import threading
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from traces.folders import RunFolder, TraceDamaged
from traces.plain_json import read_file, write_file
from traces.records import FORMAT

_DISTRIBUTION = "automem-langgraph"
_NAME = re.compile(r"[\w.-]+")


def write_run(folder: RunFolder, configuration: Mapping[str, Any]) -> None:
    """Write run.json. `configuration` must hold no secrets. Raises TraceFailure or RecordError."""
    write_file(
        folder.run,
        {
            "format": FORMAT,
            "started": datetime.now(UTC).isoformat(timespec="seconds"),
            "configuration": dict(configuration),
            "versions": versions(),
            "host": {"name": platform.node(), "system": platform.platform(), "cpus": os.cpu_count()},
        },
    )


_noting = threading.Lock()


def add_note(folder: RunFolder, sentence: str) -> bool:
    """Add what a person should know of the run to run.json; whether it was not there. Raises TraceFailure.

    Without a run.json nothing is kept, and True is returned.
    """
    with _noting:
        found = read_run(folder)
        if found is None:
            return True
        notes = found.setdefault("notes", [])
        if sentence in notes:
            return False
        notes.append(sentence)
        write_file(folder.run, found)
        return True


def read_run(folder: RunFolder) -> dict[str, Any] | None:
    """Return what run.json holds, None where there is none. Raises TraceFailure or TraceDamaged."""
    if not folder.run.exists():
        return None
    try:
        found = read_file(folder.run)
    except TraceDamaged as damaged:
        raise TraceDamaged(f"{folder.run} is not JSON: restore it, or choose another folder") from damaged
    if not isinstance(found, dict) or found.get("format") != FORMAT:
        raise TraceDamaged(f"{folder.run} is not of format {FORMAT}: choose another folder")
    return found


def versions() -> dict[str, str]:
    """Name the version of Python, of this distribution and of each library it asks for."""
    from importlib.metadata import PackageNotFoundError, requires, version  # 20 ms that only this needs

    found = {"python": platform.python_version()}
    try:
        found[_DISTRIBUTION] = version(_DISTRIBUTION)
        wanted = requires(_DISTRIBUTION) or []
    except PackageNotFoundError:  # run from a checkout that was never installed
        return found
    for requirement in wanted:
        name = _NAME.match(requirement)
        if name and "extra ==" not in requirement:
            try:
                found[name[0]] = version(name[0])
            except PackageNotFoundError:
                found[name[0]] = "missing"
    return found

"""run.json: with what configuration, versions and host a run was made."""

import os
import platform
import re
import subprocess
import threading
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
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
        found[_DISTRIBUTION] = own_version()
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


@cache
def own_version() -> str:
    """The version of this distribution; in a git checkout with its revision, as PEP 440 writes a local version.

    `0.1.0`, `0.1.0+g2db3c68a1b2c`, and `0.1.0+g2db3c68a1b2c.changed` where a tracked file differs from that revision.
    Raises PackageNotFoundError where the distribution is not installed.
    """
    from importlib.metadata import version

    number, root = version(_DISTRIBUTION), Path(__file__).resolve().parents[1]
    # A folder inside of somebody else's repository has that one's revision, which says nothing about this.
    revision = _git(root, "rev-parse", "--short=12", "HEAD") if (root / ".git").exists() else None
    if not revision:
        return number
    return f"{number}+g{revision}" + (".changed" if _git(root, "status", "--porcelain", "-uno") else "")


def _git(root: Path, *words: str) -> str | None:
    """What git answers; None where it is missing or refuses."""
    command = ["git", "--no-optional-locks", "-C", str(root), *words]
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=10, check=True).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return None

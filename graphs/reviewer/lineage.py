"""The lineage of a search: every attempt with its origin, score and outcome. One record a line, append-only.

Several processes may append; a line that a crash tore is not there, and is cut off by the next append. A node that runs
again after a crash appends its record again: a name and kind that are there already are left as they are.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args

from graphs.outer_loop import draw_seeds
from graphs.reviewer.search import Search
from memory_fs.file_lock import lock
from memory_fs.results import plural
from traces import RunFolder, TraceDamaged
from traces.folders import disk_failure
from traces.plain_json import dump, load
from worlds import world_entry

FILE = "lineage.jsonl"
Kind = Literal["start", "attempt", "holdout", "control", "end"]
Status = Literal["start", "accepted", "rejected", "check failed", "crashed", "refused", "stopped", "measured"]


@dataclass(frozen=True, kw_only=True)
class LineageRecord:
    """One thing a search did, when it was over."""

    name: str
    """"v0", "v1.a2", "v1.a2.c1", "holdout v2", …: one of its kind."""
    kind: Kind
    parent: str | None = None
    """The version it was made from, or that was measured; None for the start."""
    version: int | None = None
    """The number it has as a version: the start (0) and what was accepted."""
    status: Status
    reason: str = ""
    """Why it ended so, in one sentence."""
    scaffold: str | None = None
    """Its scaffold folder, relative to the run folder."""
    evaluation: str | None = None
    """The run folder of its evaluation, relative likewise."""
    mean: float | None = None
    """Mean progression in [0, 1], failures as 0; None where it was not evaluated."""
    standard_error: float | None = None
    episodes: int = 0
    verdict: dict[str, Any] | None = None
    """The gate's (`gate.Verdict.to_plain`); of a hold-out, how far it is from the start there (`holdout_node`)."""
    changes: dict[str, list[str]] = field(default_factory=dict)
    """What differs from the parent, by area."""
    spent: dict[str, dict[str, float]] = field(default_factory=dict)
    """By "reviewer" and "player": calls, tokens (missing where unknown), cost (US dollars), minutes."""


@dataclass(frozen=True, slots=True)
class Node:
    """A version, or an attempt that became none, with what was made from it."""

    record: LineageRecord
    attempts: list[Node]
    """Made from this version, in order; a continuation follows the attempt it continues."""
    measured: list[LineageRecord]
    """Further evaluations of it: hold-out, control."""


def append(run: Path, record: LineageRecord) -> bool:
    """Add a record to the lineage of the search in `run`, on disk when this returns. Whether it was new.

    Raises TraceFailure where the disk refuses, TraceDamaged where the lineage cannot be read.
    """
    path = run / FILE
    line = dump(asdict(record)) + b"\n"
    try:
        run.mkdir(parents=True, exist_ok=True)
        with path.open("a+b") as file:
            lock(file.fileno(), path, wait=True)
            file.seek(0)
            whole, torn = _split(file.read())
            if any(one.name == record.name and one.kind == record.kind for one in _records(path, whole)):
                return False
            if torn:
                file.truncate(sum(map(len, whole)))
            file.write(line)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise disk_failure("write", path, error) from error
    return True


def read(run: Path) -> list[LineageRecord]:
    """The records of the search in `run`, in order; none where it has no lineage yet. TraceFailure or TraceDamaged."""
    path = run / FILE
    try:
        whole, _ = _split(path.read_bytes())
    except FileNotFoundError:
        return []
    except OSError as error:
        raise disk_failure("read", path, error) from error
    return _records(path, whole)


def best(records: Iterable[LineageRecord]) -> LineageRecord | None:
    """The best version so far: the last that was accepted, for every rule of the gate asks for a higher mean."""
    versions = [one for one in records if one.version is not None and one.kind in ("start", "attempt")]
    return max(versions, key=lambda one: one.version or 0, default=None)


def tree(records: Sequence[LineageRecord]) -> Node | None:
    """The start with all that came of it; None where there is no start. What names no version that is there is left."""
    nodes = [Node(one, [], []) for one in records if one.kind in ("start", "attempt")]
    versions = {f"v{node.record.version}": node for node in nodes if node.record.version is not None}
    for node in nodes:
        made_from = versions.get(node.record.parent or "")
        if node.record.kind == "attempt" and made_from is not None and made_from is not node:
            made_from.attempts.append(node)
    for record in records:
        measured = versions.get(record.parent or "")
        if record.kind in ("holdout", "control") and measured is not None:
            measured.measured.append(record)
    return versions.get("v0")


def _split(data: bytes) -> tuple[list[bytes], bytes]:
    """The whole lines, and what follows the last line end."""
    *whole, torn = data.split(b"\n")
    return [line + b"\n" for line in whole], torn


def _records(path: Path, lines: Iterable[bytes]) -> list[LineageRecord]:
    return [_record(path, number, line) for number, line in enumerate(lines, start=1)]


def _record(path: Path, number: int, line: bytes) -> LineageRecord:
    try:
        record = LineageRecord(**load(line))
        if record.kind not in get_args(Kind) or record.status not in get_args(Status):
            raise ValueError(f"there is no {record.kind!r} that is {record.status!r}")
    except (TypeError, ValueError) as error:
        raise TraceDamaged(f"{path}:{number} is no record of a lineage ({error}): mend or remove the line") from error
    return record


CONTINUED = ("rejected", "crashed")
"""What a continuation can learn from: a revision that was played and did not help, or broke."""
_NAME = re.compile(r"v(\d+)\.a(\d+)(?:\.c(\d+))?")


@dataclass(frozen=True, kw_only=True)
class Position:
    """What is to be done next."""

    incumbent: LineageRecord
    """The best version so far."""
    attempt: str | None
    """Name of the next attempt; None when the search is over."""
    continues: str | None
    """The attempt it continues, if it is a continuation."""
    reason: str
    """Why the search is over, when it is."""
    uncontrolled: LineageRecord | None
    """The last attempt that was judged, if the control arm has still to be played for it."""


def position(search: Search) -> Position:
    """The position of the search, by its lineage, which must hold the start."""
    records = read(search.folder.path)
    incumbent = best(records)
    assert incumbent is not None, "evaluate_start writes the start into the lineage first"
    attempts = [one for one in records if one.kind == "attempt"]
    controlled = {one.name for one in records if one.kind == "control"}
    judged = [one for one in attempts if one.verdict is not None and one.name not in controlled]
    name, continues, reason = _next(search, incumbent.version or 0, attempts)
    return Position(
        incumbent=incumbent,
        attempt=name,
        continues=continues,
        reason=reason,
        uncontrolled=judged[0] if judged and search.reevaluate_incumbent else None,
    )


def _next(search: Search, best: int, attempts: Sequence[LineageRecord]) -> tuple[str | None, str | None, str]:
    """Name of the next attempt, the one it continues, and why there is none."""
    wanted = best + 1
    if wanted > search.versions:
        return None, None, f"Version {best} is reached, as many as were asked for."
    here = [one for one in attempts if one.name.startswith(f"v{wanted}.")]
    last = _NAME.fullmatch(here[-1].name) if here else None
    if last is None:
        return f"v{wanted}.a1", None, ""
    fresh, continued = int(last[2]), int(last[3] or 0)
    if here[-1].status in CONTINUED and continued < search.continuations:
        return f"v{wanted}.a{fresh}.c{continued + 1}", here[-1].name, ""
    if fresh < search.attempts:
        return f"v{wanted}.a{fresh + 1}", None, ""
    continuations = len(here) - fresh
    more = f" and {plural(continuations, 'continuation')}" if continuations else ""
    return None, None, f"Version {wanted} is not reached: {plural(fresh, 'attempt')}{more} did not lead to it."


def judged_so_far(search: Search, before: str) -> int:
    """How many attempts the gate has judged before the one of this name."""
    records = read(search.folder.path)
    return sum(one.kind == "attempt" and one.verdict is not None and one.name != before for one in records)


def evaluation_of(search: Search, record: LineageRecord) -> RunFolder:
    """The evaluation of a version on the gate seeds."""
    assert record.evaluation is not None, "a version has been evaluated"
    return RunFolder(search.folder.path / record.evaluation)


def scaffold_of(search: Search, record: LineageRecord) -> Path:
    """The scaffold folder of a version."""
    return search.folder.version(record.version or 0)


def fresh_seeds(search: Search, name: str) -> list[int]:
    """Seeds that were not played before, as many as the gate has; always the same for the attempt's name."""
    entry = world_entry(search.world)
    taken = {*search.seeds, *search.holdout_seeds, *entry.seeds}
    return draw_seeds(f"{search.seed}/{name}", len(search.seeds), taken)

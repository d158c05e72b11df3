"""Where a search stands, read from its lineage: which version is the best, and what is to be tried next."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from graphs.reviewer import lineage
from graphs.reviewer.lineage import LineageRecord
from graphs.reviewer.search import Search
from graphs.seeds import draw_seeds
from memory_fs.results import plural
from traces import RunFolder
from worlds import world_entry

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
    """Where the search stands. The start must be in the lineage."""
    records = lineage.read(search.folder.path)
    incumbent = lineage.best(records)
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
    records = lineage.read(search.folder.path)
    return sum(one.kind == "attempt" and one.verdict is not None and one.name != before for one in records)


def evaluation_of(search: Search, record: LineageRecord) -> RunFolder:
    """The evaluation of a version on the gate seeds."""
    assert record.evaluation is not None, "a version has been evaluated"
    return RunFolder(search.folder.path / record.evaluation)


def scaffold_of(search: Search, record: LineageRecord) -> Path:
    """The scaffold folder of a version."""
    return search.folder.version(record.version or 0)


def fresh_seeds(search: Search, name: str) -> list[int]:
    """Seeds that nobody has played, as many as the gate has, drawn for one attempt: always the same for its name."""
    entry = world_entry(search.world)
    taken = {*search.seeds, *search.holdout_seeds, *entry.seeds}
    return draw_seeds(f"{search.seed}/{name}", len(search.seeds), taken)

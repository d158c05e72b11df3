"""The two loops: a search's lineage as a tree with what each attempt changed, a specialist's ledger with its losses."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

from graphs.curator.folders import SpecializationFolder
from graphs.reviewer.lineage import LineageRecord, Node, tree
from graphs.reviewer.lineage import read as read_lineage
from traces import TraceFailure
from traces.plain_json import read_file
from training.ledger import LedgerEntry
from training.ledger import read as read_ledger
from view.comparison import TEXT, Line, difference, folder_texts

LINES = 600
"""Lines of a difference of one file that a page is given."""
POINTS = 300
"""Points of a loss curve."""


def lineage_page(run: Path, name: str) -> dict[str, Any]:
    """The tree of a search. `name`: of its run, as addresses write it. TraceFailure or TraceDamaged."""
    records = read_lineage(run)
    start = tree(records)
    ending = next((one.reason for one in records if one.kind == "end"), None)
    runs = {one.name: f"{name}/{one.evaluation}" for one in records if one.evaluation}
    return {"tree": _node(run, name, start, None) if start else None, "ending": ending, "runs": runs}


def _node(run: Path, name: str, node: Node, parent: LineageRecord | None) -> dict[str, Any]:
    record = node.record
    differences = _differences(run, parent, record) if parent else []
    return {
        **_shown(run, name, record),
        "differences": differences,
        "texts": _texts(run, record, {one["name"] for one in differences}) if parent else [],
        "cited": f"{name}/{parent.evaluation}" if parent and parent.evaluation else None,
        "measured": [_shown(run, name, one) for one in node.measured],
        "attempts": [_node(run, name, one, record) for one in node.attempts],
    }


def _shown(run: Path, name: str, record: LineageRecord) -> dict[str, Any]:
    plain = asdict(record)
    played = record.evaluation and _inside(run, record.evaluation)
    return plain | {"run": f"{name}/{record.evaluation}" if played and played.is_dir() else None}


def _differences(run: Path, parent: LineageRecord, record: LineageRecord) -> list[dict[str, Any]]:
    """The files of its scaffold that differ from those of the version it was made from."""
    folders = [_inside(run, one.scaffold) if one.scaffold else None for one in (parent, record)]
    if any(one is None or not one.is_dir() for one in folders):
        return []
    before, after = (folder_texts(one) for one in folders if one is not None)
    found: list[dict[str, Any]] = []
    for name in sorted({*before, *after}):
        lines: list[Line] = difference(before.get(name, ""), after.get(name, ""))
        if lines:
            found.append({"name": name, "lines": lines[:LINES]})
    return found


def _texts(run: Path, record: LineageRecord, changed: set[str]) -> list[dict[str, str]]:
    """What the reviewer wrote of an attempt: its analysis, and why it changed what it did. Both cite steps.

    `changed`: files of its scaffold that are not its parent's.
    """
    notes = _inside(run, f"attempts/{record.name}/notes/analysis.md")
    method = _inside(run, f"{record.scaffold}/METHOD.md") if "METHOD.md" in changed else None
    found = []
    for name, path in (("analysis", notes), ("method", method)):
        if path is not None:
            with suppress(OSError, UnicodeDecodeError), path.open(encoding="utf-8") as file:
                found.append({"name": name, "text": file.read(TEXT)})
    return found


def ledger_page(run: Path, name: str) -> dict[str, Any]:
    """The ledger of a specialist's run, with the loss curve of each training. TrainingError where it is damaged."""
    return {"ledger": [_entry(run, name, one) for one in read_ledger(SpecializationFolder(run).ledger)]}


def _entry(run: Path, name: str, one: LedgerEntry) -> dict[str, Any]:
    evaluation = one.artifacts.get("evaluation", "")
    played = evaluation and _inside(run, evaluation)
    mean = one.mean
    return one.model_dump() | {
        "mean": None if mean is None else 100 * mean,
        "episodes": sum(map(len, one.progression.values())),
        "eval": f"{name}/{evaluation}" if played and played.is_dir() else None,
        "losses": _losses(run, one.artifacts.get("adapter", "")),
    }


def _losses(run: Path, adapter: str) -> list[list[float]]:
    """Step and loss of each point of a training; none where its metrics are not there."""
    folder = _inside(run, adapter) if adapter else None
    if folder is None:
        return []
    with suppress(TraceFailure, KeyError, TypeError, AttributeError, ValueError):
        curve = read_file(folder / "metrics.json")["curve"]
        every = -(-len(curve) // POINTS) or 1
        return [[int(one["step"]), float(one["loss"])] for one in curve[::every]]
    return []


def _inside(run: Path, relative: str) -> Path | None:
    """A path of the run's own records, if it stays in the run, links followed."""
    path = run / relative
    return path if path.resolve().is_relative_to(run.resolve()) else None

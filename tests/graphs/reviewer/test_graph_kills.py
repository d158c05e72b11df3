"""A search killed (-9) in every node, again and again, ends like one that nothing disturbed."""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from effort import THOROUGH
from puppet_reviewer import helps, in_vain, rewords
from searching import Searching, searching

from traces import RunFolder, TraceReader

ROOT = Path(__file__).resolve().parents[3]
PROGRAM = ROOT / "tests" / "kit" / "killed_search.py"
START = ["began", "evaluating", "episode", "evaluated"]
ATTEMPT = ["attempt", "reviewing", "tool", "reviewed", "checking", "checked"]
PLAYED = ["evaluating", "episode", "evaluated", "verdict", "settled"]
CONTROLLED = ["evaluating", "evaluated", "verdict"]
CONFIRMED = ["evaluating", "episode", "evaluated", "evaluating", "evaluated", "evaluating", "evaluated", "verdict"]
"""On the gate seeds, then both on fresh ones."""


def drive(search: Searching, *fatal: str) -> None:
    """Let the search run in processes of its own, killed at these events."""
    asked = search.run.parent / "input.json"
    asked.write_text(json.dumps({"given": search.given, "context": dataclasses.asdict(search.context)}))
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])}
    ended = subprocess.run(
        [sys.executable, str(PROGRAM), str(asked), *fatal], capture_output=True, text=True, env=environment, check=False
    )
    assert ended.returncode == 0, ended.stderr


def everything(search: Searching) -> dict[str, Any]:
    """All of a search that must not depend on what happened to its processes."""
    records = [dataclasses.asdict(record) for record in search.lineage()]
    for record in records:
        for spent in record["spent"].values():
            del spent["minutes"]
    steps = {
        str(folder.path.relative_to(search.run)): [(step.step, step.action, step.observation) for step in reader]
        for run in sorted(search.run.rglob("run.json"))
        for folder in RunFolder(run.parent).episodes()
        for reader in [TraceReader(folder)]
    }
    reviews = sorted(search.run.glob("attempts/*/review.jsonl"))
    turns = {str(path.relative_to(search.run)): len(path.read_text().splitlines()) for path in reviews}
    return {"lineage": records, "steps": steps, "turns": turns}


KILLS = [*START, *ATTEMPT, "verdict", "settled", "tool", "episode", "verdict", "holdout", "ended"]
"""Every kind of event once, and the second attempt."""
ALL_KILLS = [
    *(*START, *ATTEMPT, "reviewing", "tool", "reviewed", "checked", *PLAYED, *CONTROLLED),
    *(*ATTEMPT, *CONFIRMED, "settled", *CONTROLLED, "evaluating", "evaluated", "holdout", "ended"),
]


def test_a_search_killed_in_every_node_ends_like_an_undisturbed_one(tmp_path: Path) -> None:
    settings: dict[str, Any] = {"gate": "confirm", "attempts": 2, "seeds": [1], "holdout_seeds": [11]}
    found = []
    for name in ("whole", "killed"):
        folder = tmp_path / name
        folder.mkdir()
        with searching(folder, rewords(1), in_vain(2), helps(3), reevaluate_incumbent=True, **settings) as search:
            if name == "killed":
                drive(search, *(ALL_KILLS if THOROUGH else KILLS))
            else:
                search.go()
            found.append((everything(search), search.puppet.asked))
    assert found[0] == found[1]
    assert search.statuses() == [("v1.a1", "rejected"), ("v1.a2", "accepted")]

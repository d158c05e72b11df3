"""What a page shows of the two loops: the tree with what each attempt changed, the ledger with its losses."""

from __future__ import annotations

import json
from pathlib import Path

from graphs.reviewer.lineage import LineageRecord, append
from training.ledger import LedgerEntry
from training.ledger import append as add
from view.loops import ledger_page, lineage_page


def scaffold(folder: Path, prompt: str) -> str:
    (folder / "prompts").mkdir(parents=True)
    (folder / "prompts" / "log.md").write_text(prompt)
    return folder.name


def test_a_lineage_is_a_tree_in_which_each_attempt_says_what_it_changed(tmp_path: Path) -> None:
    scaffold(tmp_path / "versions" / "v0", "Write what you saw.\n")
    scaffold(tmp_path / "attempts" / "v1.a1" / "candidate", "Write what you saw.\nAnd where.\n")
    for folder in ("versions/v0", "attempts/v1.a1/candidate"):
        (tmp_path / folder / "METHOD.md").write_text("Of the parent, not the reviewer's.")
    (tmp_path / "evaluations" / "v0").mkdir(parents=True)
    (tmp_path / "attempts" / "v1.a1" / "notes").mkdir()
    (tmp_path / "attempts" / "v1.a1" / "notes" / "analysis.md").write_text("It forgets [a/seed-1 step 7].")
    start = {"version": 0, "scaffold": "versions/v0", "evaluation": "evaluations/v0", "mean": 0.25}
    append(tmp_path, LineageRecord(name="v0", kind="start", status="start", **start))  # type: ignore[arg-type]
    attempt = {"parent": "v0", "scaffold": "attempts/v1.a1/candidate", "evaluation": "attempts/v1.a1/evaluation"}
    append(tmp_path, LineageRecord(name="v1.a1", kind="attempt", status="rejected", reason="no gain", **attempt))  # type: ignore[arg-type]
    outside = {"parent": "v0", "scaffold": "../../etc"}
    append(tmp_path, LineageRecord(name="v1.a2", kind="attempt", status="crashed", **outside))  # type: ignore[arg-type]
    page = lineage_page(tmp_path, "search")
    tree = page["tree"]
    assert (tree["name"], tree["run"], tree["differences"]) == ("v0", "search/evaluations/v0", [])
    first, second = tree["attempts"]
    assert first["run"] is None  # it was not played
    (changed,) = first["differences"]
    assert changed["name"] == "prompts/log.md"
    assert first["texts"] == [{"name": "analysis", "text": "It forgets [a/seed-1 step 7]."}]
    assert first["cited"] == "search/evaluations/v0"
    assert ("+", "And where.") in changed["lines"]
    assert second["differences"] == []
    assert page["ending"] is None


def test_a_ledger_brings_the_loss_of_each_training(tmp_path: Path) -> None:
    adapter = tmp_path / "iterations" / "1" / "adapters" / "a"
    adapter.mkdir(parents=True)
    curve = [{"step": step, "loss": 3.0 / step, "token_accuracy": 0.5} for step in range(1, 701)]
    (adapter / "metrics.json").write_text(json.dumps({"curve": curve}))
    artifacts = {"adapter": "iterations/1/adapters/a", "evaluation": "../elsewhere"}
    scores = {"one-door": {1: 0.5, 2: 1.0}}
    add(tmp_path / "ledger.jsonl", LedgerEntry(run="1a", iteration=1, progression=scores, artifacts=artifacts))
    (entry,) = ledger_page(tmp_path, "special")["ledger"]
    assert (entry["mean"], entry["episodes"], entry["eval"]) == (75.0, 2, None)
    assert entry["losses"][0] == [1, 3.0]
    assert 200 < len(entry["losses"]) <= 300

"""No damage to the files of a run changes a reported score unseen: random ones, over a run of each kind."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from damaging import damaged, files_of, reported
from effort import effort
from puppet_reviewer import helps
from searching import searching
from specialized import lay_out_specialized

from cli.check import faults_of
from graphs.evaluation import graph
from graphs.inner_agent import Context

DAMAGES = effort(60, 2_000)


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("runs")
    request = {"world": "vault", "tasks": ["three-doors"], "seeds": [1, 2, 3], "out": str(folder / "v0")}
    graph.invoke(request, context=Context(max_steps=8))
    (folder / "search").mkdir()
    with searching(folder / "search", helps(), holdout_seeds=[11, 12]) as search:
        search.go()
    specialized = lay_out_specialized(folder / "specialize")
    return {"evaluation": folder / "v0", "evolve": search.run, "specialize": specialized}


@pytest.mark.parametrize("kind", ["evaluation", "evolve", "specialize"])
def test_no_damage_changes_a_reported_score_unseen(runs: dict[str, Path], kind: str) -> None:
    run, rng = runs[kind], random.Random(f"{kind} 1")
    whole, said = reported(run)
    assert said == []
    assert [fault for fault in faults_of(run) if fault.damage] == []
    files = files_of(run)
    changed, unseen = 0, []
    for _ in range(DAMAGES):
        with damaged(files, rng) as what:
            scores, said = reported(run)
        if scores != whole:
            changed += 1
            unseen += [] if said else [what]
    assert not unseen, "\n".join(unseen)
    assert changed > DAMAGES / 20, "the damages reach what is reported"


def test_check_names_the_record_of_a_loop_that_its_episodes_do_not_give(runs: dict[str, Path]) -> None:
    lineage = runs["evolve"] / "lineage.jsonl"
    found = _said_of(lineage, b'"mean":1.0', b'"mean":0.9', runs["evolve"])
    assert any("v1.a1 (attempt): mean is 0.9, its episodes give 1.0" in one for one in found)
    verdict = runs["evolve"] / "attempts" / "v1.a1" / "verdict.json"
    assert any("not the verdict" in one for one in _said_of(verdict, b'"before": 0', b'"before": 1', runs["evolve"]))
    scaffold = runs["evolve"] / "versions" / "v1" / "prompts" / "log.md"
    assert any(
        "not the scaffold that was evaluated" in one for one in _said_of(scaffold, b"LOG", b"LOGS", runs["evolve"])
    )
    dataset = runs["specialize"] / "iterations" / "1" / "dataset.jsonl"
    found = _said_of(dataset, b"DONE", b"GONE", runs["specialize"])
    assert any("not the dataset that was certified" in one for one in found)
    assert any(one.startswith("line 1") or "message" in one for one in found)
    table = runs["specialize"] / "final" / "table.json"
    found = _said_of(table, b'"winner": "1a"', b'"winner": "2b"', runs["specialize"])
    assert found == ["its winner is 2b, by the ledger it is 1a"]


def _said_of(path: Path, before: bytes, after: bytes, run: Path) -> list[str]:
    """What a check says with one change in a file."""
    kept = path.read_bytes()
    assert before in kept
    path.write_bytes(kept.replace(before, after, 1))
    try:
        return [fault.what for fault in faults_of(run) if fault.damage]
    finally:
        path.write_bytes(kept)

"""How a search begins: our errors before anything is written, what is warned of, what may change when it goes on."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from puppet_reviewer import weak_scaffold
from searching import searching

from graphs.reviewer import Context, graph
from graphs.reviewer.lineage import fresh_seeds
from graphs.reviewer.search import Search


@pytest.mark.parametrize(
    ("given", "context", "sentence"),
    [
        ({"world": "volt"}, {}, "vault"),
        ({"tasks": ["one-dor"]}, {}, "one-door"),
        ({"model": "nonsense"}, {}, "nonsense"),
        ({"reviewer_model": "vllm:m"}, {}, "reviewer_base_url"),
        ({"reviewer_model": "nonsense"}, {}, "nonsense"),
        ({"seeds": [1, 1]}, {}, "twice"),
        ({"seeds": [1, 2], "holdout_seeds": [2, 3]}, {}, "hold-out"),
        ({"versions": 0}, {}, "at least 1"),
        ({"gate": "luck"}, {}, "gate"),
        ({"confidence": 1.5}, {}, "confidence"),
        ({"ceilings": {"money": 1}}, {}, "ceiling"),
        ({"attempt_ceilings": {"cost": 1}}, {}, "price"),
        ({"seeds": "1-3"}, {}, "seeds"),
        ({}, {"scaffold": "scaffolds/none"}, "no such scaffold"),
        ({}, {"temperature": "hot"}, "temperature"),
        ({}, {"reviewer_base_url": 7}, "reviewer_base_url"),
        ({}, {"trust_scaffold_code": True}, "that a reviewer wrote"),
    ],
)
def test_our_errors_rise_before_anything_is_written(
    tmp_path: Path, given: dict[str, Any], context: dict[str, Any], sentence: str
) -> None:
    request = {"world": "vault", "seeds": [1], "out": str(tmp_path / "run"), "reviewer_model": "scripted", **given}
    with pytest.raises(ValueError, match=sentence):
        asyncio.run(graph.ainvoke(request, context=Context(**context)))
    assert not (tmp_path / "run").exists()


def test_no_search_begins_where_code_that_a_reviewer_writes_would_run_uncontained(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("graphs.reviewer.check.SHIPPED", tmp_path)
    with searching(tmp_path) as search:
        with pytest.raises(ValueError, match="move the run"):
            search.go()
        assert not search.run.exists()


def test_a_search_is_not_begun_twice_in_one_folder_nor_where_something_else_lies(tmp_path: Path) -> None:
    with searching(tmp_path, versions=1) as search:
        search.run.mkdir()
        (search.run / "notes.txt").write_text("mine")
        with pytest.raises(ValueError, match="no search"):
            search.go()
        (search.run / "notes.txt").unlink()
        search.go(ceilings={"calls": 1})
        with pytest.raises(ValueError, match="`resume`"):
            search.go()


def test_only_what_changes_no_verdict_may_change_when_a_search_goes_on(tmp_path: Path) -> None:
    with searching(tmp_path) as search:
        search.go(ceilings={"calls": 1})
        for name, value in (("gate", "paired"), ("seeds", [4]), ("attempts", 2), ("model", "embedded")):
            with pytest.raises(ValueError, match=name):
                search.go(resume=True, **{name: value})
        other = weak_scaffold(tmp_path / "other")
        (other / "prompts" / "plan.md").write_text((other / "prompts" / "plan.md").read_text() + "\nAct.\n")
        search.context = Context(scaffold=str(other))
        with pytest.raises(ValueError, match="scaffold"):
            search.go(resume=True)


def test_a_gate_that_can_never_open_is_warned_of(tmp_path: Path) -> None:
    with searching(tmp_path, gate="paired", versions=5) as search:
        told = search.go(ceilings={"calls": 1})
    sentences = [event["sentence"] for event in told.of("warning")]
    assert any("can never open" in sentence for sentence in sentences)
    assert any("`holdout_seeds`" in sentence for sentence in sentences)


def test_what_is_needed_to_understand_a_search_is_in_evolve_json(tmp_path: Path) -> None:
    with searching(tmp_path) as search:
        search.go(ceilings={"calls": 1})
    kept = Search.read(search.run)
    assert (kept.model, kept.reviewer_model, kept.gate, kept.seeds) == ("scripted", "vllm:puppet", "mean", [1, 2])
    assert len(kept.digest) == 64
    assert '"versions"' in (search.run / "evolve.json").read_text()


def test_fresh_seeds_follow_from_the_searchs_seed_and_the_attempts_name(tmp_path: Path) -> None:
    with searching(tmp_path, holdout_seeds=[11]) as search:
        search.go(ceilings={"calls": 1})
    kept = Search.read(search.run)
    assert fresh_seeds(kept, "v1.a1") == [1_217_936_230, 1_907_049_720]
    assert fresh_seeds(kept, "v1.a2") != fresh_seeds(kept, "v1.a1") != fresh_seeds(replace(kept, seed=1), "v1.a1")
    clash = replace(kept, holdout_seeds=fresh_seeds(kept, "v1.a1")[:1])
    assert not set(fresh_seeds(clash, "v1.a1")) & set(clash.holdout_seeds)

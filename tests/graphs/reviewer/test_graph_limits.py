"""Budgets end an attempt or the search cleanly; what the machine fails stops it without deciding anything."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from openai_stub import Exchange, OpenAIStub, status
from playing import by_turn
from puppet_reviewer import breaks, helps, in_vain
from searching import searching

from chat_models import ProviderFailure
from graphs.evaluation.playing import Halted
from graphs.reviewer.evaluating import candidates_own
from traces import RunFolder, read_results


def test_a_search_whose_budget_is_spent_ends_with_the_best_version_so_far_and_goes_on_with_a_higher_one(
    tmp_path: Path,
) -> None:
    with searching(tmp_path, helps(1), in_vain(2), versions=2, holdout_seeds=[11]) as search:
        told = search.go(ceilings={"calls": 165})
        one_version = int(told.output["version"])
        assert "the search's ceiling of 165 model calls is reached" in told.output["ended"]
        assert [record.kind for record in search.lineage()][-1] == "end"
        ended = search.go(resume=True, ceilings={"calls": 100_000})
    assert one_version == 1
    assert search.statuses() == [("v1.a1", "accepted"), ("v2.a1", "rejected")]
    assert ended.output["ended"] == "Version 2 is not reached: 1 attempt did not lead to it."
    assert [record.name for record in search.lineage()][-3:] == ["holdout v0", "holdout v1", "end 2"]


def test_an_attempt_whose_budget_is_spent_is_stopped_and_the_next_begins(tmp_path: Path) -> None:
    with searching(tmp_path, helps(1), helps(2), attempts=2, attempt_ceilings={"calls": 25}) as search:
        search.go()
    assert search.statuses() == [("v1.a1", "stopped"), ("v1.a2", "stopped")]
    stopped = search.lineage()[1]
    assert stopped.reason == "the attempt's ceiling of 25 model calls is reached."
    assert stopped.verdict is None
    assert 0 < stopped.spent["player"]["calls"] <= 25


def test_a_reviewer_that_spends_an_attempts_budget_is_stopped(tmp_path: Path) -> None:
    turns = [[("list_episodes", {"run": "incumbent"})]] * 20
    with searching(tmp_path, turns, attempt_ceilings={"calls": 5}) as search:
        search.go()
    assert search.statuses() == [("v1.a1", "stopped")]
    assert search.lineage()[1].spent["reviewer"]["calls"] == 5


def test_a_probe_spends_no_more_than_a_budget_leaves(tmp_path: Path) -> None:
    with searching(tmp_path, helps(1), attempt_ceilings={"calls": 5}, approve=True) as search:
        assert search.go().question is None
    assert search.statuses() == [("v1.a1", "stopped")]
    spent = search.lineage()[1].spent
    assert spent["reviewer"]["calls"] == 3
    assert spent["player"]["calls"] <= 2


def test_what_everyone_spent_is_in_the_lineage(tmp_path: Path) -> None:
    with searching(tmp_path, helps()) as search:
        search.go()
    start, attempt, _ = search.lineage()
    played = read_results(RunFolder(search.run / "evaluations" / "v0"))
    assert start.spent["player"]["calls"] == sum(one.model_calls for one in played)
    assert attempt.spent["reviewer"]["calls"] == 3
    assert attempt.spent["reviewer"]["tokens"] > 0
    assert attempt.spent["player"]["minutes"] > 0


def test_a_player_whose_server_fails_stops_the_search_which_goes_on_when_it_is_back(tmp_path: Path) -> None:
    playing = by_turn({}, otherwise="<|ACTION|>Go East<|END|>")
    with OpenAIStub(playing) as player, searching(tmp_path, in_vain(), model="vllm:player", seeds=[1]) as search:
        search.context = search.context.__class__(
            scaffold=search.context.scaffold,
            reviewer_base_url=search.context.reviewer_base_url,
            base_url=player.url,
            attempts=1,
            max_steps=5,
        )
        player.default = status(500)
        with pytest.raises(Halted, match="v0 could not be played"):
            search.go()
        assert search.lineage() == []
        player.default = playing
        search.go(resume=True)
    assert search.statuses() == [("v1.a1", "rejected")]


def test_a_request_that_only_the_candidate_makes_the_server_refuse_goes_back_to_the_reviewer(tmp_path: Path) -> None:
    plays = by_turn({}, otherwise="<|ACTION|>Go East<|END|>")

    async def picky(exchange: Exchange) -> None:
        await (status(400) if "more-1.md" in str(exchange.body) else plays)(exchange)

    mends = [[("edit_file", {"path": "candidate/scaffold.toml", "old": "more-1.md", "new": "rest.md"})]]
    with OpenAIStub(picky) as player, searching(tmp_path, in_vain(1), mends, model="vllm:player", seeds=[1]) as search:
        search.context = replace(search.context, base_url=player.url, max_steps=5)
        told = search.go()
    assert search.statuses() == [("v1.a1", "rejected")]
    assert "does not accept this request" in told.of("checked")[0]["faults"][0]


def test_a_reviewer_whose_server_fails_stops_the_search_and_its_conversation_goes_on(tmp_path: Path) -> None:
    with searching(tmp_path, helps()) as search:
        behaviour = search.server.default
        search.server.script(behaviour, status(400))
        with pytest.raises(ProviderFailure):
            search.go()
        assert search.statuses() == []
        search.go(resume=True)
    assert search.statuses() == [("v1.a1", "accepted")]
    assert len(search.puppet.asked) == 1


def test_a_failure_is_the_candidates_own_only_where_its_code_or_its_prompts_made_it() -> None:
    def cause(where: str, kind: str) -> dict[str, object]:
        return {"where": where, "kind": kind, "sentence": "", "step": 1}

    assert candidates_own(cause("hooks", "unresponsive"))
    assert candidates_own(cause("provider", "context_too_long"))
    assert candidates_own(cause("provider", "bad_request"))
    assert not candidates_own(cause("provider", "unauthorised"))
    assert not candidates_own(cause("hooks", "containment"))
    assert not candidates_own(cause("provider", "timeout"))
    assert not candidates_own(cause("trace", "trace"))


def test_a_hook_that_writes_into_the_traces_or_looks_for_seeds_finds_nothing(tmp_path: Path) -> None:
    look = (
        "import os, pathlib\n"
        "            found = [str(p) for p in pathlib.Path('/').rglob('*') if 'seed' in p.name]\n"
        "            raise ValueError(f'{found} {dict(os.environ)}')"
    )
    with searching(tmp_path, breaks(["blue", "red"], how=look), seeds=[1]) as search:
        search.go()
    assert search.statuses() == [("v1.a1", "crashed")]
    results = read_results(RunFolder(search.run / "attempts" / "v1.a1" / "evaluation"))
    assert all(one.failure is not None and "seed-" not in one.failure.sentence for one in results)
    assert json.loads((search.run / "evolve.json").read_text())["configuration"]["search"]["seeds"] == [1]

"""A search that a budget broke off, or that two want to drive: what is half done decides nothing and is not spoilt."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest
from openai_stub import status
from puppet_reviewer import helps, rewords
from searching import searching

from chat_models import ProviderFailure
from graphs.reviewer import Input, open_search
from graphs.reviewer.search import Search
from graphs.settings import SettingsError


def test_a_search_whose_budget_ended_it_before_its_start_was_played_goes_on_with_a_higher_one(tmp_path: Path) -> None:
    with searching(tmp_path, helps()) as search:
        assert search.go(ceilings={"calls": 10}).output["version"] == 0
        search.go(resume=True, ceilings={"calls": 100_000})
    assert search.statuses() == [("v1.a1", "accepted")]
    assert [record.name for record in search.lineage()] == ["end 1", "v0", "v1.a1", "end 2"]


def test_a_budget_that_is_not_named_again_stays(tmp_path: Path) -> None:
    with searching(tmp_path, helps()) as search:
        ended = search.go(ceilings={"calls": 10}).output["ended"]
        assert search.go(resume=True, ceilings={}, holdout_seeds=[]).output["ended"] == ended
    assert "ceiling of 10 model calls" in ended


def test_a_budget_that_is_raised_leaves_the_others(tmp_path: Path) -> None:
    with searching(tmp_path, helps()) as search:
        search.go(ceilings={"calls": 10, "minutes": 60})
        search.go(resume=True, ceilings={"calls": 20})
    assert Search.read(search.run).ceilings == {"calls": 20, "minutes": 60}


def test_fresh_seeds_that_a_budget_broke_off_are_played_to_their_end_before_the_gate_judges_them(
    tmp_path: Path,
) -> None:
    with searching(tmp_path, helps(), gate="confirm") as search:
        search.go(ceilings={"calls": 210})
        assert (search.run / "attempts" / "v1.a1" / "fresh" / "candidate" / "summary.json").exists()
        assert search.statuses() == []
        search.go(resume=True, ceilings={"calls": 100_000})
    assert search.statuses() == [("v1.a1", "accepted")]
    verdict = search.lineage()[2].verdict
    assert verdict is not None
    assert verdict["fresh"]["after_mean"] == 1.0


def test_an_evaluation_that_was_broken_off_has_no_mean_and_is_shown_to_no_reviewer(tmp_path: Path) -> None:
    with searching(tmp_path, helps(), attempt_ceilings={"calls": 45}) as search:
        search.go()
    assert search.statuses() == [("v1.a1", "stopped")]
    stopped = search.lineage()[1]
    assert stopped.spent["player"]["calls"] > 0
    assert (stopped.mean, stopped.evaluation, stopped.episodes) == (None, None, 0)


def test_what_a_broken_off_review_spent_is_in_the_lineage_even_if_the_faults_are_other_ones_then(
    tmp_path: Path,
) -> None:
    looks_on = [[("list_episodes", {"run": "incumbent"})]] * 5
    with searching(tmp_path, rewords(1), looks_on, helps(2)) as search:
        answers = search.server.default
        search.server.script(answers, answers, answers, status(400))  # in the first round, then one call of the second
        with pytest.raises(ProviderFailure):
            search.go()
        found = search.run / "attempts" / "v1.a1" / "check.json"
        (round_0,) = json.loads(found.read_text())
        found.write_text(json.dumps([{**round_0, "faults": ["The same in other words."]}]))
        search.go(resume=True)
    assert search.statuses() == [("v1.a1", "accepted")]
    assert len(search.puppet.asked) == 3
    assert search.lineage()[1].spent["reviewer"]["calls"] == 2 + 1 + 3


def test_a_resumed_search_repeats_the_repair_round_that_its_files_say(tmp_path: Path) -> None:
    with searching(tmp_path, rewords(1), helps(2)) as search:
        answers = search.server.default
        search.server.script(*[answers] * 4, status(400))  # the fifth call follows the repair's edits
        with pytest.raises(ProviderFailure):
            search.go()
        told = search.go(resume=True)
    rounds = [one for one in told.events if one["event"] in ("reviewing", "reviewed", "checking", "checked")]
    assert [one["event"] for one in rounds] == ["reviewing", "reviewed", "checking", "checked"]
    assert rounds[0]["round"] == 1
    assert "Nothing structural has changed" in rounds[0]["faults"][0]
    assert len(json.loads((search.run / "attempts" / "v1.a1" / "check.json").read_text())) == 2
    assert search.statuses() == [("v1.a1", "accepted")]


def test_a_search_that_another_run_drives_keeps_its_settings(tmp_path: Path) -> None:
    with searching(tmp_path, helps(), approve=True) as search:
        search.go()
        kept = (search.run / "evolve.json").read_bytes()
        given = Input(**{**search.given, "resume": True})

        async def both() -> None:
            async with open_search(given, search.context):
                other = Input(**{**given, "approve": False, "ceilings": {"calls": 1}})
                async with open_search(other, search.context):
                    pass

        with pytest.raises(SettingsError, match="is in use by another run"):
            asyncio.run(both())
        assert (search.run / "evolve.json").read_bytes() == kept

"""Ceilings of an episode and of a run: reaching one ends the episode as limited, with what it had reached."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from openai_stub import OpenAIStub
from playing import by_turn, folder_of, play, speaker, steps_of, turn_of

from graphs.evaluation import graph
from graphs.inner_agent import graph as inner_agent
from graphs.settings import Context, SettingsError
from graphs.spending import Price, minutes_on, read_prices
from traces import RunFolder, TraceDamaged


@pytest.fixture
def server() -> Iterator[OpenAIStub]:
    with OpenAIStub(by_turn({("PLAN", 0): "<|ACTION|>Go East<|END|>"})) as stub:  # 1,200 + 7 tokens a call
        yield stub


def evaluate(tmp_path: Path, server: OpenAIStub, run: dict[str, float] | None = None, **more: Any) -> dict[str, Any]:
    context = Context(**{"base_url": server.url, "max_steps": 6, **more.pop("context", {})})
    request = {
        "world": "vault",
        "tasks": ["six-doors"],
        "seeds": [1, 2],
        "model": "vllm:m",
        "out": str(tmp_path / "run"),
    }
    summary: dict[str, Any] = graph.invoke({**request, "ceilings": run or {}, **more}, context=context)["summary"]
    return summary


@pytest.mark.parametrize(
    ("ceilings", "calls"),
    [({"calls": 5}, 5), ({"tokens": 3_000}, 3), ({"minutes": 1e-9}, 0)],
)
def test_an_episode_ends_as_limited_when_it_has_spent_what_it_may(
    tmp_path: Path, server: OpenAIStub, ceilings: dict[str, float], calls: int
) -> None:
    summary = evaluate(tmp_path, server, seeds=[1], context={"ceilings": ceilings})
    assert len(server.bodies) == calls
    episode = summary["episodes"][0]
    assert episode["status"] == "limited"
    assert f"ceiling of {next(iter(ceilings.values())):g}" in episode["end_reason"]
    assert (summary["n_limited"], summary["n_failed"], summary["overall"]["n"]) == (1, 0, 1)
    folder = RunFolder(tmp_path / "run").episode("vault", "six-doors", 1)
    assert folder.limited.exists()
    assert not folder.is_finished()


def test_money_is_counted_by_the_price_table(tmp_path: Path, server: OpenAIStub) -> None:
    prices = tmp_path / "prices.toml"
    prices.write_text('["vllm:m"]\nprompt = 1000.0\ncached = 100.0\ncompletion = 2000.0\n')
    # a call: 200 x 0.001 + 1,000 x 0.0001 + 7 x 0.002 = 0.314 dollars
    summary = evaluate(tmp_path, server, seeds=[1], context={"ceilings": {"cost": 0.9}, "prices": str(prices)})
    assert len(server.bodies) == 3
    assert summary["episodes"][0]["cost"] == pytest.approx(3 * 0.314)
    assert summary["cost"] == pytest.approx(3 * 0.314)


def test_a_run_shares_one_ceiling_among_its_episodes(tmp_path: Path, server: OpenAIStub) -> None:
    summary = evaluate(tmp_path, server, {"calls": 12}, concurrency=1)
    assert len(server.bodies) == 12
    assert [episode["status"] for episode in summary["episodes"]] == ["finished", "limited"]
    assert "run's ceiling" in summary["episodes"][1]["end_reason"]


def test_a_limited_run_goes_on_with_a_higher_ceiling_and_what_it_spent_still_counts(
    tmp_path: Path, server: OpenAIStub
) -> None:
    evaluate(tmp_path, server, {"calls": 8}, seeds=[1], concurrency=1)
    again = evaluate(tmp_path, server, {"calls": 8}, seeds=[1], concurrency=1, resume=True)
    spent = len(server.bodies)
    assert again["episodes"][0]["status"] == "limited"
    finished = evaluate(tmp_path, server, {"calls": 100}, seeds=[1], concurrency=1, resume=True)
    assert finished["episodes"][0]["status"] == "finished"
    assert (finished["n_limited"], finished["episodes"][0]["steps"]) == (0, 6)
    assert spent <= 9  # the call of the step that was broken off is made anew


def test_a_limited_episode_of_an_ended_evaluation_goes_on_with_the_evaluation_alone(
    tmp_path: Path, server: OpenAIStub
) -> None:
    evaluate(tmp_path, server, seeds=[1], context={"ceilings": {"calls": 5}})
    run = RunFolder(tmp_path / "run")
    folder, summary, spent = run.episode("vault", "six-doors", 1), run.summary.read_bytes(), len(server.bodies)
    with pytest.raises(SettingsError, match=r"go on with the evaluation in .*run by `resume`, or fork the episode"):
        inner_agent.invoke(
            {"episode": str(folder.path), "steps": 1},
            context=Context(base_url=server.url, max_steps=6, ceilings={"calls": 50}),
        )
    assert (run.summary.read_bytes(), len(server.bodies)) == (summary, spent)
    assert folder.limited.exists()
    again = evaluate(tmp_path, server, seeds=[1], resume=True, context={"ceilings": {"calls": 50}})
    assert again["episodes"][0]["status"] == "finished"
    played = inner_agent.invoke({"episode": str(folder.path), "steps": 1}, context=Context(base_url=server.url))
    assert played["status"] == "finished"


@pytest.mark.parametrize("seeds", [range(10**20), [*range(100_001)]], ids=["range", "list"])
def test_more_seeds_than_a_run_can_have_are_refused_in_one_sentence(
    tmp_path: Path, server: OpenAIStub, seeds: Any
) -> None:
    with pytest.raises(SettingsError, match="The input seeds asks for more than 100,000 seeds: give fewer"):
        evaluate(tmp_path, server, seeds=seeds)
    assert not (tmp_path / "run").exists()


def test_a_run_on_a_thread_says_that_a_ceiling_is_reached(tmp_path: Path, server: OpenAIStub) -> None:
    def run(calls: int, steps: int = 10) -> dict[str, Any]:
        return play(tmp_path, steps, model="vllm:m", base_url=server.url, ceilings={"calls": calls}, task="six-doors")

    ended = run(4)
    assert (ended["status"], ended["reason"]) == ("limited", "the episode's ceiling of 4 model calls is reached")
    assert folder_of(tmp_path).limited.exists()
    assert run(4)["step"] == ended["step"]
    more = run(100, steps=2)
    assert (more["status"], more["reason"], more["step"]) == ("playing", None, ended["step"] + 2)
    assert [one.step for one in steps_of(tmp_path)] == list(range(1, more["step"]))


@pytest.mark.parametrize(
    ("context", "told"),
    [
        ({"ceilings": {"call": 5}}, "calls, tokens, cost, minutes"),
        ({"ceilings": {"calls": 0}}, "above 0"),
        ({"ceilings": {"cost": 5}}, "`prices`"),
        ({"prices": "/nowhere.toml"}, "cannot be read"),
    ],
)
def test_a_ceiling_that_makes_no_sense_is_refused_before_any_call(
    tmp_path: Path, server: OpenAIStub, context: dict[str, Any], told: str
) -> None:
    with pytest.raises(SettingsError, match=told):
        evaluate(tmp_path, server, context=context)
    with pytest.raises(SettingsError, match="is no rule: write one as"):
        evaluate(tmp_path, server, context={"alarms": ["boredom"]})
    assert server.bodies == []


def test_cached_tokens_cost_what_prompt_tokens_cost_unless_they_have_a_price() -> None:
    assert Price(prompt=2.0, completion=10.0).cost(1_000_000, 100_000, 400_000) == 3.0
    assert Price(prompt=2.0, completion=10.0, cached=0.5).cost(1_000_000, 100_000, 400_000) == pytest.approx(2.4)


def test_a_rule_ends_an_episode_of_a_model_that_never_acts_and_a_person_is_warned(
    tmp_path: Path, server: OpenAIStub, caplog: pytest.LogCaptureFixture
) -> None:
    server.default = speaker(lambda messages: f"I am lost in {turn_of(messages)}.")
    rules = {"stop_when": ["missing_action_rate>0.9@4"]}
    summary = evaluate(tmp_path, server, seeds=[1], context=rules)
    (episode,) = summary["episodes"]
    assert (episode["status"], episode["steps"]) == ("limited", 4)
    assert episode["end_reason"].startswith("the rule missing_action_rate>0.9@4 holds")
    assert summary["metrics"]["missing_action_rate"]["mean"] == 1.0
    (warning,) = (one.message for one in caplog.records if "without one valid operation or action" in one.message)
    assert "I am lost in ('PLAN', 3," in warning
    asked = len(server.bodies)
    assert evaluate(tmp_path, server, seeds=[1], resume=True, context=rules)["n_limited"] == 1
    assert len(server.bodies) == asked
    assert evaluate(tmp_path, server, seeds=[1], resume=True)["n_limited"] == 0  # without the rule it goes on


def test_an_alarm_warns_once_and_ends_nothing(
    tmp_path: Path, server: OpenAIStub, caplog: pytest.LogCaptureFixture
) -> None:
    server.default = speaker(lambda messages: f"I am lost in {turn_of(messages)}.")
    alarms = {"alarms": ["missing_action_rate>0.9@2", "recall_hit_rate<0.1@1"], "max_steps": 5}
    (episode,) = evaluate(tmp_path, server, seeds=[1], context=alarms)["episodes"]
    assert episode["status"] == "finished"
    rung = [one.message for one in caplog.records if "the rule" in one.message]
    assert len(rung) == 1
    assert "seed 1: the rule missing_action_rate>0.9@2 holds: missing_action_rate is 1 after 2 steps." in rung[0]


def test_a_text_that_is_no_rule_is_our_error(tmp_path: Path, server: OpenAIStub) -> None:
    with pytest.raises(SettingsError, match="is no rule: write one as"):
        evaluate(tmp_path, server, context={"stop_when": ["boredom"]})
    with pytest.raises(SettingsError, match="is about one of"):
        play(tmp_path, model="vllm:m", base_url=server.url, stop_when=["boredom>1@1"])
    assert server.bodies == []


@pytest.mark.parametrize("price", ['"2.50"', "nan", "-1", "inf", "true"])
def test_a_price_that_is_no_price_is_refused_before_the_first_call(tmp_path: Path, price: str) -> None:
    prices = tmp_path / "prices.toml"
    prices.write_text(f'["vllm:m"]\nprompt = 1\ncompletion = {price}\n')
    with pytest.raises(SettingsError, match=r"completion is .*, not a finite number of at least 0"):
        read_prices(str(prices))


def test_a_clock_that_holds_no_minutes_is_named(tmp_path: Path) -> None:
    (tmp_path / "clock.json").write_text("{}")
    with pytest.raises(TraceDamaged, match=r"clock\.json holds no minutes"):
        minutes_on(RunFolder(tmp_path))

"""Episodes at several servers: spread, kept together, moved when a server dies, and the same whichever answers."""

from __future__ import annotations

import asyncio
import itertools
import logging
import threading
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from openai_stub import Behaviour, Exchange, OpenAIStub, say
from playing import turn_of

from chat_models import ConfigurationError, pool
from graphs.evaluation import graph
from graphs.settings import Context
from graphs.spending import Spending
from lab.counterfactual import Experiment
from lab.operations import Change, find_operation
from traces import EpisodeResult, RunFolder, TraceReader, read_result

EPISODES, STEPS = 8, 5
LISTED = {"/v1/models": {"data": [{"id": "m"}]}}


async def answer(exchange: Exchange) -> None:
    """A deterministic player of the vault: looks something up, writes something down, walks east."""
    routine, step, turn = turn_of(exchange.body["messages"])
    said = {
        ("LOG", 0): "<|SEARCH|>corridor.md|room<|END|>",
        ("LOG", 1): f"<|APPEND|>corridor.md|step {step}: another room<|END|>\n<|DONE|>",
        ("PLAN", 0): "<|TAIL|>corridor.md|3<|END|>",
        ("PLAN", 1): "<|ACTION|>Read Note<|END|>" if step % 2 else "<|ACTION|>Go East<|END|>",
    }
    await say(said[routine, turn])(exchange)


def server(behaviour: Behaviour = answer, port: int = 0) -> OpenAIStub:
    return OpenAIStub(behaviour, port, gets=LISTED)


@pytest.fixture
def pair() -> Iterator[tuple[OpenAIStub, OpenAIStub]]:
    with server() as one, server() as other:
        yield one, other


def evaluate(out: Path, urls: str | list[str], *, seeds: int = EPISODES, **changed: Any) -> dict[str, Any]:
    settings: dict[str, Any] = {"base_url": urls, "max_steps": STEPS, "attempts": 3, "patience_s": 0.0, **changed}
    asked = {"world": "vault", "tasks": ["six-doors"], "seeds": list(range(seeds)), "model": "vllm:m", "out": str(out)}
    asked |= {"concurrency": settings.pop("concurrency", EPISODES), "resume": settings.pop("resume", False)}
    summary: dict[str, Any] = graph.invoke(asked, context=Context(**settings))["summary"]
    return summary


def folder(out: Path, seed: int) -> Any:
    return RunFolder(out).episode("vault", "six-doors", seed)


def played(out: Path, seed: int) -> tuple[object, ...]:
    """All that was played in an episode: without times, and without which server answered."""
    episode = folder(out, seed)
    with TraceReader(episode) as reader:
        steps = list(reader)
    asked = [[call.seed for call in one.calls] for step in steps for one in step.conversations]
    said = [one.messages for step in steps for one in step.conversations]
    done = [(one.step, one.action, one.observation, one.reward, one.info, one.tokens, one.revision) for one in steps]
    notes = {path.name: path.read_bytes() for path in episode.memory.rglob("*.md")}
    return asked, said, done, notes, episode.journal.read_bytes()


def servers_of(out: Path, seed: int) -> list[str]:
    """Which server answered each call of an episode."""
    with TraceReader(folder(out, seed)) as reader:
        return [call.server for step in reader for one in step.conversations for call in one.calls]


def result_of(out: Path, seed: int) -> EpisodeResult:
    found = read_result(folder(out, seed))
    assert found is not None
    return found


def test_load_is_spread_and_an_episode_stays_with_its_server(
    tmp_path: Path, pair: tuple[OpenAIStub, OpenAIStub]
) -> None:
    all_begun, first = threading.Barrier(EPISODES, timeout=60), itertools.count()

    async def once_all_have_begun(exchange: Exchange) -> None:
        if next(first) < EPISODES:
            await asyncio.to_thread(all_begun.wait)
        await answer(exchange)

    urls = [one.url for one in pair]
    for one in pair:
        one.default = once_all_have_begun
    evaluate(tmp_path / "two", urls)
    homes = [set(servers_of(tmp_path / "two", seed)) for seed in range(EPISODES)]
    assert all(len(home) == 1 for home in homes)
    assert sorted(home.pop() for home in homes) == sorted(urls * (EPISODES // 2))
    use = result_of(tmp_path / "two", 0).servers
    (mine,) = use.values()
    assert (mine["calls"], mine["prompt"], mine["cached"], mine["errors"]) == (18, 18 * 1200, 18 * 1000, 0)


def test_a_server_killed_and_restarted_in_mid_run_changes_nothing_that_was_played(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(pool, "FIRST_LOOK_S", 0.02)
    count: defaultdict[str, int] = defaultdict(int)
    again: list[OpenAIStub] = []

    async def dies(exchange: Exchange) -> None:
        count["dying"] += 1
        if count["dying"] >= 10:  # in the middle of its calls
            asyncio.get_running_loop().call_soon(mortal._stop.set)
            await asyncio.sleep(60)
        await answer(exchange)

    async def restarts(exchange: Exchange) -> None:
        count["living"] += 1
        if count["living"] == 40:
            await asyncio.to_thread(mortal._thread.join)
            again.append(await asyncio.to_thread(server(port=mortal.port).__enter__))
        await answer(exchange)

    with server() as calm:
        evaluate(tmp_path / "calm", calm.url)
    with server(restarts) as living, caplog.at_level(logging.WARNING):
        mortal = server(dies).__enter__()
        try:
            summary = evaluate(tmp_path / "storm", [living.url, mortal.url])
        finally:
            for one in again:
                one.__exit__()
    assert (len(summary["episodes"]), summary["n_failed"]) == (EPISODES, 0)
    for seed in range(EPISODES):
        assert played(tmp_path / "storm", seed) == played(tmp_path / "calm", seed)
    assert again[0].bodies, "its episodes came back to it"
    errors = [result_of(tmp_path / "storm", seed).servers.get(mortal.url, {}).get("errors", 0) for seed in range(8)]
    assert sum(error or 0 for error in errors) >= 1
    said = [record.getMessage() for record in caplog.records]
    assert [one for one in said if "go on at the other servers" in one and mortal.url in one]
    assert [one for one in said if one == f"{mortal.url} answers again: its episodes are back."]


def test_a_run_goes_on_with_other_servers_than_it_began_with(
    tmp_path: Path, pair: tuple[OpenAIStub, OpenAIStub]
) -> None:
    urls = [one.url for one in pair]
    evaluate(tmp_path / "run", urls, seeds=2, ceilings={"calls": 9.0})
    evaluate(tmp_path / "run", urls[0], seeds=2, resume=True)
    evaluate(tmp_path / "whole", urls[1], seeds=2)
    for seed in range(2):
        assert played(tmp_path / "run", seed) == played(tmp_path / "whole", seed)


def test_a_counterfactual_is_played_at_the_servers_of_today(
    tmp_path: Path, pair: tuple[OpenAIStub, OpenAIStub]
) -> None:
    evaluate(tmp_path / "run", [one.url for one in pair], seeds=1, max_steps=3)
    for one in pair:
        one.bodies.clear()
    episode, at = folder(tmp_path / "run", 0), {"base_url": pair[1].url}
    lab = Experiment(episode, find_operation(episode, "2.1"), Change(), tmp_path / "lab", horizon=1, servers=at)
    assert asyncio.run(lab.measure(1, Spending({}, "run"))).samples == 1
    assert (len(pair[0].bodies), len(pair[1].bodies) > 0) == (0, True)


def test_all_servers_away_is_a_failure_of_the_machine_and_no_action(tmp_path: Path) -> None:
    urls = ["http://127.0.0.1:9/v1", "http://127.0.0.1:19/v1"]
    summary = evaluate(tmp_path / "run", urls, seeds=1, attempts=1)
    (failed,) = summary["failed_episodes"]
    assert (failed["cause"]["kind"], failed["steps"]) == ("refused", 0)


@pytest.mark.parametrize(
    ("model", "urls", "sentence"),
    [
        ("vllm:m", ["A", "A/"], "The base URL 'A/' is given twice: give each server once."),
        ("scripted", ["A", "B"], "The model 'scripted' is not called at several servers: give `base_url` once"),
        ("vllm:m", ["A", "B"], "The servers serve different models: A has m, B has not, but other: start m there too"),
    ],
)
def test_several_servers_that_cannot_work_are_refused_before_the_first_call(
    tmp_path: Path, model: str, urls: list[str], sentence: str
) -> None:
    with server() as one, server() as other:
        other.gets = {"/v1/models": {"data": [{"id": "other"}]}}
        named = {"A": one.url, "A/": f"{one.url}/", "B": other.url}
        for short, url in reversed(named.items()):
            sentence = sentence.replace(f"'{short}'", f"'{url}'").replace(f" {short} has", f" {url} has")
        asked = {"world": "vault", "tasks": ["six-doors"], "seeds": [1], "model": model, "out": str(tmp_path / "run")}
        for _ in range(2):
            with pytest.raises(ConfigurationError) as caught:
                graph.invoke(asked, context=Context(base_url=[named[short] for short in urls]))
            assert str(caught.value).startswith(sentence)
        assert (one.bodies, other.bodies) == ([], [])
    assert not (tmp_path / "run").exists()

"""The evaluation graph: a protocol's episodes side by side, their progress, faults kept apart, runs gone on with."""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from openai_stub import Behaviour, Exchange, OpenAIStub, late, status
from playing import by_turn, turn_of

from chat_models.keys import client_calls
from graphs.evaluation import graph
from graphs.evaluation.episode import play_step
from graphs.evaluation.playing import EvaluationJob, play_in_loop, play_whole
from graphs.inner_agent.session import Session
from graphs.inner_agent.sessions import SESSIONS
from graphs.settings import Context, SettingsError
from graphs.spending import CeilingReached, Spending
from traces import RunFolder, TraceReader
from worlds import UnknownWorld


@pytest.fixture
def server() -> Iterator[OpenAIStub]:
    with OpenAIStub() as stub:
        yield stub


def evaluate(out: Path, context: Context | None = None, **given: Any) -> dict[str, Any]:
    request = {"world": "vault", "tasks": ["one-door"], "seeds": [1, 2, 3], "out": str(out), **given}
    output: dict[str, Any] = graph.invoke(request, context=context or Context())
    return output


def failing_for(seed_text: str, otherwise: Behaviour, failure: Behaviour) -> Behaviour:
    """Fails the calls whose prompt holds this text."""

    async def behave(exchange: Exchange) -> None:
        chosen = failure if seed_text in json.dumps(exchange.body["messages"]) else otherwise
        await chosen(exchange)

    return behave


def test_every_task_and_seed_is_played_and_summed_up(tmp_path: Path) -> None:
    summary = evaluate(tmp_path / "run", tasks=["one-door", "three-doors"])["summary"]
    assert [(e["task"], e["seed"]) for e in summary["episodes"]] == [
        (task, seed) for task in ("one-door", "three-doors") for seed in (1, 2, 3)
    ]
    assert summary["overall"] == {
        "mean": 100.0, "se": 0.0, "n": 6,
        "n_failed": 0, "n_damaged": 0, "mean_failures_zero": 100.0, "se_failures_zero": 0.0
    }  # fmt: skip
    assert set(summary["tasks"]) == {"one-door", "three-doors"}
    assert json.loads((tmp_path / "run" / "summary.json").read_text()) == summary
    run = json.loads((tmp_path / "run" / "run.json").read_text())
    assert run["configuration"]["settings"]["model"] == "scripted"
    assert run["configuration"]["seeds"] == [1, 2, 3]


def test_concurrency_changes_nothing_but_the_time(tmp_path: Path) -> None:
    for name, concurrency in (("one", 1), ("three", 3)):
        evaluate(tmp_path / name, tasks=["three-doors"], concurrency=concurrency)
    for seed in (1, 2, 3):
        played = []
        for name in ("one", "three"):
            with TraceReader(RunFolder(tmp_path / name).episode("vault", "three-doors", seed)) as reader:
                played.append([(r.action, r.observation, r.revision) for r in reader])
        assert played[0] == played[1]


def test_steps_are_played_while_other_episodes_wait_to_be_opened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened, stepped, hold = itertools.count(), threading.Event(), SESSIONS.hold

    def held(*arguments: Any) -> Session:
        if next(opened) > 0:
            assert stepped.wait(20), "no step is played while episodes are opened"
        return hold(*arguments)

    async def step(session: Session) -> None:
        await play_step(session)
        stepped.set()

    monkeypatch.setattr(SESSIONS, "hold", held)
    monkeypatch.setattr("graphs.evaluation.episode.play_step", step)
    more_than_threads = min(32, (os.cpu_count() or 1) + 4) + 2
    seeds = list(range(1, more_than_threads))
    assert evaluate(tmp_path / "run", seeds=seeds, concurrency=len(seeds))["summary"]["overall"]["n"] == len(seeds)


def test_a_failing_episode_is_listed_apart_and_the_others_go_on(tmp_path: Path, server: OpenAIStub) -> None:
    play_on = by_turn({("PLAN", 0): "<|ACTION|>Go East<|END|>"})
    server.default = failing_for("PLAN step 3", play_on, status(500, "out of memory"))
    context = Context(base_url=server.url, attempts=1, max_steps=4)
    summary = evaluate(tmp_path / "run", context, model="vllm:m", seeds=[1])["summary"]
    assert summary["episodes"] == []
    assert summary["failed_episodes"][0]["cause"]["where"] == "provider"
    assert "out of memory" in summary["failed_episodes"][0]["cause"]["sentence"]
    assert summary["failed_episodes"][0]["steps"] == 2
    assert summary["overall"]["mean"] is None
    assert (summary["overall"]["mean_failures_zero"], summary["overall"]["n_failed"]) == (0.0, 1)


def test_resuming_keeps_finished_episodes_and_takes_up_broken_ones_where_they_stood(
    tmp_path: Path, server: OpenAIStub
) -> None:
    play_on = by_turn({("PLAN", 0): "<|ACTION|>Go East<|END|>"})
    context = Context(base_url=server.url, attempts=1, max_steps=4)
    server.default = play_on
    evaluate(tmp_path / "whole", context, model="vllm:m", seeds=[1, 2])
    finished = iter([True])
    server.default = failing_for("PLAN step 3", play_on, status(500))

    async def one_fails(exchange: Exchange) -> None:
        doomed = turn_of(exchange.body["messages"])[1] == 3 and next(finished, False)
        await (status(500) if doomed else play_on)(exchange)

    server.default = one_fails
    first = evaluate(tmp_path / "run", context, model="vllm:m", seeds=[1, 2], concurrency=1)["summary"]
    assert (len(first["episodes"]), first["n_failed"]) == (1, 1)
    kept = RunFolder(tmp_path / "run").episode("vault", "one-door", first["episodes"][0]["seed"])
    before = {path: path.stat().st_mtime_ns for path in kept.path.rglob("*") if path.is_file()}
    server.default = play_on
    second = evaluate(tmp_path / "run", context, model="vllm:m", seeds=[1, 2], resume=True)["summary"]
    assert (len(second["episodes"]), second["n_failed"]) == (2, 0)
    assert {path: path.stat().st_mtime_ns for path in kept.path.rglob("*") if path.is_file()} == before
    for seed in (1, 2):
        traces = []
        for name in ("whole", "run"):
            folder = RunFolder(tmp_path / name).episode("vault", "one-door", seed)
            with TraceReader(folder) as reader:
                traces.append([(r.action, r.observation, r.reward, r.notices) for r in reader])
        assert traces[0] == traces[1]


def test_a_new_attempt_starts_clean_and_leaves_the_failed_one_untouched(tmp_path: Path, server: OpenAIStub) -> None:
    write = by_turn({("LOG", 0): "<|APPEND|>codes.md|old<|END|><|DONE|>", ("PLAN", 0): "<|ACTION|>Go East<|END|>"})
    server.default = failing_for("PLAN step 3", write, status(500))
    context = Context(base_url=server.url, attempts=1, max_steps=3)
    evaluate(tmp_path / "run", context, model="vllm:m", seeds=[1])
    folder = RunFolder(tmp_path / "run").episode("vault", "one-door", 1)
    left = folder.journal.read_bytes()
    assert (folder.memory / "codes.md").read_text() == "old\n"
    server.default = by_turn({("PLAN", 0): "<|ACTION|>Go East<|END|>"})
    evaluate(tmp_path / "run", context, model="vllm:m", seeds=[1], resume=True, new_attempts=True)
    assert (folder.memory / "codes.md").read_text() == ""
    assert (folder.path / "attempt-1" / "journal.jsonl").read_bytes() == left
    assert (folder.path / "attempt-1" / "memory" / "codes.md").read_text() == "old\n"
    assert folder.is_finished()


def test_a_run_folder_in_use_is_refused_and_so_are_other_settings_when_going_on(tmp_path: Path) -> None:
    evaluate(tmp_path / "run", seeds=[1])
    with pytest.raises(SettingsError, match="`resume`"):
        evaluate(tmp_path / "run", seeds=[1])
    with pytest.raises(SettingsError, match="notebook='on', not 'off'"):
        evaluate(tmp_path / "run", Context(notebook="off"), seeds=[1], resume=True)


def test_progress_is_streamed_step_by_step(tmp_path: Path) -> None:
    async def events() -> list[Any]:
        request = {"world": "vault", "tasks": ["one-door"], "seeds": [1], "out": str(tmp_path / "run")}
        return [event async for event in graph.astream(request, context=Context(), stream_mode="custom")]

    shown = asyncio.run(events())
    assert [event["event"] for event in shown] == ["began", *["step"] * (len(shown) - 2), "ended"]
    assert [event["step"] for event in shown[:-1]] == list(range(len(shown) - 1))
    assert (shown[-1]["event"], shown[-1]["status"], shown[-1]["note"]) == ("ended", "finished", "solved")


@pytest.mark.parametrize(
    ("given", "error", "sentence"),
    [
        ({"world": "volt"}, UnknownWorld, "vault"),
        ({"tasks": ["one-dor"]}, UnknownWorld, "one-door"),
        ({"seeds": [1, 1]}, SettingsError, "twice"),
        ({"seeds": [-1]}, SettingsError, "at least 0"),
        ({"model": "vllm:m"}, ValueError, "base"),
        ({"model": "nonsense"}, ValueError, "nonsense"),
    ],
)
def test_our_errors_rise_before_anything_is_written(
    tmp_path: Path, given: dict[str, Any], error: type[Exception], sentence: str
) -> None:
    with pytest.raises(error, match=sentence):
        evaluate(tmp_path / "run", **given)
    assert not (tmp_path / "run").exists()


def test_a_server_that_answers_late_fails_the_episode_with_the_cause(tmp_path: Path, server: OpenAIStub) -> None:
    server.default = late(5)
    context = Context(base_url=server.url, attempts=2, timeout_s=0.2)
    summary = evaluate(tmp_path / "run", context, model="vllm:m", seeds=[1])["summary"]
    assert summary["failed_episodes"][0]["cause"]["kind"] == "timeout"


def test_an_outer_loops_evaluation_knows_that_it_plays_for_a_client(
    server: OpenAIStub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VLLM_API_KEY", "key-for-vllm")
    monkeypatch.setenv("LANGGRAPH_API_URL", "http://127.0.0.1:2024")
    server.default = by_turn({})
    given: Any = {
        "world": "vault",
        "tasks": ["one-door"],
        "seeds": [1],
        "model": "vllm:m",
        "out": str(tmp_path / "run"),
    }
    context = Context(base_url=server.url, max_steps=2)
    job = EvaluationJob(name="version 0", given=given, context=context, budgets=tuple)
    with client_calls():
        asyncio.run(play_whole(job, lambda _: None))
    assert {headers["authorization"] for headers in server.headers} == {"Bearer none"}


def test_a_loops_evaluation_whose_episodes_their_own_ceilings_ended_is_whole_when_nothing_is_left_to_spend(
    tmp_path: Path,
) -> None:
    given: Any = {"world": "vault", "tasks": ["one-door"], "seeds": [1, 2], "model": "scripted"}
    given["out"] = str(tmp_path / "run")
    context = Context(max_steps=4, ceilings={"calls": 5})
    pairs = [("one-door", 1), ("one-door", 2)]
    job = EvaluationJob(name="final base", given=given, context=context, budgets=tuple)
    assert asyncio.run(play_whole(job, lambda _: None))["n_limited"] == 2
    spent = replace(job, budgets=lambda: [Spending({"calls": 10}, "search", spent={"calls": 10})])
    asyncio.run(play_in_loop(spent, lambda _: None, pairs))
    (job.out.episode("vault", "one-door", 2).path / "limited.json").rename(tmp_path / "limited.json")
    for left, wanted in ((spent, pairs), (spent, [*pairs, ("one-door", 3)])):
        with pytest.raises(CeilingReached, match="the search's ceiling of 10 model calls"):
            asyncio.run(play_in_loop(left, lambda _: None, wanted))

"""With LangSmith's tracing on, every step arrives while it is played; without a server, nothing is lost."""

from __future__ import annotations

import json
import logging
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from langsmith_server import LangSmithServer
from traced_runs import STEPS, episode, expected_tree, played, played_live, tree_of

from graphs.settings import SettingsError
from traces import RunFolder, flagged_steps, langsmith_export, read_result
from traces.health import HEALTH
from traces.langsmith_client import LangSmithClient
from traces.langsmith_episode import Choice
from traces.langsmith_push import push
from traces.reader import TraceReader


@pytest.fixture
def server() -> Iterator[LangSmithServer]:
    with LangSmithServer() as one:
        yield one
        assert one.faults == []


def pushed(run: RunFolder) -> int:
    """How many steps of a run a push sends."""
    with LangSmithClient() as client:
        return push(run, client, Choice(), lambda *_: None).steps


def test_the_whole_tree_of_an_episode_arrives_live_and_a_push_adds_nothing(
    tmp_path: Path, server: LangSmithServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = played_live(monkeypatch, server, tmp_path / "run")
    for step in range(1, STEPS + 1):
        assert tree_of(server, step) == expected_tree(run, step)
    assert len(server.posts) == len(server.runs)
    assert {run["session_name"] for run in server.posts} == {"proofs"}
    assert pushed(run) == 0
    with LangSmithServer() as second:
        monkeypatch.setenv("LANGSMITH_ENDPOINT", second.url)
        assert pushed(run) == STEPS
        assert second.runs == server.runs
        plain = [{**one, "session_id": ""} for one in second.feedback.values()]
        assert plain == [{**one, "session_id": ""} for one in server.feedback.values()]


def test_feedback_tells_reward_invalid_and_unproductive_actions_and_the_score(
    tmp_path: Path, server: LangSmithServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = played_live(monkeypatch, server, tmp_path / "run")
    result = read_result(episode(run))
    assert result is not None
    expected: list[tuple[int, str, float, str | None]] = []
    with TraceReader(episode(run)) as reader:
        for record, flags in flagged_steps(reader, result.final_observation):
            expected += [(record.step, "step", record.step, None), (record.step, "step_reward", record.reward, None)]
            expected.append((record.step, "invalid_action", 0.0, "valid"))
            found = flags.unproductive
            expected.append((record.step, "unproductive", float(found is not None), found or "productive"))
    expected.append((STEPS, "progression", result.progression, "max_steps"))
    expected.append((STEPS, "return", result.episode_return, "max_steps"))
    healthy = {name: result.metrics[name] for name in HEALTH if result.metrics[name] is not None}
    assert "recall_hit_rate" in healthy
    expected += [(STEPS, name, value, None) for name, value in healthy.items()]
    roots = {one["id"]: one for one in server.posts if "parent_run_id" not in one}
    told = [
        (roots[one["run_id"]]["extra"]["metadata"]["step"], one["key"], one["score"], one.get("value"))
        for one in server.feedback.values()
    ]
    assert sorted(told, key=str) == sorted(expected, key=str)
    assert {one["trace_id"] for one in server.feedback.values()} == roots.keys()
    assert {one["session_id"] for one in server.feedback.values()} == set(server.sessions.values())
    assert any(score for _, key, score, _ in told if key == "unproductive")


def test_an_episode_that_is_resumed_goes_on_in_the_same_thread_with_the_same_ids(
    tmp_path: Path, server: LangSmithServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = played_live(monkeypatch, server, tmp_path / "run", ceilings={"calls": 30})
    limited = read_result(episode(run))
    assert limited is not None
    assert limited.status == "limited"
    assert server.runs
    played_live(monkeypatch, server, tmp_path / "run")
    assert len(server.posts) == len(server.runs)
    for step in range(1, STEPS + 1):
        assert tree_of(server, step) == expected_tree(run, step)
    with LangSmithServer() as second:
        monkeypatch.setenv("LANGSMITH_ENDPOINT", second.url)
        pushed(run)
        assert second.runs == server.runs
    assert len({one["extra"]["metadata"]["thread_id"] for one in server.posts}) == 1


def test_a_server_that_comes_back_gets_everything(
    tmp_path: Path, server: LangSmithServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    server.status = 503
    monkeypatch.setattr(langsmith_export, "GATHER_S", 0.01)
    monkeypatch.setattr(langsmith_export, "FIRST_WAIT_S", 0.01)
    end = langsmith_export.LiveEpisode.end

    def mended(live: langsmith_export.LiveEpisode, result: object) -> None:
        assert server.requests, "it had been tried in vain"
        server.status = None
        end(live, result)  # type: ignore[arg-type]

    monkeypatch.setattr(langsmith_export.LiveEpisode, "end", mended)
    run = played_live(monkeypatch, server, tmp_path / "run")
    assert [tree_of(server, step) for step in (1, STEPS)] == [expected_tree(run, step) for step in (1, STEPS)]
    assert caplog.messages == []


@pytest.mark.parametrize("how", ["refused", "unknown", "broken", "hanging"])
def test_without_a_server_the_episode_is_played_and_one_line_says_what_was_not_sent(
    how: str,
    tmp_path: Path,
    server: LangSmithServer,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    url = server.url
    server.status = 500 if how == "broken" else None
    if how == "hanging":
        server.hangs.set()
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        urls = {"refused": f"http://127.0.0.1:{nobody.getsockname()[1]}", "unknown": "http://langsmith.invalid"}
        monkeypatch.setattr(LangSmithServer, "url", urls.get(how, url))
        with caplog.at_level(logging.WARNING):
            run = played_live(monkeypatch, server, tmp_path / "run", steps=5, exit_s=0.5)
    result = read_result(episode(run))
    assert result is not None
    assert (result.status, result.steps) == ("finished", 5)
    told = [message for message in caplog.messages if "LangSmith" in message]
    assert len(told) == 1
    assert "5 steps were not sent" in told[0]
    assert f"automem langsmith push {run.path}" in told[0]
    server.status = None
    server.hangs.clear()
    monkeypatch.setattr(LangSmithServer, "url", url)
    monkeypatch.setenv("LANGSMITH_ENDPOINT", url)
    assert pushed(run) == 5
    assert [tree_of(server, step) for step in (1, 5)] == [expected_tree(run, step) for step in (1, 5)]


def test_steps_that_the_server_refuses_are_reported_at_the_end_and_a_push_sends_them_again(
    tmp_path: Path, server: LangSmithServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    server.mode, server.refuses = "plain", "seed 3 step 1"  # 1 and 10 to 12
    run = played_live(monkeypatch, server, tmp_path / "run", steps=12)
    (said,) = caplog.messages
    assert said.startswith("LangSmith: 4 steps were refused (LangSmith at ")
    assert "HTTP 422" in said
    assert said.endswith(f"automem langsmith push {run.path} sends them again.")
    assert [tree_of(server, step) for step in (1, 10, 12)] == [[], [], []]
    server.refuses = ""
    monkeypatch.setenv("LANGSMITH_ENDPOINT", server.url)
    assert pushed(run) == 4
    assert len(server.posts) == len(server.runs)
    for step in range(1, 13):
        assert tree_of(server, step) == expected_tree(run, step)
    assert pushed(run) == 0


def test_a_refused_key_is_told_once_and_at_once(
    tmp_path: Path, server: LangSmithServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    server.status = 401
    played_live(monkeypatch, server, tmp_path / "run", steps=2)
    assert len(caplog.messages) == 1
    assert "refuses the API key" in caplog.messages[0]
    assert "secret" not in caplog.text


def test_the_command_line_sends_everything_before_it_ends_and_writes_the_key_nowhere(
    tmp_path: Path, server: LangSmithServer
) -> None:
    given = ["--world", "vault", "--task", "one-door", "--seeds", "1", "--max-steps", "3", "--model", "scripted"]
    command = [str(Path(sys.executable).with_name("automem")), "eval", *given, "--out", str(tmp_path / "run")]
    ended = subprocess.run(
        command, env={**os.environ, **server.environment}, capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, ended.stderr
    assert ended.stderr == ""
    roots = [run["name"] for run in server.posts if "parent_run_id" not in run]
    assert roots == [f"vault/one-door seed 1 step {step}" for step in (1, 2, 3)]
    assert server.keys == {"lsv2_secret_of_mine"}
    files = [path for path in (tmp_path / "run").rglob("*") if path.is_file()]
    assert not [path for path in files if b"lsv2_secret" in path.read_bytes()]
    assert "lsv2_secret" not in json.dumps([server.posts, list(server.feedback.values())])


def test_switched_off_nothing_is_begun_and_nothing_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LANGSMITH_TRACING", "false")
    monkeypatch.setattr(langsmith_export, "Exporter", None)
    folder = episode(played(tmp_path / "run", steps=2))
    assert not (folder.path / "times.jsonl").exists()
    assert not (folder.path / "langsmith.json").exists()


@pytest.mark.parametrize(("setting", "value"), [("trace_sample", 1.5), ("trace_hide", ["secrets"])])
def test_wrong_settings_of_tracing_are_our_error(tmp_path: Path, setting: str, value: object) -> None:
    with pytest.raises(SettingsError, match=r"trace|hidden"):
        played(tmp_path / "run", **{setting: value})
    assert not (RunFolder(tmp_path / "run").path / "episodes").exists()


STUDIO = """
import asyncio, os, sys
from langsmith.run_trees import get_cached_client
from graphs.inner_agent import Context, graph
given = {"world": "vault", "task": "six-doors", "seed": 3, "steps": 2}
config = {"configurable": {"thread_id": "t"}}
asyncio.run(graph.ainvoke(given, config, context=Context(runs=sys.argv[1])))
get_cached_client().flush(timeout=30)
"""


def test_in_studio_the_graphs_own_run_shows_its_nodes_and_model_calls_stand_in_the_steps_alone(
    tmp_path: Path, server: LangSmithServer
) -> None:
    server.mode = "plain"
    environment = {**os.environ, **server.environment, "LANGSMITH_USE_DAEMON": "true"}
    ended = subprocess.run(
        [sys.executable, "-c", STUDIO, str(tmp_path)], env=environment, capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, ended.stderr
    run = RunFolder(tmp_path / "t")
    assert [tree_of(server, step) for step in (1, 2)] == [expected_tree(run, step) for step in (1, 2)]
    of_the_graph = [one for one in server.posts if "world" not in one["extra"]["metadata"]]
    assert {"inner_agent", "observe", "log", "remember", "plan", "act"} <= {one["name"] for one in of_the_graph}
    assert {one["run_type"] for one in of_the_graph} == {"chain"}

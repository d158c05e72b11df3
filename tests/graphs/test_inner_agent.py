"""The inner agent: LOG and PLAN over a real notebook, a real world, and a model behind a real server."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from openai_stub import OpenAIStub, status
from playing import by_turn, folder_of, play, speaker, steps_of, turn_of

from chat_models import ProviderFailure
from graphs.inner_agent import Context, graph
from graphs.inner_agent.sessions import SESSIONS
from graphs.settings import SettingsError
from traces import TraceReader
from worlds.registry import BUILT_IN


@pytest.fixture
def server() -> Iterator[OpenAIStub]:
    with OpenAIStub() as stub:
        yield stub


def at(stub: OpenAIStub) -> dict[str, Any]:
    return {"model": "vllm:told", "base_url": stub.url}


def test_plain_dicts_in_and_out_advance_an_episode_and_the_next_run_continues_it(tmp_path: Path) -> None:
    first = play(tmp_path, 3)
    second = play(tmp_path, 2)
    assert (first["step"], second["step"]) == (4, 6)
    assert set(first["observation"]) == {"long", "short"}
    assert first["done"] is False
    assert [record.step for record in steps_of(tmp_path)] == [1, 2, 3, 4, 5]


def test_async_and_sync_runs_play_the_same_episode(tmp_path: Path) -> None:
    play(tmp_path, 12, thread="sync")
    given = {"world": "vault", "seed": 1, "steps": 12, "model": "scripted"}
    config = {"configurable": {"thread_id": "async"}}
    asyncio.run(graph.ainvoke(given, config, context=Context(runs=str(tmp_path / "runs"))))
    sync, other = steps_of(tmp_path, "sync"), steps_of(tmp_path, "async")
    assert [(r.action, r.observation, r.reward, r.revision) for r in sync] == [
        (r.action, r.observation, r.reward, r.revision) for r in other
    ]


def test_log_runs_from_the_second_step_and_sees_the_outcome_of_the_first_action(
    tmp_path: Path, server: OpenAIStub
) -> None:
    server.default = by_turn({("PLAN", 0): "<|ACTION|>Go East<|END|>"})
    play(tmp_path, 2, **at(server))
    routines = [(c.routine, c.messages[1]["content"]) for r in steps_of(tmp_path) for c in r.conversations]
    assert [routine for routine, _ in routines] == ["PLAN", "LOG", "PLAN"]
    log = routines[1][1]
    assert log.startswith("LOG step 2\n")
    assert "You walk east." in log
    assert "Go East" in log
    assert "You walk east." not in routines[0][1]


def test_operations_run_in_the_order_written_and_are_answered(tmp_path: Path, server: OpenAIStub) -> None:
    both = "<|APPEND|>codes.md|red 1 2 3<|END|>\n<|SEARCH|>codes.md|red<|END|>"
    server.default = by_turn({("LOG", 0): both, ("LOG", 1): "<|DONE|>"})
    play(tmp_path, 2, **at(server))
    log = steps_of(tmp_path)[1].conversations[0]
    assert [(o.operation, o.outcome) for o in log.operations] == [
        ("append", "written"),
        ("search", "hit"),
        ("done", "done"),
    ]
    assert log.operations[1].provenance == ((2, log.operations[0].revision),)
    assert "red 1 2 3" in log.messages[3]["content"]


def test_what_cannot_be_read_or_is_not_allowed_is_answered_and_counted(tmp_path: Path, server: OpenAIStub) -> None:
    server.default = by_turn(
        {("PLAN", 0): "<|APPEND|>codes.md|x<|END|>", ("PLAN", 1): "hm", ("PLAN", 2): "<|ACTION|>Wait<|END|>"}
    )
    play(tmp_path, 1, **at(server))
    plan = steps_of(tmp_path)[0].conversations[0]
    assert [o.code for o in plan.operations if o.outcome == "mistake"] == ["not_allowed", "unreadable"]
    assert len(plan.calls) == 3
    assert folder_of(tmp_path).memory.joinpath("codes.md").read_text() == ""


def test_a_routine_ends_after_its_turns(tmp_path: Path, server: OpenAIStub) -> None:
    server.default = speaker(lambda messages: f"{turn_of(messages)}: <|READ|>codes.md<|END|>")
    play(tmp_path, 2, **at(server))
    log, plan = steps_of(tmp_path)[1].conversations
    assert (len(log.calls), len(plan.calls)) == (10, 10)


@pytest.mark.parametrize(
    ("said", "outcome", "told"),
    [
        ("<|ACTION|>Fly Home<|END|>", "invalid", '"Fly Home" is not an action of this world'),
        ("<|READ|>codes.md<|END|>", "missing", "held no action"),
    ],
)
def test_without_a_valid_action_the_default_is_sent_and_the_next_observation_says_so(
    tmp_path: Path, server: OpenAIStub, said: str, outcome: str, told: str
) -> None:
    server.default = speaker(lambda messages: "<|DONE|>" if turn_of(messages)[0] == "LOG" else said)
    play(tmp_path, 2, **at(server))
    first, second = steps_of(tmp_path)
    assert (first.action, first.action_outcome) == ("Wait", outcome)
    assert told in second.notices[0]
    assert second.notices[0] in second.conversations[0].messages[1]["content"]


def test_an_action_written_before_its_recall_was_seen_is_held_back(tmp_path: Path, server: OpenAIStub) -> None:
    hasty = "<|SEARCH|>codes.md|red<|END|>\n<|ACTION|>Go East<|END|>"
    server.default = by_turn({("PLAN", 0): hasty, ("PLAN", 1): "<|ACTION|>Wait<|END|>"})
    play(tmp_path, 1, **at(server))
    record = steps_of(tmp_path)[0]
    assert record.action == "Wait"
    assert "Held back" in record.conversations[0].messages[3]["content"]


def test_an_action_with_nothing_unseen_before_it_is_sent_at_once(tmp_path: Path, server: OpenAIStub) -> None:
    server.default = by_turn({("PLAN", 0): "<|ACTION|>Go East<|END|>\n<|ACTION|>Wait<|END|>"})
    play(tmp_path, 1, **at(server))
    record = steps_of(tmp_path)[0]
    assert (record.action, record.model_calls) == ("Go East", 1)
    assert record.conversations[0].operations[-1].code == "after_end"


@pytest.mark.parametrize("dialect", ["tags", "functions"])
def test_every_prompt_is_rebuilt_from_the_trace_byte_for_byte(tmp_path: Path, server: OpenAIStub, dialect: str) -> None:
    tags = {
        ("LOG", 0): "<|SEARCH|>codes.md|red<|END|>",
        ("LOG", 1): "<|APPEND|>codes.md|a | b\nc<|END|> <|NOPE|>x<|END|>\n<|DONE|>",
        ("PLAN", 0): "<|READ|>strategy.md<|END|>",
        ("PLAN", 1): "<|ACTION|>Go East<|END|>",
    }
    functions = {
        ("LOG", 0): [("search", {"file": "codes.md", "keyword": "red"})],
        ("LOG", 1): [("append", {"file": "codes.md", "text": "a | b\nc"}), ("nope", {"x": 1}), ("done", {})],
        ("PLAN", 0): [("read", {"file": "strategy.md"}), ("act", {"action": "Wait"})],
        ("PLAN", 1): [("act", {"action": "Go East"})],
    }
    server.default = by_turn(tags if dialect == "tags" else functions)
    play(tmp_path, 5, dialect=dialect, **at(server))
    with TraceReader(folder_of(tmp_path)) as reader:
        rebuilt = [
            (reader.prompt(record.step, n, call), talk.tools)
            for record in reader
            for n, talk in enumerate(record.conversations)
            for call in range(len(talk.calls))
        ]
    assert len(rebuilt) == len(server.bodies) == 2 + 4 * 4
    for (prompt, tools), body in zip(rebuilt, server.bodies, strict=True):
        assert prompt == body["messages"]
        assert tools == body.get("tools")


def test_sampling_seeds_are_recorded_and_the_same_in_every_run(tmp_path: Path, server: OpenAIStub) -> None:
    server.default = by_turn({})
    for thread in ("a", "b"):
        play(tmp_path, 2, thread=thread, **at(server))
    seeds = [[c.seed for r in steps_of(tmp_path, t) for k in r.conversations for c in k.calls] for t in ("a", "b")]
    assert seeds[0] == seeds[1] == [body["seed"] for body in server.bodies[:3]]
    assert len(set(seeds[0])) == 3


@pytest.mark.parametrize("mode", ["off", "frozen"])
def test_without_a_writable_notebook_there_is_no_log_and_nothing_is_recorded(
    tmp_path: Path, server: OpenAIStub, mode: Any
) -> None:
    server.default = by_turn({})
    play(tmp_path, 3, notebook=mode, **at(server))
    routines = [c.routine for r in steps_of(tmp_path) for c in r.conversations]
    assert routines == ["PLAN"] * 3
    system = server.bodies[0]["messages"][0]["content"]
    assert "APPEND" not in system
    assert ("SEARCH" in system) == (mode == "frozen")
    assert ("## Notebook" in server.bodies[0]["messages"][1]["content"]) == (mode == "frozen")


def test_a_failed_model_call_never_becomes_an_action_and_the_episode_goes_on_later(
    tmp_path: Path, server: OpenAIStub
) -> None:
    server.default = by_turn({("PLAN", 0): "<|ACTION|>Go East<|END|>"})
    play(tmp_path, 2, **at(server))
    server.default = status(500)
    with pytest.raises(ProviderFailure):
        play(tmp_path, 1, **at(server))
    assert len(steps_of(tmp_path)) == 2
    assert '"kind": "server_error"' in folder_of(tmp_path).failure.read_text().replace('":"', '": "')
    server.default = by_turn({("PLAN", 0): "<|ACTION|>Go East<|END|>"})
    assert play(tmp_path, 1, **at(server))["step"] == 4
    assert not folder_of(tmp_path).failure.exists()


def test_a_lost_session_is_rebuilt_by_replay_and_plays_on_as_if_nothing_had_happened(tmp_path: Path) -> None:
    play(tmp_path, 30, thread="whole", seed=3)
    play(tmp_path, 17, thread="broken", seed=3)
    SESSIONS.close(folder_of(tmp_path, "broken"))
    play(tmp_path, 13, thread="broken", seed=3)
    whole, broken = folder_of(tmp_path, "whole"), folder_of(tmp_path, "broken")
    assert [(r.action, r.observation, r.notices) for r in steps_of(tmp_path, "whole")] == [
        (r.action, r.observation, r.notices) for r in steps_of(tmp_path, "broken")
    ]
    assert whole.journal.read_bytes() == broken.journal.read_bytes()
    assert {p.name: p.read_bytes() for p in whole.memory.iterdir()} == {
        p.name: p.read_bytes() for p in broken.memory.iterdir()
    }


def test_an_episode_ends_with_its_result_and_further_runs_change_nothing(tmp_path: Path) -> None:
    ended = play(tmp_path, 500)
    assert ended["done"]
    folder = folder_of(tmp_path)
    assert folder.is_finished()
    before = folder.steps.read_bytes()
    assert play(tmp_path, 5)["step"] == ended["step"]
    assert folder.steps.read_bytes() == before


def test_a_thread_plays_one_episode(tmp_path: Path) -> None:
    play(tmp_path, 1, seed=1)
    with pytest.raises(SettingsError, match="start a new thread"):
        play(tmp_path, 1, seed=2)


def test_a_run_must_say_which_world() -> None:
    with pytest.raises(SettingsError, match="Which world"):
        graph.invoke({"steps": 1})


@pytest.mark.parametrize("world", [entry.name for entry in BUILT_IN])
def test_a_world_that_is_named_without_a_task_plays_with_nothing_but_its_engine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, world: str
) -> None:
    monkeypatch.setenv("AUTOMEM_DATA", str(tmp_path / "nothing is installed here"))
    assert graph.invoke({"world": world}, context=Context(runs=str(tmp_path / "runs")))["step"] == 2

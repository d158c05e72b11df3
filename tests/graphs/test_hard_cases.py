"""What an adversarial reader of the inner agent found, each once."""

from __future__ import annotations

import json
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from langgraph.checkpoint.memory import InMemorySaver
from openai_stub import Exchange, OpenAIStub, answer, calls, say, status, tool_call
from playing import by_turn, folder_of, play, speaker, steps_of, turn_of

from graphs.evaluation import graph as evaluation
from graphs.inner_agent import Context, graph
from graphs.inner_agent.graph import build
from graphs.inner_agent.sessions import SESSIONS
from graphs.run_lock import Busy
from graphs.settings import SettingsError
from scaffolds import SHIPPED
from traces import RunFolder, TraceFailure, TraceReader, TraceWriter


@pytest.fixture
def server() -> Iterator[OpenAIStub]:
    with OpenAIStub() as stub:
        yield stub


@pytest.fixture
def gameplay() -> Iterator[OpenAIStub]:
    with OpenAIStub() as stub:
        yield stub


def at(stub: OpenAIStub) -> dict[str, Any]:
    return {"model": "vllm:told", "base_url": stub.url}


def faults(messages: list[dict[str, Any]]) -> list[str]:
    """What OpenAI's API would refuse in a conversation."""
    wrong, open_calls = [], []
    for message in messages:
        if message["role"] == "tool":
            if message["tool_call_id"] not in open_calls:
                wrong.append(f"answer to no call: {message['tool_call_id']}")
            else:
                open_calls.remove(message["tool_call_id"])
            continue
        if open_calls:
            wrong.append(f"unanswered calls {open_calls}")
            open_calls = []
        for call in message.get("tool_calls") or []:
            open_calls.append(call["id"])
            if not isinstance(json.loads(call["function"]["arguments"]), dict):
                wrong.append(f"arguments {call['function']['arguments']!r}")
            if not call["function"]["name"].replace("_", "").replace("-", "").isalnum():
                wrong.append(f"name {call['function']['name']!r}")
    return wrong + ([f"unanswered calls {open_calls}"] if open_calls else [])


def strict(behave: Any) -> Any:
    """A server that refuses, as OpenAI's does, a conversation that is not well formed."""

    async def check(exchange: Exchange) -> None:
        wrong = faults(exchange.body["messages"])
        await (answer({"error": {"message": "; ".join(wrong)}}, code=400) if wrong else behave)(exchange)

    return check


BROKEN = tool_call("search", '{"file": ', "a")
ACT = tool_call("act", '{"action": "Go West"}', "b")


@pytest.mark.parametrize(
    "said",
    [
        [BROKEN, ACT],
        [tool_call("nonsense", "{}", "a"), ACT],
        [tool_call("", "{}", "a"), ACT],
        [tool_call("append", '{"file": "codes.md", "text": "x"}', "a"), ACT],
        [BROKEN],
        [ACT, tool_call("read", '{"file": "codes.md"}', "c")],
        [tool_call("search", '{"file": "codes.md", "keyword": "\\ud83d"}', "a"), ACT],
        [tool_call("read", '{"file": "codes.md"}', "same"), tool_call("read", '{"file": "codes.md"}', "same"), ACT],
    ],
)
@pytest.mark.parametrize("two_models", [True, False])
def test_no_model_mistake_makes_a_conversation_that_a_server_refuses(
    tmp_path: Path, server: OpenAIStub, gameplay: OpenAIStub, said: list[Any], two_models: bool
) -> None:
    once = iter([calls(*said)])
    server.default = strict(lambda exchange: next(once, calls(tool_call("act", '{"action": "Wait"}')))(exchange))
    gameplay.default = strict(calls(tool_call("act", '{"action": "Wait"}')))
    two = {"gameplay_model": "vllm:base", "gameplay_base_url": gameplay.url} if two_models else {}
    play(tmp_path, 2, dialect="functions", **at(server), **two)
    with TraceReader(folder_of(tmp_path)) as reader:
        prompts = [reader.prompt(r.step, n, 0) for r in reader for n in range(len(r.conversations))]
    sent = [body["messages"] for body in (*server.bodies, *gameplay.bodies)]
    assert all(prompt in sent for prompt in prompts)


def test_a_veto_on_a_reply_with_two_actions_can_be_replayed(tmp_path: Path, server: OpenAIStub) -> None:
    scaffold = tmp_path / "s"
    shutil.copytree(SHIPPED / "vault" / "v0", scaffold)
    (scaffold / "hooks.py").write_text(
        "from scaffolds import Send, Veto\n\n\nclass Hooks:\n    def act(self, action, view):\n"
        "        return Veto('not there') if action == 'Go East' else Send(action)\n"
    )
    server.default = by_turn({("PLAN", 0): "<|ACTION|>Go East<|END|><|ACTION|>Go West<|END|>"})
    play(tmp_path, 2, scaffold=str(scaffold), trust_scaffold_code=True, **at(server))
    assert [o.outcome for o in steps_of(tmp_path)[0].conversations[0].operations] == ["vetoed", "mistake", "act"]
    SESSIONS.close(folder_of(tmp_path))
    assert play(tmp_path, 1, scaffold=str(scaffold), trust_scaffold_code=True, **at(server))["step"] == 4


def test_a_world_that_moved_while_the_trace_could_not_be_written_is_replayed(
    tmp_path: Path, server: OpenAIStub, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.default = by_turn({("PLAN", 0): "<|ACTION|>Go East<|END|>"})
    play(tmp_path, 3, **at(server))
    with monkeypatch.context() as full:

        def refuse(*_: Any) -> None:
            raise TraceFailure("the disk is full")

        full.setattr(TraceWriter, "write", refuse)
        full.setattr(TraceWriter, "finish", refuse)
        with pytest.raises(TraceFailure):
            play(tmp_path, 1, **at(server))
    play(tmp_path, 2, **at(server))
    play(tmp_path, 5, thread="undisturbed", **at(server))
    assert [(r.observation, r.action) for r in steps_of(tmp_path)] == [
        (r.observation, r.action) for r in steps_of(tmp_path, "undisturbed")
    ]


def test_two_runs_cannot_play_one_episode_at_once(tmp_path: Path, server: OpenAIStub) -> None:
    began, may_go_on = threading.Event(), threading.Event()

    def slow(messages: list[Any]) -> str:
        began.set()
        may_go_on.wait(20)
        return "<|ACTION|>Go East<|END|>"

    server.default = speaker(slow)
    first = threading.Thread(target=play, args=(tmp_path, 1), kwargs=at(server))
    first.start()
    assert began.wait(20)
    with pytest.raises(Busy, match="is in use by another run"):
        play(tmp_path, 1, **at(server))
    may_go_on.set()
    first.join(20)
    assert play(tmp_path, 1, **at(server))["step"] == 3


def test_a_result_that_was_not_written_before_a_kill_is_written_on_resume(tmp_path: Path) -> None:
    request = {"world": "vault", "tasks": ["one-door"], "seeds": [1], "out": str(tmp_path / "run")}
    evaluation.invoke(request)
    folder = RunFolder(tmp_path / "run").episode("vault", "one-door", 1)
    result = json.loads(folder.result.read_text())
    folder.result.unlink()
    evaluation.invoke({**request, "resume": True})
    again = json.loads(folder.result.read_text())
    assert (again["progression"], again["steps"]) == (result["progression"], result["steps"])


def test_a_number_too_big_for_a_checkpointer_is_stored_all_the_same(tmp_path: Path, server: OpenAIStub) -> None:
    server.default = by_turn({("PLAN", 0): f"<|TAIL|>codes.md|{10**30}<|END|>", ("PLAN", 1): "<|ACTION|>Wait<|END|>"})
    saving = build().compile(checkpointer=InMemorySaver())
    context = Context(runs=str(tmp_path / "runs"), base_url=server.url)
    given = {"world": "vault", "seed": 1, "steps": 2, "model": "vllm:m"}
    assert saving.invoke(given, {"configurable": {"thread_id": "t"}}, context=context)["step"] == 3


def test_a_thread_can_move_to_another_server_but_not_to_other_settings(
    tmp_path: Path, server: OpenAIStub, gameplay: OpenAIStub
) -> None:
    server.default = gameplay.default = by_turn({})
    play(tmp_path, 1, **at(server))
    play(tmp_path, 1, **at(gameplay))
    assert (len(server.bodies), len(gameplay.bodies)) == (1, 2)
    with pytest.raises(SettingsError, match="notebook='on', not 'off'"):
        play(tmp_path, 1, notebook="off", **at(server))


@pytest.mark.parametrize(
    ("given", "context", "told"),
    [
        ({}, {"notebook": "bogus"}, "notebook"),
        ({}, {"handoff": "x"}, "handoff"),
        ({}, {"max_steps": "3"}, "max_steps"),
        ({"steps": "3"}, {}, "steps"),
        ({"steps": -1}, {}, "steps"),
        ({"world": 7}, {}, "world"),
        ({"model": 3}, {}, "model"),
        ({"seed": True}, {}, "seed"),
    ],
)
def test_a_setting_of_the_wrong_kind_is_named_and_does_not_spoil_the_thread(
    tmp_path: Path, given: dict[str, Any], context: dict[str, Any], told: str
) -> None:
    thread = {"configurable": {"thread_id": "t"}}
    good = {"world": "vault", "seed": 1, "steps": 1}
    with pytest.raises(SettingsError, match=told):
        graph.invoke({**good, **given}, thread, context=Context(runs=str(tmp_path), **context))
    assert graph.invoke(good, thread, context=Context(runs=str(tmp_path)))["step"] == 2


def test_what_is_null_or_empty_counts_as_left_out(tmp_path: Path) -> None:
    given = {"world": "vault", "task": "", "seed": None, "model": "", "steps": None}
    played = graph.invoke(given, {"configurable": {"thread_id": "t"}}, context=Context(runs=str(tmp_path)))  # type: ignore[arg-type]
    assert (played["task"], played["seed"], played["step"]) == ("one-door", 42, 2)


def test_a_scaffold_says_whose_part_each_is(tmp_path: Path, server: OpenAIStub, gameplay: OpenAIStub) -> None:
    scaffold = tmp_path / "s"
    shutil.copytree(SHIPPED / "vault" / "v0", scaffold)
    toml = scaffold / "scaffold.toml"
    toml.write_text(toml.read_text().replace('plan = "memory"', 'plan = "gameplay"'))
    server.default = gameplay.default = by_turn({})
    two = {"gameplay_model": "vllm:base", "gameplay_base_url": gameplay.url}
    play(tmp_path, 2, scaffold=str(scaffold), **at(server), **two)
    assert [(c.routine, c.role) for c in steps_of(tmp_path)[1].conversations] == [
        ("LOG", "memory"),
        ("PLAN", "gameplay"),
    ]
    assert (len(server.bodies), len(gameplay.bodies)) == (1, 2)


def test_other_seeds_are_refused_when_a_run_goes_on(tmp_path: Path) -> None:
    request = {"world": "vault", "tasks": ["one-door"], "seeds": [1, 2], "out": str(tmp_path / "run")}
    before = evaluation.invoke(request)["summary"]
    with pytest.raises(SettingsError, match=r"seeds=\[1, 2\]"):
        evaluation.invoke({**request, "seeds": [2], "resume": True})
    assert json.loads((tmp_path / "run" / "summary.json").read_text()) == before


def test_mistakes_beside_an_action_or_done_are_told_in_the_next_message(tmp_path: Path, server: OpenAIStub) -> None:
    server.default = by_turn(
        {
            ("LOG", 0): "<|APPNED|>codes.md|x<|END|>\n<|DONE|>",
            ("PLAN", 0): "<|TAIL|>codes.md|few<|END|>\n<|ACTION|>Go East<|END|>",
        }
    )
    play(tmp_path, 2, **at(server))
    second = steps_of(tmp_path)[1]
    log, plan = (talk.messages[1]["content"] for talk in second.conversations)
    assert "Not done: TAIL" in log or "Not done: <|TAIL|>" in log
    assert "APPNED" in plan
    SESSIONS.close(folder_of(tmp_path))
    play(tmp_path, 1, **at(server))
    assert any("TAIL" in notice for notice in steps_of(tmp_path)[2].notices)


def test_a_fault_of_our_own_in_one_episode_leaves_the_others_and_a_summary(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from worlds.scripted_world import VaultWorld

    reset = VaultWorld.reset

    def broken(self: Any, *, seed: int | None = None, options: Any = None) -> Any:
        if seed == 2:
            raise KeyError("a bug")
        return reset(self, seed=seed, options=options)

    monkeypatch.setattr(VaultWorld, "reset", broken)
    request = {"world": "vault", "tasks": ["one-door"], "seeds": [1, 2, 3], "out": str(tmp_path / "run")}
    summary = evaluation.invoke(request)["summary"]
    assert [episode["seed"] for episode in summary["episodes"]] == [1, 3]
    assert "KeyError" in summary["failed_episodes"][0]["cause"]["sentence"]


def test_an_empty_reply_or_an_error_in_the_middle_of_log_leaves_the_step_repeatable(
    tmp_path: Path, server: OpenAIStub
) -> None:
    server.default = by_turn({("PLAN", 0): "<|ACTION|>Go East<|END|>"})
    play(tmp_path, 1, **at(server))
    server.script(say("<|APPEND|>codes.md|once<|END|>"), status(400))
    with pytest.raises(Exception, match="400"):
        play(tmp_path, 1, **at(server))
    play(tmp_path, 1, **at(server))
    assert (folder_of(tmp_path).memory / "codes.md").read_text() == ""
    assert turn_of(server.bodies[-1]["messages"])[1] == 2

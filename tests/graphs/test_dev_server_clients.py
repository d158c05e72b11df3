"""What a client of a started `langgraph dev` is refused, by every way that its API has."""

from __future__ import annotations

import time
import urllib.error
import uuid
from typing import Any

import pytest
from dev_server import ROOT, DevServer

VAULT = {"world": "vault", "seed": 1, "model": "scripted"}
EVALUATION = {"world": "vault", "tasks": ["one-door"], "seeds": [1], "model": "scripted"}


@pytest.mark.parametrize(
    ("graph", "given", "more", "words"),
    [
        ("inner_agent", VAULT, {"context": {"trust_scaffold_code": True}}, "AUTOMEM_ALLOW=trust"),
        ("inner_agent", VAULT, {"context": {"runs": "/etc"}}, "below runs/"),
        ("inner_agent", VAULT, {"config": {"configurable": {"runs": "/etc"}}}, "below runs/"),
        ("inner_agent", VAULT, {"context": {"notebok": "off"}}, "Did you mean notebook"),
        ("inner_agent", VAULT, {"config": {"configurable": {"__pregel_checkpointer": "x"}}}, "has no '__pregel_check"),
        ("inner_agent", {**VAULT, "episode": "/tmp/episodes/vault/one-door/seed-1"}, {}, "below runs/"),
        ("inner_agent", {**VAULT, "steps": 10**9}, {}, "between 0 and 100,000"),
        ("inner_agent", {"world": "x" * 10**6}, {"stream_mode": ["events"]}, "a text of 1,000,000 characters"),
        ("evaluation", {**EVALUATION, "out": str(ROOT / "scaffolds" / "vault" / "v0")}, {}, "below runs/"),
        ("evaluation", {**EVALUATION, "out": ""}, {}, "names no folder"),
        ("evaluation", {**EVALUATION, "out": "runs/x", "max_steps": 2}, {}, "give it in the context"),
        (
            "inner_agent",
            {**VAULT, "base_url": "http://127.0.0.1:9/v1"},
            {},
            "base_url is not part of the input: give it in the context. The input can hold world, task, seed, steps, ",
        ),
        ("inner_agent", VAULT, {"context": {"patience_s": 10**6}}, "patience_s lies between 0 and 3,600"),
        ("inner_agent", VAULT, {"context": {"overflow": "cut"}}, "overflow must be one of 'shorten' or 'fail'"),
        ("curator", {"world": "vault", "out": "runs/c", "launcher": ["/bin/sh"]}, {}, "that this server names"),
    ],
)
def test_what_is_not_a_clients_is_refused_in_a_short_sentence_and_logged_as_short(
    server: DevServer, graph: str, given: dict[str, Any], more: dict[str, Any], words: str
) -> None:
    before = server.log.stat().st_size
    refused = server.run(server.thread(), graph, given, **more)["__error__"]
    assert refused["error"] == "SettingsError"
    assert words in refused["message"]
    assert len(refused["message"]) < 600
    assert server.log.stat().st_size - before < 50_000


def test_no_update_of_a_threads_state_slips_past_the_checks(server: DevServer) -> None:
    thread = server.thread()
    server.run(thread, "inner_agent", {**VAULT, "steps": 1})
    for values, words in (
        ({"episode": "/etc/x"}, "below runs/"),
        ({"conversation": {}}, "is set by the graph"),
        ({"notices": 5}, "notices are a list of texts, not 5"),
        ({"notices": ["x"] * 101}, "has 101 notices"),
        ({"choice": {"a": 1}}, "choice is a text, not a table"),
    ):
        with pytest.raises(urllib.error.HTTPError) as refused:
            server.post(f"/threads/{thread}/state", {"values": values})
        assert words in refused.value.read().decode()
    for command in ({"update": {"episode": "/etc/x"}}, {"goto": "act"}):
        body = {"assistant_id": "inner_agent", "command": command}
        assert server.post(f"/threads/{thread}/runs/wait", body)["__error__"]["error"] == "SettingsError"
    given = {"thread_id": str(uuid.uuid4()), "metadata": {"graph_id": "evaluation"}}
    updates = [{"values": {"settings": {"trust_scaffold_code": True}}, "as_node": "prepare"}]
    with pytest.raises(urllib.error.HTTPError) as refused:
        server.post("/threads", {**given, "supersteps": [{"updates": updates}]})
    assert "is set by the graph" in refused.value.read().decode()
    assert server.run(thread, "inner_agent", {**VAULT, "steps": 1})["step"] == 3


def test_what_an_assistant_brings_is_checked_like_a_runs_own_context(server: DevServer) -> None:
    context = {"runs": "/etc"}
    assistant = server.post("/assistants", {"graph_id": "inner_agent", "context": context})["assistant_id"]
    assert "below runs/" in server.run(server.thread(), assistant, VAULT)["__error__"]["message"]


def test_the_server_calls_no_webhook(server: DevServer) -> None:
    server.run(server.thread(), "inner_agent", VAULT, webhook="http://10.0.0.1/hook")
    for _ in range(200):
        said = [line for line in server.log.read_text().splitlines() if "10.0.0.1/hook" in line]
        if said:
            break
        time.sleep(0.05)
    assert said
    assert all("Webhooks disabled" in line for line in said)

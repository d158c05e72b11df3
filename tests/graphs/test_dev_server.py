"""`langgraph dev`, really started: the graphs over its REST API, threads that go on, errors that arrive readable."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]


class Server:
    """A started server and its REST API."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"

    def post(self, path: str, body: dict[str, Any]) -> Any:
        data = json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data, {"content-type": "application/json"})
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.load(answer)

    def get(self, path: str) -> Any:
        with urllib.request.urlopen(self.url + path, timeout=60) as answer:
            return json.load(answer)

    def thread(self) -> str:
        return str(self.post("/threads", {})["thread_id"])

    def run(self, thread: str, graph: str, given: dict[str, Any], **more: Any) -> Any:
        return self.post(f"/threads/{thread}/runs/wait", {"assistant_id": graph, "input": given, **more})


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The server, started in a folder of its own that holds our langgraph.json."""
    folder = tmp_path_factory.mktemp("dev")
    shutil.copy(ROOT / "langgraph.json", folder)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    quiet = {"LANGSMITH_TRACING": "false", "LANGGRAPH_CLI_NO_ANALYTICS": "1", "LANGGRAPH_NO_VERSION_CHECK": "true"}
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("LANGSMITH", "LANGCHAIN"))}
    command = [
        str(Path(sys.executable).with_name("langgraph")),
        "dev",
        "--no-browser",
        "--no-reload",
        "--port",
        str(port),
    ]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, cwd=folder, env={**environment, **quiet}, stdout=log, stderr=log)
    try:
        started = Server(port)
        for _ in range(240):
            try:
                started.get("/ok")
                break
            except urllib.error.URLError:
                assert process.poll() is None, (folder / "log").read_text()
                time.sleep(0.25)
        else:
            raise AssertionError((folder / "log").read_text())
        yield started
    finally:
        process.terminate()
        process.wait(20)


def test_a_run_advances_an_episode_and_the_next_run_on_the_thread_continues_it(server: Server) -> None:
    thread = server.thread()
    given = {"world": "crafter", "seed": 42, "steps": 3, "model": "scripted"}
    first = server.run(thread, "inner_agent", given)
    second = server.run(thread, "inner_agent", given)
    assert (first["step"], second["step"]) == (4, 7)
    assert first["seed"] == second["seed"] == 42
    assert "You face" in second["observation"]["long"]
    state = server.get(f"/threads/{thread}/state")
    assert state["values"]["step"] == 7
    assert state["next"] == []


def test_the_request_in_the_readme_is_answered(server: Server) -> None:
    line = next(line for line in (ROOT / "README.md").read_text().splitlines() if line.startswith("curl"))
    words = shlex.split(line)
    path = urllib.parse.urlsplit(next(word for word in words if word.startswith("http"))).path
    assert server.post(path, json.loads(words[words.index("-d") + 1]))["step"] == 4


def test_two_threads_play_two_episodes_without_touching_each_other(server: Server) -> None:
    threads = [server.thread(), server.thread()]
    given = {"world": "vault", "seed": 5, "steps": 4, "model": "scripted"}
    ends = [server.run(thread, "inner_agent", given) for thread in threads]
    assert ends[0]["episode"] != ends[1]["episode"]
    assert ends[0]["observation"] == ends[1]["observation"]


def test_the_thread_history_shows_the_nodes_of_each_step(server: Server) -> None:
    thread = server.thread()
    server.run(thread, "inner_agent", {"world": "vault", "seed": 1, "steps": 2, "model": "scripted"})
    history = server.post(f"/threads/{thread}/history", {"limit": 50})
    nodes = [name for state in reversed(history) for name in state["next"]]
    assert nodes[:1] == ["__start__"]
    assert [name for name in nodes if name in ("observe", "act")] == ["observe", "act"] * 2
    assert {"log", "remember", "plan"} <= set(nodes)


def test_another_episode_on_the_same_thread_is_refused_in_one_sentence(server: Server) -> None:
    thread = server.thread()
    server.run(thread, "inner_agent", {"world": "vault", "seed": 1, "steps": 1, "model": "scripted"})
    refused = server.run(thread, "inner_agent", {"world": "vault", "seed": 2, "steps": 1, "model": "scripted"})
    assert refused["__error__"]["error"] == "SettingsError"
    assert "start a new thread" in refused["__error__"]["message"]


def test_context_settings_arrive(server: Server) -> None:
    thread = server.thread()
    given = {"world": "vault", "seed": 1, "steps": 2, "model": "scripted"}
    server.run(thread, "inner_agent", given, context={"notebook": "off"})
    steps = server.get(f"/threads/{thread}/state")["values"]["episode"]
    assert steps
    messages = server.post(f"/threads/{thread}/history", {"limit": 50})
    nodes = {name for state in messages for name in state["next"]}
    assert "log" not in nodes


def test_an_evaluation_runs_over_the_api(server: Server, tmp_path: Path) -> None:
    given = {
        "world": "vault",
        "tasks": ["one-door"],
        "seeds": [1, 2],
        "model": "scripted",
        "out": str(tmp_path / "run"),
    }
    ended = server.run(server.thread(), "evaluation", given)
    assert ended["summary"]["overall"]["n"] == 2
    assert (tmp_path / "run" / "summary.json").exists()


def test_the_schemas_studio_shows_name_what_can_be_given(server: Server) -> None:
    found = server.post("/assistants/search", {"graph_id": "inner_agent"})[0]["assistant_id"]
    schemas = server.get(f"/assistants/{found}/schemas")
    assert {"world", "task", "seed", "steps", "model"} <= set(schemas["input_schema"]["properties"])
    assert {"scaffold", "dialect", "notebook", "gameplay_model"} <= set(schemas["context_schema"]["properties"])

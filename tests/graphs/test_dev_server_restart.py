"""A thread of `langgraph dev` goes on after its server has been stopped, or killed in the middle of a run."""

from __future__ import annotations

import signal
import time
import urllib.error
from pathlib import Path
from typing import Any

import pytest
from dev_server import DevServer, dev_server

from traces import EpisodeFolder, RunFolder, TraceReader

EPISODE = {"world": "vault", "task": "six-doors", "seed": 3, "model": "scripted"}


def played(folder: EpisodeFolder) -> list[Any]:
    with TraceReader(folder) as reader:
        return [(r.step, r.action, r.observation, r.reward, r.notices, r.revision) for r in reader]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> list[Any]:
    """What is played where nothing happens to the server."""
    folder = tmp_path_factory.mktemp("whole")
    with dev_server(folder) as server:
        end = server.run(server.thread(), "inner_agent", {**EPISODE, "steps": 40})
    return played(EpisodeFolder(folder / end["episode"]))


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_a_thread_goes_on_after_its_server_is_gone(tmp_path: Path, whole: list[Any], how: signal.Signals) -> None:
    server = DevServer(tmp_path)
    try:
        thread = server.thread()
        server.run(thread, "inner_agent", {**EPISODE, "steps": 6})
        server.post(f"/threads/{thread}/runs", {"assistant_id": "inner_agent", "input": {**EPISODE, "steps": 34}})
        folder = next(iter(RunFolder(tmp_path / "runs" / "threads" / thread).episodes()))
        for _ in range(400):  # until the second run is under way
            with TraceReader(folder) as reader:
                if len(reader) > 8:
                    break
            time.sleep(0.02)
        server.stop(how)
    finally:
        server.stop(signal.SIGKILL)
    with dev_server(tmp_path) as server:
        assert len(server.post("/assistants/search", {"graph_id": "inner_agent"})) == 4  # none is made twice
        # A server killed before it first wrote has forgotten the thread: the same id brings the episode back. One that
        # was asked to stop remembers, and takes up the interrupted run by itself.
        server.post("/threads", {"thread_id": thread, "if_exists": "do_nothing"})
        while server.get(f"/threads/{thread}")["status"] == "busy":
            time.sleep(0.1)
        end = server.run(thread, "inner_agent", {**EPISODE, "steps": 1})
        if end["step"] < 41:
            end = server.run(thread, "inner_agent", {**EPISODE, "steps": 41 - end["step"]})
    assert len(whole) == 40
    assert played(EpisodeFolder(tmp_path / end["episode"]))[:40] == whole


def test_a_thread_whose_checkpoints_were_never_written_is_rebuilt_from_its_folder(tmp_path: Path) -> None:
    server = DevServer(tmp_path)
    try:
        thread = server.thread()
        while not (tmp_path / ".langgraph_api" / ".langgraph_ops.pckl").exists():
            time.sleep(0.1)  # what is still empty at the server's first writing is written at no later one
        time.sleep(1)
        first = server.run(thread, "inner_agent", {**EPISODE, "steps": 5})
    finally:
        server.stop(signal.SIGKILL)
    with dev_server(tmp_path) as server:
        with pytest.raises(urllib.error.HTTPError, match="409"):
            server.post("/threads", {"thread_id": thread})
        server.post("/threads", {"thread_id": thread, "if_exists": "do_nothing"})
        assert server.get(f"/threads/{thread}/state")["values"] == {}
        assert server.post(f"/threads/{thread}/history", {"limit": 50}) == []
        back = server.run(thread, "inner_agent", {"steps": 0})
        assert back == first
        assert server.get(f"/threads/{thread}/state")["values"]["step"] == 6
        history = server.post(f"/threads/{thread}/history", {"limit": 50})
        third = next(one for one in history if one["values"].get("step") == 3)
        assert third["next"] == ["observe"]
        forked = server.run(thread, "inner_agent", {"steps": 2}, checkpoint=third["checkpoint"])
    assert forked["step"] == 5
    assert "-fork-" in forked["episode"]
    assert len(played(EpisodeFolder(tmp_path / first["episode"]))) == 5

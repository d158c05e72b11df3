"""A thread of `langgraph dev` goes on after its server has been stopped, or killed in the middle of a run."""

from __future__ import annotations

import signal
import time
import urllib.error
from pathlib import Path
from typing import Any

import pytest
from dev_server import DevServer, dev_server
from playing import folder_of, play

from traces import EpisodeFolder, RunFolder, TraceReader

EPISODE = {"world": "vault", "task": "six-doors", "seed": 3, "model": "scripted"}


def played(folder: EpisodeFolder) -> list[Any]:
    with TraceReader(folder) as reader:
        return [(r.step, r.action, r.observation, r.reward, r.notices, r.revision) for r in reader]


def begin_long(server: DevServer) -> str:
    """A thread whose second run, of 34 steps, is under way."""
    thread = server.thread()
    server.run(thread, "inner_agent", {**EPISODE, "steps": 6})
    server.post(f"/threads/{thread}/runs", {"assistant_id": "inner_agent", "input": {**EPISODE, "steps": 34}})
    folder = next(iter(RunFolder(server.folder / "runs" / "threads" / thread).episodes()))
    for _ in range(400):
        with TraceReader(folder) as reader:
            if len(reader) > 8:
                break
        time.sleep(0.02)
    return thread


def check_goes_on(server: DevServer, thread: str, whole: list[Any]) -> None:
    """The thread is played on to step 40, as if nothing had happened."""
    # A server killed before it first wrote has forgotten the thread: the same id brings the episode back. One that
    # was asked to stop remembers, and takes up the interrupted run by itself.
    server.post("/threads", {"thread_id": thread, "if_exists": "do_nothing"})
    while server.get(f"/threads/{thread}")["status"] == "busy":
        time.sleep(0.1)
    end = server.run(thread, "inner_agent", {**EPISODE, "steps": 1})
    if end["step"] < 41:
        end = server.run(thread, "inner_agent", {**EPISODE, "steps": 41 - end["step"]})
    assert len(whole) == 40
    assert played(EpisodeFolder(server.folder / end["episode"]))[:40] == whole


def check_rebuilt(server: DevServer, thread: str, first: dict[str, Any]) -> None:
    """The thread is known, has no state, and gets it back from its run folder, checkpoints of every step too."""
    with pytest.raises(urllib.error.HTTPError, match="409"):
        server.post("/threads", {"thread_id": thread})
    server.post("/threads", {"thread_id": thread, "if_exists": "do_nothing"})
    assert server.get(f"/threads/{thread}/state")["values"] == {}
    assert server.post(f"/threads/{thread}/history", {"limit": 50}) == []
    assert server.run(thread, "inner_agent", {"steps": 0}) == first
    assert server.get(f"/threads/{thread}/state")["values"]["step"] == 6
    history = server.post(f"/threads/{thread}/history", {"limit": 50})
    third = next(one for one in history if one["values"].get("step") == 3)
    assert third["next"] == ["observe"]
    forked = server.run(thread, "inner_agent", {"steps": 2}, checkpoint=third["checkpoint"])
    assert forked["step"] == 5
    assert "-fork-" in forked["episode"]
    assert len(played(EpisodeFolder(server.folder / first["episode"]))) == 5


def test_threads_go_on_after_their_server_was_killed_stopped_and_killed_again(tmp_path: Path) -> None:
    """Four servers in one folder; what is still empty at a server's first writing is written at no later one."""
    play(tmp_path / "whole", 40, thread="whole", seed=3, task="six-doors")
    whole = played(folder_of(tmp_path / "whole", "whole"))
    with dev_server(tmp_path) as server:
        thread = begin_long(server)
        server.stop(signal.SIGKILL)
    with dev_server(tmp_path) as server:
        assert len(server.post("/assistants/search", {"graph_id": "inner_agent"})) == 4  # none is made twice
        check_goes_on(server, thread, whole)
        thread = begin_long(server)
        server.stop(signal.SIGTERM)
    with dev_server(tmp_path) as server:
        check_goes_on(server, thread, whole)
        written = (tmp_path / ".langgraph_api" / ".langgraph_ops.pckl").stat().st_mtime_ns
        thread = server.thread()
        while (tmp_path / ".langgraph_api" / ".langgraph_ops.pckl").stat().st_mtime_ns == written:
            time.sleep(0.1)
        time.sleep(1)
        first = server.run(thread, "inner_agent", {**EPISODE, "steps": 5})
        server.stop(signal.SIGKILL)
    with dev_server(tmp_path) as server:
        check_rebuilt(server, thread, first)

"""A thread of `langgraph dev` goes on after its server has been stopped, or killed in the middle of a run."""

from __future__ import annotations

import signal
import time
from pathlib import Path
from typing import Any

import pytest
from dev_server import DevServer, dev_server

from traces import EpisodeFolder, RunFolder, TraceReader

EPISODE = {"world": "vault", "task": "six-doors", "seed": 3, "model": "scripted"}


def played(folder: EpisodeFolder) -> list[Any]:
    with TraceReader(folder) as reader:
        return [(r.step, r.action, r.observation, r.reward, r.notices, r.revision) for r in reader]


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_a_thread_goes_on_after_its_server_is_gone(tmp_path: Path, how: signal.Signals) -> None:
    (tmp_path / "whole").mkdir()
    (tmp_path / "broken").mkdir()
    with dev_server(tmp_path / "whole") as server:
        whole = server.run(server.thread(), "inner_agent", {**EPISODE, "steps": 40})
    server = DevServer(tmp_path / "broken")
    try:
        thread = server.thread()
        server.run(thread, "inner_agent", {**EPISODE, "steps": 6})
        server.post(f"/threads/{thread}/runs", {"assistant_id": "inner_agent", "input": {**EPISODE, "steps": 34}})
        folder = next(iter(RunFolder(tmp_path / "broken" / "runs" / "threads" / thread).episodes()))
        for _ in range(400):  # until the second run is under way
            with TraceReader(folder) as reader:
                if len(reader) > 8:
                    break
            time.sleep(0.02)
        server.stop(how)
    finally:
        server.stop(signal.SIGKILL)
    with dev_server(tmp_path / "broken") as server:
        # A killed server has forgotten its threads: the same id brings the episode back. One that was asked to stop
        # remembers, and takes up the interrupted run by itself.
        server.post("/threads", {"thread_id": thread, "if_exists": "do_nothing"})
        while server.get(f"/threads/{thread}")["status"] == "busy":
            time.sleep(0.1)
        end = server.run(thread, "inner_agent", {**EPISODE, "steps": 1})
        if end["step"] < 41:
            end = server.run(thread, "inner_agent", {**EPISODE, "steps": 41 - end["step"]})
    steps = played(EpisodeFolder(tmp_path / "broken" / end["episode"]))
    assert steps[:40] == played(EpisodeFolder(tmp_path / "whole" / whole["episode"]))

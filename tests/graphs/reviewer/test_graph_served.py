"""Loop 1 under `langgraph dev`: a search over its REST API, paused for a person twice, answered, and ended."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from dev_server import DevServer
from puppet_reviewer import breaks, helps
from searching import searching


def test_a_search_is_answered_over_the_api_and_nothing_in_it_blocks_the_server(
    tmp_path: Path, server: DevServer
) -> None:
    revision = [helps()[0], [*helps()[1], breaks(["purple"])[0][0]]]
    with searching(tmp_path, revision, approve=True, seeds=[1, 2], gate="confirm", holdout_seeds=[11]) as search:
        thread, context = server.thread(), dataclasses.asdict(search.context)
        waiting = server.run(thread, "reviewer", dict(search.given), context=context)
        asked = waiting["__interrupt__"][0]["value"]
        assert (asked["step"], asked["changes"]["vocabulary"]) == ("evaluate", ["plan: +search"])
        assert asked["ask"] == "Evaluate the candidate v1.a1 on 2 episodes?"
        assert set(asked["answers"]) == {"yes", "no"}
        answer = {"assistant_id": "reviewer", "command": {"resume": {"approve": True}}}
        waiting = server.post(f"/threads/{thread}/runs/wait", answer)
        assert waiting["__interrupt__"][0]["value"]["step"] == "adopt"
        ended = server.post(f"/threads/{thread}/runs/wait", {**answer, "command": {"resume": "yes"}})
    assert ended["version"] == 1
    assert ended["ended"] == "Version 1 is reached, as many as were asked for."
    assert search.statuses() == [("v1.a1", "accepted")]

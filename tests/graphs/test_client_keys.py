"""A client of a started server names a base URL: the server's key does not go there."""

from __future__ import annotations

from pathlib import Path

import pytest
from dev_server import dev_server
from openai_stub import OpenAIStub
from playing import by_turn


@pytest.mark.parametrize("graph", ["inner_agent", "evaluation"])
def test_the_servers_key_is_not_sent_to_a_clients_base_url(tmp_path: Path, graph: str) -> None:
    given = {"world": "vault", "model": "vllm:m"}
    given |= {"seed": 1, "steps": 1} if graph == "inner_agent" else {"seeds": [1], "out": "runs/keys"}  # type: ignore[dict-item]
    with OpenAIStub(by_turn({})) as stub, dev_server(tmp_path, VLLM_API_KEY="key-for-vllm") as server:
        server.run(server.thread(), graph, given, context={"base_url": stub.url, "max_steps": 1})
        assert {headers["authorization"] for headers in stub.headers} == {"Bearer none"}

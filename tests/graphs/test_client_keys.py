"""A client of a started server names a base URL: the server's key does not go there."""

from __future__ import annotations

from pathlib import Path

from dev_server import dev_server
from openai_stub import OpenAIStub
from playing import by_turn


def test_the_servers_key_is_not_sent_to_a_clients_base_url(tmp_path: Path) -> None:
    given = {"world": "vault", "model": "vllm:m"}
    with OpenAIStub(by_turn({})) as stub, dev_server(tmp_path, VLLM_API_KEY="key-for-vllm") as server:
        for graph, more in (
            ("inner_agent", {"seed": 1, "steps": 1}),
            ("evaluation", {"seeds": [1], "out": "runs/keys"}),
        ):
            stub.headers.clear()
            server.run(server.thread(), graph, given | more, context={"base_url": stub.url, "max_steps": 1})
            assert {headers["authorization"] for headers in stub.headers} == {"Bearer none"}

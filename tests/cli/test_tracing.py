"""With LangSmith's tracing on, every world step arrives as a root run of its own before the command ends."""

from __future__ import annotations

import gzip
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

BATCHES = {
    "use_multipart_endpoint": False,
    "size_limit": 100,
    "size_limit_bytes": 20_971_520,
    "scale_up_qsize_trigger": 1000,
    "scale_up_nthreads_limit": 16,
    "scale_down_nempty_trigger": 4,
}
"""What LangSmith says of how it takes in runs: whole, as JSON."""


class Collector(BaseHTTPRequestHandler):
    """Takes in runs as LangSmith does where it offers no multipart uploads."""

    runs: list[dict[str, Any]]

    def do_GET(self) -> None:
        self._answer({"version": "0.10.0", "batch_ingest_config": BATCHES})

    def do_POST(self) -> None:
        raw = self.rfile.read(int(self.headers["content-length"]))
        body = json.loads(gzip.decompress(raw) if self.headers.get("content-encoding") == "gzip" else raw)
        self.runs.extend(body.get("post", []))
        self._answer({})

    def _answer(self, value: dict[str, Any]) -> None:
        data = json.dumps(value).encode()
        self.send_response(200)
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def langsmith() -> Iterator[tuple[str, list[dict[str, Any]]]]:
    runs: list[dict[str, Any]] = []
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Runs", (Collector,), {"runs": runs}))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", runs
    server.shutdown()
    thread.join()
    server.server_close()


def test_every_world_step_is_a_root_run_sent_before_the_command_ends(
    tmp_path: Path, langsmith: tuple[str, list[dict[str, Any]]]
) -> None:
    url, runs = langsmith
    on = {"LANGSMITH_TRACING": "true", "LANGSMITH_API_KEY": "none", "LANGSMITH_ENDPOINT": url}
    given = ["--world", "vault", "--task", "one-door", "--seeds", "1", "--max-steps", "3", "--model", "scripted"]
    command = [str(Path(sys.executable).with_name("automem")), "eval", *given, "--out", str(tmp_path / "run")]
    ended = subprocess.run(command, env={**os.environ, **on}, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    roots = [run["name"] for run in runs if run.get("parent_run_id") is None]
    assert sorted(roots) == ["evaluation", *(f"vault/one-door seed 1 step {step}" for step in (1, 2, 3))]
    assert [run["name"] for run in runs].count("remember") == 2

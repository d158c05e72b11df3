"""`langgraph dev`, really started in a folder of its own, and its REST API."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
QUIET = {"LANGSMITH_TRACING": "false", "LANGGRAPH_CLI_NO_ANALYTICS": "1", "LANGGRAPH_NO_VERSION_CHECK": "true"}


class DevServer:
    """A started server."""

    def __init__(self, folder: Path, config: dict[str, Any] | None = None, **environment: str) -> None:
        """Start the server in `folder`, with what its operator sets, and wait until it answers.

        `config`: what langgraph.json holds beside what is shipped.
        """
        shipped = json.loads((ROOT / "langgraph.json").read_text())
        (folder / "langgraph.json").write_text(json.dumps({**shipped, **(config or {})}))
        self.headers: dict[str, str] = {}
        """What requests are sent with."""
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{port}"
        self.folder = folder
        """The folder it was started in."""
        self.log = folder / "log"
        inherited = {
            name: value for name, value in os.environ.items() if not name.startswith(("LANGSMITH", "LANGCHAIN"))
        }
        program = str(Path(sys.executable).with_name("langgraph"))
        inherited |= {**QUIET, **environment}
        command = [program, "dev", "--no-browser", "--no-reload", "--port", str(port)]
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                command,
                cwd=folder,
                env={**inherited, **QUIET, **environment},
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self._wait()

    def post(self, path: str, body: dict[str, Any], method: str = "POST") -> Any:
        """Send JSON and return the JSON of the answer."""
        data = json.dumps(body).encode()
        headers = {"content-type": "application/json", **self.headers}
        request = urllib.request.Request(self.url + path, data, headers, method=method)
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.loads(answer.read() or b"null")

    def get(self, path: str) -> Any:
        """GET JSON."""
        with urllib.request.urlopen(
            urllib.request.Request(self.url + path, headers=self.headers), timeout=60
        ) as answer:
            return json.load(answer)

    def thread(self) -> str:
        """A new thread's id."""
        return str(self.post("/threads", {})["thread_id"])

    def run(self, thread: str, graph: str, given: dict[str, Any] | None, **more: Any) -> Any:
        """Run a graph on a thread and wait for its output."""
        return self.post(f"/threads/{thread}/runs/wait", {"assistant_id": graph, "input": given, **more})

    def stop(self, how: signal.Signals = signal.SIGTERM) -> None:
        """End the server and everything it started."""
        if self._process.poll() is None:
            os.killpg(self._process.pid, how)
            self._process.wait(20)

    def _wait(self) -> None:
        for _ in range(240):
            try:
                self.get("/ok")
                return
            except urllib.error.URLError:
                assert self._process.poll() is None, self.log.read_text()
                time.sleep(0.25)
        raise AssertionError(self.log.read_text())


@contextmanager
def dev_server(folder: Path, config: dict[str, Any] | None = None, **environment: str) -> Iterator[DevServer]:
    """A server for the length of a `with` block."""
    server = DevServer(folder, config, **environment)
    try:
        yield server
    finally:
        server.stop()

"""A LangSmith to test against: takes runs, feedback, projects and datasets as the real one does, and keeps them.

It is as strict as the real one where that matters: an id, a trace and an order for every run, parents in the order.
"""

from __future__ import annotations

import contextlib
import gzip
import json
import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Literal, Self
from urllib.parse import parse_qs, urlsplit
from uuid import uuid4

import zstandard

Json = dict[str, Any]
Mode = Literal["zstd", "plain", "batch"]
_LINK = re.compile(r"(\d{8}T\d{12}Z)([0-9a-f-]{36})")


class LangSmithServer:
    """The server, in a thread; `with LangSmithServer() as server`."""

    def __init__(self, mode: Mode = "zstd", *, remember: bool = True) -> None:
        self.mode = mode
        self._remember = remember
        self.status: int | None = None
        """Answer everything with this status instead."""
        self.hangs = threading.Event()
        """Set: answer nothing."""
        self.refuses = ""
        """Refuse (422) requests in which this stands."""
        self.holds = ""
        """Answer 409 to requests in which this stands, and take nothing of them."""
        self.posts: list[Json] = []
        """Every run that arrived, as often as it did, in order."""
        self.feedback: dict[str, Json] = {}
        self.sessions: dict[str, str] = {}
        self.datasets: dict[str, Json] = {}
        self.examples: dict[str, Json] = {}
        self.configs: list[Json] = []
        self.keys: set[str] = set()
        """API keys that were shown."""
        self.requests: list[str] = []
        self.faults: list[str] = []
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"server_": self}))
        self._http.daemon_threads = True
        self._thread = threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.05})

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.hangs.clear()
        self._http.shutdown()
        self._thread.join()
        self._http.server_close()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._http.server_port}"

    @property
    def environment(self) -> dict[str, str]:
        """Variables that turn tracing to this server on."""
        on = {"LANGSMITH_TRACING": "true", "LANGSMITH_API_KEY": "lsv2_secret_of_mine", "LANGSMITH_ENDPOINT": self.url}
        return {**on, "LANGSMITH_PROJECT": "proofs"}

    @property
    def runs(self) -> dict[str, Json]:
        """The runs by id, each as it arrived last."""
        return {run["id"]: run for run in self.posts}

    def info(self) -> Json:
        limits = {"use_multipart_endpoint": self.mode != "batch", "size_limit": 100, "size_limit_bytes": 20_971_520}
        limits |= {"scale_up_qsize_trigger": 1000, "scale_up_nthreads_limit": 16, "scale_down_nempty_trigger": 4}
        flags = {"zstd_compression_enabled": self.mode == "zstd"}
        return {"version": "0.10.0", "instance_flags": flags, "batch_ingest_config": limits}

    def take_runs(self, runs: list[Json]) -> None:
        for run in runs:
            links = [_LINK.fullmatch(link) for link in run["dotted_order"].split(".")]
            ids = [link[2] for link in links if link]
            sound = None not in links and ids[-1] == run["id"] and ids[0] == run["trace_id"]
            sound = sound and run.get("parent_run_id") == (ids[-2] if len(ids) > 1 else None)
            times = [link[1] for link in links if link]
            if not sound or times != sorted(times) or not run["start_time"] <= (run.get("end_time") or "9"):
                self.faults.append(f"{run['name']}: {run['dotted_order']}")
            if self._remember:
                self.posts.append(run)

    def take_parts(self, parts: list[tuple[str, Any]]) -> None:
        runs: dict[str, Json] = {}
        known = self.runs
        for name, value in parts:
            kind, identity, *rest = name.split(".")
            if kind == "feedback" and self._remember:
                self.feedback[identity] = value
            elif kind == "feedback":
                continue
            elif kind == "patch":
                known.get(identity, runs.get(identity, {})).update({rest[0]: value} if rest else {})
            elif rest:
                runs[identity][rest[0]] = value
            else:
                runs[identity] = value
        self.take_runs(list(runs.values()))


class _Handler(BaseHTTPRequestHandler):
    server_: LangSmithServer
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        """Answer, unless the server is to misbehave."""
        server, address = self.server_, urlsplit(self.path)
        body = self._body()
        server.requests.append(f"{self.command} {address.path}")
        server.keys.add(self.headers.get("x-api-key") or "")
        while server.hangs.is_set():
            time.sleep(0.02)
        if server.status is not None:
            self._answer({"detail": "out of order"}, server.status)
        elif server.refuses and server.refuses.encode() in body:
            self._answer({"detail": "unprocessable"}, 422)
        elif server.holds and server.holds.encode() in body:
            self._answer({"detail": "exists"}, 409)
        else:
            asked = f"{self.command} {address.path}"
            self._answer(*_ANSWERS[asked](server, parse_qs(address.query), _read(self.headers, body)))

    do_POST = do_GET

    def _body(self) -> bytes:
        raw = self.rfile.read(int(self.headers.get("content-length") or 0))
        encoding = self.headers.get("content-encoding", "")
        if encoding == "zstd":
            return zstandard.ZstdDecompressor().stream_reader(raw, read_across_frames=True).read()
        return gzip.decompress(raw) if encoding == "gzip" else raw

    def _answer(self, value: Any, status: int = 200) -> None:
        data = json.dumps(value).encode()
        with contextlib.suppress(ConnectionError):  # who asked has gone
            self.send_response(status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def _read(headers: Any, body: bytes) -> Any:
    """JSON, or the parts of a form."""
    kind = headers.get("content-type") or ""
    if "multipart" not in kind:
        return json.loads(body) if body else None
    parts = []
    for chunk in body.split(b"--" + kind.split("boundary=")[1].encode())[1:-1]:
        head, _, data = chunk.removeprefix(b"\r\n").partition(b"\r\n\r\n")
        parts.append((head.decode().split('name="')[1].split('"')[0], json.loads(data)))
    return parts


def _find_session(server: LangSmithServer, query: dict[str, list[str]], _: Any) -> tuple[Any, int]:
    name = query.get("name", [""])[0]
    return ([{"id": server.sessions[name], "name": name}] if name in server.sessions else []), 200


def _make_session(server: LangSmithServer, _: Any, body: Json) -> tuple[Any, int]:
    if body["name"] in server.sessions:
        return {"detail": "exists"}, 409
    server.sessions[body["name"]] = str(uuid4())
    return {}, 200


def _take_parts(server: LangSmithServer, _: Any, parts: list[tuple[str, Any]]) -> tuple[Any, int]:
    server.take_parts(parts)
    return {}, 202


def _take_batch(server: LangSmithServer, _: Any, body: Json) -> tuple[Any, int]:
    server.take_runs(body["post"])
    return {}, 202


def _take_feedback(server: LangSmithServer, _: Any, body: Json) -> tuple[Any, int]:
    server.feedback[body["id"]] = body
    return {}, 200


def _list_feedback(server: LangSmithServer, query: dict[str, list[str]], _: Any) -> tuple[Any, int]:
    found = [one for one in server.feedback.values() if one["session_id"] in query["session"]]
    if "source" in query:
        found = [one for one in found if one["feedback_source"]["type"] in query["source"]]
    if "key" in query:
        found = [one for one in found if one["key"] in query["key"]]
    offset, limit = int(query["offset"][0]), int(query["limit"][0])
    return found[offset : offset + limit], 200


def _query_runs(server: LangSmithServer, _: Any, body: Json) -> tuple[Any, int]:
    found = [run for run in server.runs.values() if run["id"] in body["id"]]
    return {"runs": [{name: run.get(name) for name in body["select"]} for run in found], "cursors": {}}, 200


def _find_dataset(server: LangSmithServer, query: dict[str, list[str]], _: Any) -> tuple[Any, int]:
    name = query.get("name", [""])[0]
    return ([server.datasets[name]] if name in server.datasets else []), 200


def _make_dataset(server: LangSmithServer, _: Any, body: Json) -> tuple[Any, int]:
    made = {"id": str(uuid4()), "created_at": "2026-11-20T00:00:00Z", "name": body["name"], "data_type": "kv"}
    server.datasets[body["name"]] = {**made, "metadata": body["extra"]["metadata"]}
    return server.datasets[body["name"]], 200


def _list_examples(server: LangSmithServer, query: dict[str, list[str]], _: Any) -> tuple[Any, int]:
    found = [one for one in server.examples.values() if one["dataset_id"] in query["dataset"]]
    offset, limit = int(query.get("offset", ["0"])[0]), int(query.get("limit", ["100"])[0])
    return found[offset : offset + limit], 200


def _take_examples(server: LangSmithServer, _: Any, body: list[Json]) -> tuple[Any, int]:
    server.examples |= {one["id"]: {"created_at": "2026-11-20T00:00:00Z", **one} for one in body}
    return body, 200


_ANSWERS: dict[str, Callable[[LangSmithServer, Any, Any], tuple[Any, int]]] = {
    "GET /info": lambda server, *_: (server.info(), 200),
    "GET /sessions": _find_session,
    "POST /sessions": _make_session,
    "POST /runs/multipart": _take_parts,
    "POST /runs/batch": _take_batch,
    "POST /runs/query": _query_runs,
    "POST /feedback": _take_feedback,
    "GET /feedback": _list_feedback,
    "GET /feedback-configs": lambda server, *_: (server.configs, 200),
    "GET /datasets": _find_dataset,
    "POST /datasets": _make_dataset,
    "GET /examples": _list_examples,
    "POST /examples/bulk": _take_examples,
}


@contextlib.contextmanager
def spawn_langsmith() -> Iterator[str]:
    """A server in a process of its own, which remembers nothing: its CPU is not counted with ours; yields its URL."""
    with subprocess.Popen([sys.executable, str(Path(__file__))], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().strip()
        finally:
            process.terminate()


if __name__ == "__main__":
    with LangSmithServer(remember=False) as _server:
        sys.stdout.write(_server.url + "\n")
        sys.stdout.flush()
        threading.Event().wait()

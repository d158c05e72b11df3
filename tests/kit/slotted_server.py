"""A model's server of so many slots, each busy with a request for a fixed time; the playing agent's replies, canned.

    python tests/kit/slotted_server.py --slots 64 --latency 0.3

It reads just enough of a request to know what to answer: a microsecond's work, so that what is measured is the client.
The first line of its output is the base URL. GET /busy answers with the seconds that slots were busy, and the time.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import subprocess
import sys
import time
import urllib.request
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ACTIONS = ("Move West", "Do", "Noop", "Move North", "Do", "Move East", "Do", "Move South")


class Server:
    """The slots and their queue."""

    def __init__(self, slots: int, latency_s: float) -> None:
        from openai_stub import Agent
        from stub_replies import completion

        self.free, self.slots, self.latency_s = slots, slots, latency_s
        self.queue: deque[Connection] = deque()
        self.busy_s, self.counted_at, self.requests = 0.0, time.monotonic(), 0
        self.search = _response(completion("stub", Agent.tag("search", {"file": "map_notes.md", "keyword": "tree"})))
        note = Agent.tag("append", {"file": "survival_log.md", "text": "nothing new in sight"})
        self.note = _response(completion("stub", f"{note}\n{Agent.tag('done', {})}"))
        self.acts = [_response(completion("stub", Agent.tag("act", {"action": one}))) for one in ACTIONS]

    def count(self) -> None:
        """Add up how long slots were busy until now."""
        now = time.monotonic()
        self.busy_s += (self.slots - self.free) * (now - self.counted_at)
        self.counted_at = now

    def take(self, connection: Connection) -> None:
        """Answer a request when a slot is free and its time is over."""
        self.requests += 1
        if not self.latency_s:
            connection.answer()
            return
        self.count()
        if not self.free:
            self.queue.append(connection)
            return
        self.free -= 1
        asyncio.get_running_loop().call_later(self.latency_s, self.end, connection)

    def end(self, connection: Connection) -> None:
        """A slot has done its work; it takes the next request."""
        connection.answer()
        self.count()
        self.free += 1
        if self.queue:
            self.free -= 1
            asyncio.get_running_loop().call_later(self.latency_s, self.end, self.queue.popleft())


class Connection(asyncio.Protocol):
    """A client's connection: one request at a time."""

    def __init__(self, server: Server) -> None:
        self.server, self.data = server, b""
        self.transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Remember where to answer."""
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        """Collect a request; a whole one is taken."""
        self.data += data
        head, found, body = self.data.partition(b"\r\n\r\n")
        if not found:
            return
        if head.startswith(b"GET"):
            self.server.count()
            self._write(
                _response({"busy_s": self.server.busy_s, "at": time.monotonic(), "requests": self.server.requests})
            )
        elif len(body) >= int(head.lower().partition(b"content-length:")[2].split(b"\r\n")[0]):
            self.body, self.data = body, b""
            self.server.take(self)

    def answer(self) -> None:
        """Write what the agent says: it searches first, then it notes (LOG) or acts (PLAN)."""
        log, plan = self.body.rfind(b"LOG step"), self.body.rfind(b"PLAN step")
        opened = max(log, plan)
        if b'"assistant"' not in self.body[opened:]:
            self._write(self.server.search)
        elif log > plan:
            self._write(self.server.note)
        else:
            digits = self.body[plan + 10 : plan + 16]
            step = int(b"".join(digits[i : i + 1] for i in range(6) if digits[i : i + 1].isdigit()) or b"0")
            self._write(self.server.acts[step % len(ACTIONS)])

    def _write(self, response: bytes) -> None:
        self.data = b""
        if self.transport is not None and not self.transport.is_closing():
            self.transport.write(response)


def _response(body: object) -> bytes:
    data = json.dumps(body).encode()
    return b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b" % (len(data), data)


@contextmanager
def slotted_server(slots: int, latency_s: float) -> Iterator[str]:
    """The base URL of such a server, in a process of its own."""
    words = [sys.executable, str(Path(__file__)), "--slots", str(slots), "--latency", str(latency_s)]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().strip()
        finally:
            process.terminate()


def busy(url: str) -> dict[str, float]:
    """How long the slots were busy since the start: busy_s, requests; and the time, at."""
    with urllib.request.urlopen(url.removesuffix("/v1") + "/busy") as answer:
        found: dict[str, float] = json.load(answer)
    return found


async def _serve(slots: int, latency_s: float) -> None:
    model = Server(slots, latency_s)
    listening = await asyncio.get_running_loop().create_server(lambda: Connection(model), "127.0.0.1", 0, backlog=1_000)
    sys.stdout.write(f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}/v1\n")
    sys.stdout.flush()
    await listening.serve_forever()


def main() -> None:
    """Serve until killed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--slots", type=int, default=64)
    parser.add_argument("--latency", type=float, default=0.0)
    options = parser.parse_args()
    asyncio.run(_serve(options.slots, options.latency))


if __name__ == "__main__":
    main()

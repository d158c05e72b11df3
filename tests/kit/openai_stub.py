"""A scriptable OpenAI-compatible server for tests and benchmarks.

In tests it lives in a thread with a loop of its own:

    with OpenAIStub() as stub:
        stub.script(status(500), say("hello"))
        ...                                        # talk to stub.url
        assert stub.bodies[-1]["seed"] == 7

In benchmarks it lives in a process of its own (`with spawn_agent() as url:`, or by hand
`python tests/kit/openai_stub.py --agent --port 8123`) and answers as an agent that plays: four calls per step.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from stub_replies import (
    Behaviour,
    Exchange,
    Json,
    answer,
    calls,
    completion,
    context_too_long,
    cut,
    drip,
    hang_up,
    holding,
    late,
    raw,
    say,
    status,
    tool_call,
    unknown_model,
)

__all__ = [
    "Agent",
    "Behaviour",
    "Exchange",
    "Json",
    "OpenAIStub",
    "answer",
    "calls",
    "completion",
    "context_too_long",
    "cut",
    "drip",
    "hang_up",
    "holding",
    "late",
    "raw",
    "say",
    "spawn_agent",
    "status",
    "tool_call",
    "unknown_model",
]


@dataclass(frozen=True)
class Agent:
    """A playing agent without a model: LOG searches, then appends and ends; PLAN searches, then acts.

    It looks only at the messages: which routine the last user message that opens one belongs to, and whether anything
    was answered since. Tags when the request offers no tools, tool calls when it does.
    """

    actions: Sequence[str] = ("Noop",)
    searched: str = "map_notes.md"
    written: str = "survival_log.md"

    async def __call__(self, exchange: Exchange) -> None:
        """Answer one request of a routine."""
        await self.behave(exchange.body)(exchange)

    def behave(self, body: Json) -> Behaviour:
        """The answer to this request, as a behaviour."""
        operations = self.operations(body.get("messages", []))
        if body.get("tools"):
            entries = [tool_call(name, json.dumps(args), f"call_{n}") for n, (name, args) in enumerate(operations)]
            return calls(*entries)
        return say("\n".join(self.tag(name, args) for name, args in operations))

    def operations(self, messages: Sequence[Json]) -> list[tuple[str, dict[str, str]]]:
        """What to call now: (operation, arguments) pairs."""
        opener, turn = "", 1
        for message in messages:
            text = message.get("content")
            if message.get("role") == "user" and isinstance(text, str) and text.startswith(("LOG step", "PLAN step")):
                opener, turn = text, 1
            elif message.get("role") == "assistant":
                turn += 1
        step = int("".join(filter(str.isdigit, opener.split("\n", 1)[0])) or 0)
        if turn == 1:
            return [("search", {"file": self.searched, "keyword": "tree"})]
        if opener.startswith("LOG"):
            note = f"step {step}: nothing new in sight"
            return [("append", {"file": self.written, "text": note}), ("done", {})]
        return [("act", {"action": self.actions[step % len(self.actions)]})]

    @staticmethod
    def tag(name: str, arguments: Mapping[str, str]) -> str:
        """One operation in the tag dialect."""
        if name == "done":
            return "<|DONE|>"
        word = "ACTION" if name == "act" else name.upper()
        return f"<|{word}|>{'|'.join(arguments.values())}<|END|>"


@dataclass
class OpenAIStub:
    """The server, in a thread with its own event loop; a context manager."""

    default: Behaviour = field(default_factory=say)
    port: int = 0
    bodies: list[Json] = field(default_factory=list)
    headers: list[Mapping[str, str]] = field(default_factory=list)
    connections: int = 0
    remember: bool = True
    gets: dict[str, Json] = field(default_factory=dict)
    """What a GET of a path answers with; 404 for the others."""

    def __post_init__(self) -> None:
        self._queue: deque[Behaviour] = deque()
        self._started = threading.Event()
        self._failed: BaseException | None = None
        self._thread = threading.Thread(target=self._run, daemon=True, name="openai-stub")

    @property
    def url(self) -> str:
        """The base URL a client is given."""
        return f"http://127.0.0.1:{self.port}/v1"

    def script(self, *behaviours: Behaviour) -> None:
        """Answer the next requests so, one after another; `default` answers the ones after that."""
        self._queue.extend(behaviours)

    def __enter__(self) -> OpenAIStub:
        self._thread.start()
        self._started.wait(10)
        if self._failed is not None:
            raise self._failed
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(10)

    def _run(self) -> None:
        try:
            asyncio.run(self.serve())
        except BaseException as error:  # noqa: BLE001 - handed to the thread that waits in __enter__
            self._failed = error
            self._started.set()

    async def serve(self) -> None:
        """Serve until stopped."""
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        self._open: dict[asyncio.Task[None], asyncio.StreamWriter] = {}
        server = await asyncio.start_server(self._accept, "127.0.0.1", self.port, limit=2**24)
        self.port = server.sockets[0].getsockname()[1]
        self._started.set()
        await self._stop.wait()
        server.close()
        for task in self._open:
            task.cancel()
        await asyncio.gather(*self._open, return_exceptions=True)
        await server.wait_closed()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._open[task] = writer
        self.connections += 1
        try:
            while not writer.is_closing():
                await self._answer(*await self._read(reader), writer)
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass  # the client went away, or the stub is being stopped
        finally:
            self._open.pop(task, None)
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()

    @staticmethod
    async def _read(reader: asyncio.StreamReader) -> tuple[str, dict[str, str], bytes]:
        lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines[1:] if ": " in line)}
        return lines[0].split(" ")[1], headers, await reader.readexactly(int(headers.get("content-length", 0)))

    async def _answer(self, path: str, headers: dict[str, str], data: bytes, writer: asyncio.StreamWriter) -> None:
        if not path.endswith("/chat/completions"):
            found = self.gets.get(path)
            payload = b'{"detail":"Not Found"}' if found is None else json.dumps(found).encode()
            await Exchange(path, headers, {}, writer).send(payload, code=404 if found is None else 200)
            return
        body = json.loads(data)
        if self.remember:
            self.bodies.append(body)
            self.headers.append(headers)
        behaviour = self._queue.popleft() if self._queue else self.default
        await behaviour(Exchange(path, headers, body, writer))


@contextlib.contextmanager
def spawn_agent(actions: Sequence[str] = ("Noop",)) -> Iterator[str]:
    """The agent in a process of its own, so that its CPU is not counted with the client's; yields the base URL."""
    command = [sys.executable, str(Path(__file__)), "--agent", "--actions", ",".join(actions)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().strip()
        finally:
            process.terminate()


async def _serve_by_hand(stub: OpenAIStub) -> None:
    serving = asyncio.ensure_future(stub.serve())
    await asyncio.to_thread(stub._started.wait, 10)
    sys.stdout.write(stub.url + "\n")
    sys.stdout.flush()
    await serving


def main() -> None:
    """Serve until killed; the first line of output is the base URL."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--agent", action="store_true", help="answer as a playing agent instead of 'hello'")
    parser.add_argument("--actions", default="Noop", help="what the agent does in PLAN, in turn, separated by commas")
    options = parser.parse_args()
    behaviour = Agent(tuple(options.actions.split(","))) if options.agent else say()
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_serve_by_hand(OpenAIStub(behaviour, options.port, remember=False)))


if __name__ == "__main__":
    main()

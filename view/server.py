"""The server: pages, what they ask for, and how it is started and ends.

Everything a page shows is read when it is asked for; what is expensive is read once, in the background. Nothing but
labels and judgements is ever written, and these into the run that they are about.
"""

from __future__ import annotations

import asyncio
import errno
import hashlib
import ipaddress
import json
import re
import socket
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import orjson
from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.routing import Route

from graphs.settings import SettingsError
from memory_fs.journal import NotebookFailure
from traces import TraceFailure, TraceReader
from traces.replay import replay_file, served_page
from traces.replay_blocks import packed
from traces.under_way import Counting
from training import TrainingError
from view.comparison import compare
from view.episodes import run_page
from view.guard import LOOPBACK, Guard
from view.index import Index, query_of
from view.judging import judge, judgements
from view.lab import controls_page, effects_of, lab_page
from view.labels import write_labels
from view.library import Library, NotThere, kind_of
from view.loops import ledger_page, lineage_page
from view.playback import Playbacks
from view.table import Table, with_baseline
from view.traffic import Traffic

if TYPE_CHECKING:
    import uvicorn

PAGE = Path(__file__).with_name("page")
BODY = 64_000
"""Bytes of what a page may send."""
_EPISODE = r"(?P<run>.+)/episodes/(?P<world>[^/]+)/(?P<task>[^/]+)/(?P<seed>seed-\d+)"
_OURS = (SettingsError, TraceFailure, TrainingError, NotebookFailure)


class Site:
    """What the pages of one folder are made of."""

    def __init__(self, root: Path) -> None:
        """SettingsError where `root` is no folder."""
        self.library = Library(root)
        self.table = Table(self.library)
        self.playbacks = Playbacks()
        self.counting = Counting()
        self.traffic = Traffic()
        self.index = Index(self.library, self.traffic)

    def close(self) -> None:
        """Stop what works in the background."""
        self.counting.close()
        self.table.close()
        self.playbacks.close()
        self.index.close()

    def routes(self) -> list[Route]:
        """All addresses."""
        return [
            Route("/", self.shell),
            Route("/compare", self.shell),
            Route("/search", self.shell),
            Route("/assets/{name}", self.asset),
            Route("/api/runs", _answered(self.runs)),
            Route("/api/compare", _answered(self.compare)),
            Route("/api/search", _answered(self.search)),
            Route("/api/run/{name:path}", _answered(self.run)),
            Route("/api/judge/{place:path}", self.judge, methods=["POST"]),
            Route("/api/prompt/{place:path}", _answered(self.prompt)),
            Route("/api/labels/{name:path}", self.labels, methods=["POST"]),
            Route("/piece/{place:path}", _answered(self.piece)),
            Route("/run/{place:path}", self.place),
        ]

    async def shell(self, _: Request) -> Response:
        """The page around everything but the replay page."""
        return HTMLResponse((PAGE / "app.html").read_text(encoding="utf-8"))

    async def asset(self, request: Request) -> Response:
        """A script or style sheet."""
        name = request.path_params["name"]
        kinds = {"js": "text/javascript", "css": "text/css", "svg": "image/svg+xml"}
        if name in ("dom.js", "palette.css"):
            return Response(replay_file(name), media_type=kinds[name.rpartition(".")[2]])
        if not re.fullmatch(r"[a-z-]+\.(js|css|svg)", name) or not (PAGE / name).is_file():
            raise HTTPException(404, "There is no such file.")
        return Response((PAGE / name).read_bytes(), media_type=kinds[name.rpartition(".")[2]])

    def runs(self, request: Request) -> Any:
        """The table of runs."""
        rows = with_baseline(self.table.rows(), request.query_params.get("baseline", ""))
        return {"root": str(self.library.root), "runs": rows}

    def run(self, request: Request) -> Any:
        """One run."""
        name = request.path_params["name"]
        run = self.library.run(name)
        rows = [row for row in self.table.rows() if row["run"] == name or row["within"] == name]
        page = run_page(run, self.counting) if run.run.exists() else {"episodes": []}
        path = self.library.path(name)
        match kind_of(path):
            case "search":
                page |= lineage_page(path, name)
            case "specialist":
                page |= ledger_page(path, name)
            case "controls":
                page |= controls_page(path, name)
            case "counterfactuals":
                page |= lab_page(self.library, path)
            case _:
                page["effects"] = effects_of(run, name)
        curves = self.index.curves(name)
        for one in page["episodes"]:
            one["curve"] = curves.get((one["world"], one["task"], one["seed"]))
        return {"name": name, "rows": with_baseline(rows, ""), **page}

    def compare(self, request: Request) -> Any:
        """Two runs beside each other."""
        asked = [request.query_params.get(name, "") for name in ("a", "b")]
        return compare(*map(self.library.run, asked))

    def search(self, request: Request) -> Any:
        """Operations and notebook lines of all episodes."""
        with self.traffic.request():
            return self.index.search(query_of(request.query_params))

    async def labels(self, request: Request) -> Response:
        """Keep a run's tags and note."""

        def keep(given: Any) -> Any:
            kept = write_labels(self.library.path(request.path_params["name"]), given)
            self.table.changed()
            return kept

        return await _posted(request, keep)

    async def judge(self, request: Request) -> Response:
        """Keep a judgement of an operation."""

        def keep(given: Any) -> Any:
            asked = self._episode(request.path_params["place"])
            return judge(self.library.run(asked["run"]), self.library.episode(**asked), given)

        return await _posted(request, keep)

    async def place(self, request: Request) -> Response:
        """A run's page, or the replay page of one of its episodes."""
        found = re.fullmatch(_EPISODE, request.path_params["place"])
        if found is None:
            return await self.shell(request)

        def page() -> Response:
            with self.traffic.request():
                self.library.episode(**found.groupdict())
                title = f"{found['world']} · {found['task']} · {found['seed'].replace('-', ' ')}"
                source = "/piece/" + quote(found[0])
                scripts, style = (_read(name) for name in ("live.js", "live.css"))
                headers = {"content-security-policy": "frame-ancestors 'none'"}  # the rest is in the page
                # Until the browser asks for the first piece, the episode is opened.
                opening = BackgroundTask(self._open, found.groupdict())
                return HTMLResponse(served_page(title, source, scripts, style), headers=headers, background=opening)

        return await _in_thread(page)

    def _open(self, asked: dict[str, str]) -> None:
        """Open an episode, so that its pieces are there soon; why it cannot be, is said when they are asked for."""
        with suppress(NotThere, TraceFailure), self.traffic.request():
            self.playbacks.of(self.library.episode(**asked))

    def _episode(self, place: str) -> dict[str, str]:
        """Run, world, task and seed of an episode's address."""
        found = re.fullmatch(_EPISODE, place)
        if found is None:
            raise NotThere("That is no address of an episode.")
        return found.groupdict()

    def prompt(self, request: Request) -> Any:
        """What a call of a model was sent, byte for byte: its messages as JSON, and the tools that went with them."""
        folder = self.library.episode(**self._episode(request.path_params["place"]))
        step, conversation, call = (
            int(request.query_params.get(name, "")) for name in ("step", "conversation", "call")
        )
        with TraceReader(folder) as reader:
            try:
                asked = reader.step(step).conversations[conversation]
                tokens = asked.calls[call].prompt_tokens
                return {"messages": asked.prompt(call), "tools": asked.tools, "tokens": tokens}
            except IndexError:
                raise NotThere(f"The episode has no such call at step {step}.") from None

    def piece(self, request: Request) -> Any:
        """A piece of an episode, or what was added to it since."""
        found = re.fullmatch(_EPISODE + r"/(?P<piece>[a-z0-9-]+)", request.path_params["place"])
        if found is None:
            raise NotThere("There is no such piece of an episode.")
        asked = found.groupdict()
        piece = asked.pop("piece")
        if piece == "more":
            steps, pieces, frames, reach = (
                int(request.query_params.get(name, "0")) for name in ("steps", "pieces", "frames", "reach")
            )
            return self.playbacks.of(self.library.episode(**asked)).more(steps, pieces, frames, reach)
        with self.traffic.request():
            return self._piece(piece, asked)

    def _piece(self, piece: str, asked: dict[str, str]) -> Response:
        playback = self.playbacks.of(self.library.episode(**asked))
        if piece == "head":
            given = judgements(self.library.run(asked["run"]), playback.folder)
            return Response(packed({**playback.head(), "judgements": given}), media_type="application/octet-stream")
        named = re.fullmatch(r"0-(steps|notebook|frames)-(\d{1,7})", piece)
        if named is None:
            raise NotThere("There is no such piece of an episode.")
        try:
            return Response(playback.piece(named[1], int(named[2])), media_type="application/octet-stream")
        except IndexError:
            raise NotThere("There is no such piece of the episode, or not yet.") from None


def application(site: Site, hosts: set[str] | None = None, token: str | None = None) -> Starlette:
    """The ASGI application; `hosts` and `token` as for `Guard`."""
    guard = Middleware(Guard, hosts=hosts, token=token)
    return Starlette(routes=site.routes(), middleware=[guard], exception_handlers={HTTPException: _http_error})


def serve(root: Path, host: str, port: int, token: str | None, ready: Callable[[str], None]) -> None:
    """Serve the runs below `root` until the process is stopped. `ready` is called with the address.

    SettingsError for a folder that is none, a host that others reach without a token, a port that cannot be had.
    """
    import uvicorn

    if not is_loopback(host) and not token:
        raise SettingsError(
            f"Others can reach {host}: give a `token`, which the page then asks for, or serve on 127.0.0.1."
        )
    site = Site(root)
    bound = listening(host, port)
    port = bound.getsockname()[1]
    names = {f"{f'[{name}]' if ':' in name else name}:{port}" for name in (*LOOPBACK, host)}
    shown = f"http://{f'[{host}]' if ':' in host else host}:{port}/"
    app = application(site, names if is_loopback(host) else None, token)
    config = uvicorn.Config(app, log_level="warning", access_log=False, timeout_graceful_shutdown=2)
    site.index.start()
    ready(shown + (f"?token={quote(token)}" if token else ""))
    try:
        _server(config, site).run(sockets=[bound])
    finally:
        site.close()
        bound.close()


def _server(config: uvicorn.Config, site: Site) -> uvicorn.Server:
    """A server that, before it waits for its last requests, closes what they may be waiting for."""
    import uvicorn

    class Server(uvicorn.Server):
        async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
            await run_in_threadpool(site.close)
            await super().shutdown(sockets)

    return Server(config)


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches a host's address."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def listening(host: str, port: int) -> socket.socket:
    """A socket that listens there. SettingsError where it cannot."""
    try:
        return socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
    except (OSError, OverflowError) as error:
        number = getattr(error, "errno", None)
        if number == errno.EADDRINUSE:
            sentence = f"The port {port} of {host} is in use: give another `port`, or stop what uses it."
        elif number == errno.EACCES:
            sentence = f"The port {port} is the system's: give a `port` from 1024 on."
        else:
            sentence = f"{host} port {port} cannot be listened on: {error}."
        raise SettingsError(sentence) from error


def _answered(work: Callable[[Request], Any]) -> Callable[[Request], Any]:
    """An endpoint that answers with what `work` returns, as JSON with an ETag; it works in a thread."""

    async def answer(request: Request) -> Response:
        return await _in_thread(lambda: _as_answer(request, work(request)))

    return answer


async def _in_thread(work: Callable[[], Response]) -> Response:
    """What `work` answers, or the sentence of its failure; 503 where the server has stopped waiting for it."""
    try:
        return await run_in_threadpool(_or_sentence, work)
    except asyncio.CancelledError:
        return PlainTextResponse("The server ends.", 503)


def _as_answer(request: Request, found: Any) -> Response:
    if isinstance(found, Response):
        return found
    try:
        body = orjson.dumps(found, option=orjson.OPT_NON_STR_KEYS)
    except TypeError:  # a lone surrogate or an integer beyond 64 bits, both of which a trace may hold
        body = json.dumps(found).encode()
    tag = f'"{hashlib.sha256(body).hexdigest()[:32]}"'
    if request.headers.get("if-none-match") == tag:
        return Response(status_code=304, headers={"etag": tag})
    return Response(body, media_type="application/json", headers={"etag": tag})


async def _posted(request: Request, work: Callable[[Any], Any]) -> Response:
    """Do what a page sent as JSON, and answer with what came of it."""
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > BODY:
            return PlainTextResponse(f"A page sends at most {BODY:,} bytes.", 413)
    try:
        given = orjson.loads(body)
    except orjson.JSONDecodeError:
        return PlainTextResponse("What was sent is no JSON.", 400)
    return await _in_thread(lambda: _as_answer(request, work(given)))


def _or_sentence(work: Callable[[], Response]) -> Response:
    """What `work` answers; our errors and the machine's failures as a sentence."""
    try:
        return work()
    except NotThere as error:
        return PlainTextResponse(str(error), 404)
    except _OURS as error:
        return PlainTextResponse(str(error), 409 if isinstance(error, TraceFailure) else 400)
    except FileNotFoundError as error:
        return PlainTextResponse(f"{error.filename} is gone: the run was moved or deleted while it was read.", 404)
    except ValueError as error:
        return PlainTextResponse(f"That cannot be asked: {error}.", 400)


async def _http_error(_: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return PlainTextResponse(str(error.detail), error.status_code)


def _read(name: str) -> str:
    return (PAGE / name).read_text(encoding="utf-8")

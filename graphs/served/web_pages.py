"""The ready assistants that a started server offers: settings of each graph, for Studio.

They are made when the server starts, under ids that stay the same: one that is there is left as it is, so that what a
person changed stays. Each has a context, and in its metadata an input that plays with it.
"""

from __future__ import annotations

import asyncio
import json
import os
import tomllib
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from langgraph_sdk import get_client
from starlette.applications import Starlette
from starlette.datastructures import Headers
from starlette.middleware import Middleware
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from chat_models.keys import on_loopback


@dataclass(frozen=True, kw_only=True)
class Assistant:
    """One ready assistant, as assistants.toml describes it."""

    graph: str
    name: str
    description: str
    context: dict[str, Any]
    input: dict[str, Any]

    @property
    def id(self) -> str:
        """The same in every server."""
        return str(uuid.uuid5(uuid.NAMESPACE_URL, f"automem/{self.graph}/{self.name}"))


def assistants() -> list[Assistant]:
    """All that are shipped."""
    tables = tomllib.loads(Path(__file__).with_name("assistants.toml").read_text(encoding="utf-8"))
    return [Assistant(graph=graph, **one) for graph, several in tables.items() for one in several]


@asynccontextmanager
async def offered(_: Starlette) -> AsyncIterator[None]:
    """Make the assistants that the server does not have yet."""
    client = get_client()  # of this very server, in its own process
    for one in await asyncio.to_thread(assistants):
        await client.assistants.create(
            one.graph,
            assistant_id=one.id,
            name=one.name,
            description=one.description,
            context=one.context,
            metadata={"input": one.input},
            if_exists="do_nothing",
        )
    yield


PRIVATE_NETWORK = b"access-control-request-private-network"


class KnownPages:
    """Refuses with 403 what a page of another origin sends, and, on loopback, what is addressed to a name that is not
    this machine's."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        http = json.loads(os.environ.get("LANGGRAPH_HTTP") or "{}")
        self._origins = frozenset((http.get("cors") or {}).get("allow_origins") or ())

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or refuse it."""
        if scope["type"] in ("http", "websocket") and (fault := self._fault(Headers(scope=scope))):
            await JSONResponse({"detail": fault}, 403)(scope, receive, send)
            return
        if scope["type"] == "http" and scope["method"] == "OPTIONS":
            # Starlette answers 400 to a preflight that asks for the private network. LangGraph's server allows it by a
            # middleware of its own, which adds a header to that answer and leaves the status.
            scope = {**scope, "headers": [header for header in scope["headers"] if header[0] != PRIVATE_NETWORK]}
        await self._app(scope, receive, send)

    def _fault(self, headers: Headers) -> str | None:
        host, origin = headers.get("host", ""), headers.get("origin")
        if on_loopback() and not _is_this_machine(host):
            return "This server is called as localhost or by its address, not by another name."
        if origin is None or origin in self._origins or origin.partition("://")[2] == host:
            return None
        return (
            "Web pages of this origin are not answered: http.cors.allow_origins in langgraph.json lists those that are."
        )


def _is_this_machine(host: str) -> bool:
    """Whether a Host header holds an address, localhost, or a name without a dot, as calls within the process have:
    none of these can be a foreign page's."""
    try:
        name = (urlsplit(f"//{host}").hostname or "").rstrip(".")
        if "." not in name or name.endswith(".localhost"):
            return True
        return bool(ip_address(name))
    except ValueError:
        return False


app = Starlette(lifespan=offered, middleware=[Middleware(KnownPages)])

"""Which web pages a started server answers: those of the origins in langgraph.json (Studio), and its own.

Any page that is open in a browser on this machine can send requests to a server on it. `http.cors` keeps a page of
another origin from reading the answers, but a request that needs no preflight (a POST of text/plain) is carried out all
the same, and a page whose name is made to resolve to this machine is of the server's own origin. Both are refused here.
This is the `http.app` of langgraph.json: LangGraph's server puts its routes behind the middleware of this application,
and offers its ready assistants when it starts.
"""

from __future__ import annotations

import json
import os
from ipaddress import ip_address
from urllib.parse import urlsplit

from starlette.applications import Starlette
from starlette.datastructures import Headers
from starlette.middleware import Middleware
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from chat_models.keys import on_loopback
from graphs.assistants import offered

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
        if origin is None or origin in self._origins or urlsplit(origin).netloc == host:
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

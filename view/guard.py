"""Who may ask the server: this machine's browser, for pages of this server alone; others with the token.

A page of another origin can neither read answers nor send anything: the Host header must name this server, which a name
that resolves to this machine does not (DNS rebinding), and what is sent must come from a page of the same origin.
"""

from __future__ import annotations

import hmac
from collections.abc import Collection
from urllib.parse import parse_qsl, quote, urlencode

from starlette.datastructures import Headers
from starlette.requests import HTTPConnection
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

COOKIE = "automem_view"
LOOPBACK = ("127.0.0.1", "localhost", "::1")
HEADERS = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "x-frame-options": "DENY",
    "cache-control": "no-cache",
}
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""Of every page but the replay page, whose own names its script by digest."""


class Guard:
    """ASGI middleware: refuses whom it must with a sentence, and adds the headers that contain a page."""

    def __init__(self, app: ASGIApp, hosts: Collection[str] | None, token: str | None) -> None:
        """`hosts`: what a Host header may say; None: anything, which needs a token."""
        self.app, self.hosts, self.token = app, hosts, token

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or hand it on."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        refused = self._refusal(HTTPConnection(scope))

        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                known = {name for name, _ in message["headers"]}
                more = {**HEADERS, "content-security-policy": POLICY}
                message["headers"] = [
                    *message["headers"],
                    *((name.encode(), value.encode()) for name, value in more.items() if name.encode() not in known),
                ]
            await send(message)

        await (refused or self.app)(scope, receive, guarded)

    def _refusal(self, asked: HTTPConnection) -> Response | None:
        headers = asked.headers
        host = headers.get("host", "")
        if self.hosts is not None and host.lower() not in self.hosts:
            return PlainTextResponse("This server is not called by that name: open the address it printed.", 421)
        if self.token is not None and not self._has_token(asked):
            given = dict(_query(asked)).get("token")
            if given is None or not hmac.compare_digest(given.encode(), self.token.encode()):
                return PlainTextResponse("This page asks for the token that the server was started with: ?token=…", 401)
            return self._with_cookie(asked)
        if asked.scope["method"] not in ("GET", "HEAD") and not _same_origin(headers, host):
            return PlainTextResponse("Only pages of this server may send anything to it.", 403)
        return None

    def _has_token(self, asked: HTTPConnection) -> bool:
        assert self.token is not None
        bearer = asked.headers.get("authorization", "").removeprefix("Bearer ")
        given = (asked.cookies.get(_cookie(asked), ""), bearer)
        return any(hmac.compare_digest(one.encode(), self.token.encode()) for one in given)

    def _with_cookie(self, asked: HTTPConnection) -> Response:
        """The same address without the token in it, which would stay in the browser's history."""
        assert self.token is not None
        rest = urlencode([(name, value) for name, value in _query(asked) if name != "token"])
        answer = RedirectResponse(quote(asked.scope["path"]) + (f"?{rest}" if rest else ""), 303)
        answer.set_cookie(_cookie(asked), self.token, httponly=True, samesite="strict")
        return answer


def _query(asked: HTTPConnection) -> list[tuple[str, str]]:
    """From the request line; `asked.url` is made of the Host header, too, which may be anything."""
    return parse_qsl(asked.scope["query_string"].decode("latin-1"))


def _cookie(asked: HTTPConnection) -> str:
    """The cookie's name: browsers send cookies to all ports of a host, where other servers may have theirs."""
    return f"{COOKIE}_{(asked.scope.get('server') or ('', 0))[1]}"


def _same_origin(headers: Headers, host: str) -> bool:
    """Whether a page of this server sent it. Browsers send Origin with every POST; other clients send none of these."""
    site = headers.get("sec-fetch-site", "same-origin")
    origin = headers.get("origin", "")
    json = headers.get("content-type", "").split(";")[0].strip() == "application/json"
    return site == "same-origin" and json and origin.lower() in (f"http://{host}".lower(), f"https://{host}".lower())

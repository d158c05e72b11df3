"""HTTP clients: one per event loop, one for threads without a loop, and of both a kind that checks addresses.

An asynchronous connection belongs to the loop it was opened in: shared between loops it fails with "Event loop is
closed" or "bound to a different event loop". Here every loop gets a client of its own, shared by all models, and it is
closed when the loop ends. No client follows redirects: a key is for the host it was sent to.

A checked client is for base URLs that a server's client chose (`chat_models.keys`). It resolves a name once, checks
every address and connects to one of those, so that a name cannot lead elsewhere between check and connection.
"""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import functools
import socket
import threading
from collections.abc import AsyncGenerator, Iterator, Sequence
from typing import Any
from weakref import WeakKeyDictionary

import httpx2

from chat_models.keys import check_address

LIMITS = httpx2.Limits(max_connections=1000, max_keepalive_connections=200, keepalive_expiry=4.0)
"""Room for many episodes side by side. Idle connections go after 4 s: uvicorn, under vLLM, drops them after 5 s, and
a request sent into a connection that is being dropped is lost."""

certificates = functools.cache(httpx2.create_ssl_context)
"""The trusted certificates, read once per process (tens of milliseconds) instead of once per client."""

_clients: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[bool, httpx2.AsyncClient]] = WeakKeyDictionary()
"""Of each loop its clients, by whether they check addresses."""
_lifetimes: WeakKeyDictionary[asyncio.AbstractEventLoop, AsyncGenerator[None, None]] = WeakKeyDictionary()
_lock = threading.Lock()
_threads_clients: dict[bool, httpx2.Client] = {}


def client_of_this_loop(*, checked: bool = False) -> httpx2.AsyncClient:
    """The running loop's client, opened on first use. RuntimeError outside a loop.

    A checked one raises ConfigurationError for a URL that leads to an address it may not call.
    """
    loop = asyncio.get_running_loop()
    client = _clients.get(loop, {}).get(checked)
    return client if client is not None else _open(loop, checked)


def client_for_threads(*, checked: bool = False) -> httpx2.Client:
    """The client for calls that wait in their thread; any number of threads may share it."""
    with _lock:
        if checked not in _threads_clients:
            transport = CheckedTransport(limits=LIMITS, verify=certificates()) if checked else None
            client = httpx2.Client(limits=LIMITS, verify=certificates(), transport=transport)
            atexit.register(client.close)
            _threads_clients[checked] = client
        return _threads_clients[checked]


class CheckedTransport(httpx2.HTTPTransport):
    """Connects only to addresses that a server's client may have called (`chat_models.keys.check_address`)."""

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        """Send the request to the first address of its host that accepts a connection."""
        with _named_failures():
            found = socket.getaddrinfo(*_asked(request), type=socket.SOCK_STREAM)
        *others, last = _requests(request, found)
        for sent in others:
            with contextlib.suppress(httpx2.ConnectError, httpx2.ConnectTimeout):
                return super().handle_request(sent)
        return super().handle_request(last)


class AsyncCheckedTransport(httpx2.AsyncHTTPTransport):
    """The same in an event loop."""

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Send the request to the first address of its host that accepts a connection."""
        with _named_failures():
            found = await asyncio.get_running_loop().getaddrinfo(*_asked(request), type=socket.SOCK_STREAM)
        *others, last = _requests(request, found)
        for sent in others:
            with contextlib.suppress(httpx2.ConnectError, httpx2.ConnectTimeout):
                return await super().handle_async_request(sent)
        return await super().handle_async_request(last)


@contextlib.contextmanager
def _named_failures() -> Iterator[None]:
    """A name that resolves to nothing is a failed connection, as the transports call it."""
    try:
        yield
    except OSError as error:
        raise httpx2.ConnectError(str(error)) from error


def _asked(request: httpx2.Request) -> tuple[str, int]:
    return request.url.host, request.url.port or (443 if request.url.scheme == "https" else 80)


def _requests(request: httpx2.Request, found: Sequence[tuple[Any, ...]]) -> list[httpx2.Request]:
    """The request once for each address that its host resolved to. ConfigurationError if one may not be called.

    The name stays in the Host header, which the request holds already, and is what the certificate must be for.
    """
    addresses = list(dict.fromkeys(str(entry[4][0]) for entry in found))
    for address in addresses:
        check_address(str(request.url), address)
    extensions = {**request.extensions, "sni_hostname": request.url.host}
    return [
        httpx2.Request(
            request.method,
            request.url.copy_with(host=address),
            headers=request.headers,
            stream=request.stream,
            extensions=extensions,
        )
        for address in addresses
    ]


def _open(loop: asyncio.AbstractEventLoop, checked: bool) -> httpx2.AsyncClient:
    transport = AsyncCheckedTransport(limits=LIMITS, verify=certificates()) if checked else None
    client = httpx2.AsyncClient(limits=LIMITS, verify=certificates(), transport=transport)
    with _lock:
        for other in [other for other in _clients if other.is_closed()]:
            # A loop closed without shutdown_asyncgens(): its connections are beyond closing, but not worth keeping.
            _forget(other)
        clients = _clients.setdefault(loop, {})
        clients[checked] = client
        if loop in _lifetimes:
            return client
        lifetime = _lifetimes[loop] = _close_with_loop(loop, clients)
    # The first step of an asynchronous generator registers it with the running loop. It has no await before its yield,
    # so the step ends at once and can be taken from plain code.
    with contextlib.suppress(StopIteration):
        lifetime.__anext__().send(None)
    return client


async def _close_with_loop(
    loop: asyncio.AbstractEventLoop, clients: dict[bool, httpx2.AsyncClient]
) -> AsyncGenerator[None, None]:
    """Waits at its yield until the loop shuts down its generators (asyncio.run does), then closes the clients."""
    try:
        yield
    finally:
        with _lock:
            _forget(loop)
        for client in clients.values():
            await client.aclose()


def _forget(loop: asyncio.AbstractEventLoop) -> None:
    _clients.pop(loop, None)
    _lifetimes.pop(loop, None)

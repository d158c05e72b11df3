"""One HTTP client per event loop, and one for threads without a loop.

An asynchronous connection belongs to the loop it was opened in: shared between loops it fails with "Event loop is
closed" or "bound to a different event loop". Here every loop gets a client of its own, shared by all models, and it is
closed when the loop ends.
"""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import functools
import threading
from collections.abc import AsyncGenerator
from weakref import WeakKeyDictionary

import httpx2

LIMITS = httpx2.Limits(max_connections=1000, max_keepalive_connections=200, keepalive_expiry=4.0)
"""Room for many episodes side by side. Idle connections go after 4 s: uvicorn, under vLLM, drops them after 5 s, and
a request sent into a connection that is being dropped is lost."""

certificates = functools.cache(httpx2.create_ssl_context)
"""The trusted certificates, read once per process (tens of milliseconds) instead of once per client."""

_clients: WeakKeyDictionary[asyncio.AbstractEventLoop, httpx2.AsyncClient] = WeakKeyDictionary()
_lifetimes: WeakKeyDictionary[asyncio.AbstractEventLoop, AsyncGenerator[None, None]] = WeakKeyDictionary()
_lock = threading.Lock()
_threads_client: httpx2.Client | None = None


def client_of_this_loop() -> httpx2.AsyncClient:
    """The running loop's client, opened on first use. RuntimeError outside a loop."""
    loop = asyncio.get_running_loop()
    client = _clients.get(loop)
    return client if client is not None else _open(loop)


def client_for_threads() -> httpx2.Client:
    """The client for calls that wait in their thread; any number of threads may share it."""
    global _threads_client
    if _threads_client is None:
        with _lock:
            if _threads_client is None:
                _threads_client = httpx2.Client(limits=LIMITS, verify=certificates())
                atexit.register(_threads_client.close)
    return _threads_client


def _open(loop: asyncio.AbstractEventLoop) -> httpx2.AsyncClient:
    client = httpx2.AsyncClient(limits=LIMITS, verify=certificates())
    lifetime = _close_with_loop(loop, client)
    with _lock:
        for other in [other for other in _clients if other.is_closed()]:
            # A loop closed without shutdown_asyncgens(): its connections are beyond closing, but not worth keeping.
            _forget(other)
        _clients[loop], _lifetimes[loop] = client, lifetime
    # The first step of an asynchronous generator registers it with the running loop. It has no await before its yield,
    # so the step ends at once and can be taken from plain code.
    with contextlib.suppress(StopIteration):
        lifetime.__anext__().send(None)
    return client


async def _close_with_loop(loop: asyncio.AbstractEventLoop, client: httpx2.AsyncClient) -> AsyncGenerator[None, None]:
    """Waits at its yield until the loop shuts down its generators (asyncio.run does), then closes the client."""
    try:
        yield
    finally:
        with _lock:
            _forget(loop)
        await client.aclose()


def _forget(loop: asyncio.AbstractEventLoop) -> None:
    _clients.pop(loop, None)
    _lifetimes.pop(loop, None)

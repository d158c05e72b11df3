"""Which API key goes to which host, and which hosts are called for a client of a started server.

The command line and Python have the rights of the user who runs them: a key goes to the base URL they give. A client
of a started server names base URLs too, and gets neither a key nor a way into a private network by it. In a client's
run (`client_calls`):

| the base URL | called | with the key | errors repeat its answers |
|---|---|---|---|
| configured: the key's own, or listed in AUTOMEM_MODEL_HOSTS | yes | yes | yes |
| another on this machine, or at a public address | by a server on loopback only | no | no |
| another at a private, link-local or reserved address | no | | |

A key's own base URL is the one in the server's environment (OPENAI_BASE_URL), or else its provider's.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import Context, ContextVar
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from urllib.parse import SplitResult, urlsplit

from chat_models.failures import ConfigurationError, redacted

OPENAI_URL = "https://api.openai.com/v1"
MODEL_HOSTS = "AUTOMEM_MODEL_HOSTS"
"""Environment variable: hosts that clients may have called, keys included. HOST, HOST:PORT or https://HOST[:PORT],
separated by commas or spaces; without a port every port of the host, without a scheme both schemes."""

_OWN: dict[str, tuple[tuple[str, ...], str | None]] = {
    "OPENAI_API_KEY": (("OPENAI_BASE_URL", "OPENAI_API_BASE"), OPENAI_URL)
}
"""Of a key's variable: the variables that may hold its base URL, and its provider's base URL."""

_NAT64 = IPv6Network("64:ff9b::/96")
_GLOBAL = IPv6Network("2000::/3")
"""All of IPv6 that is public: what lies elsewhere (fec0::/10, 64:ff9b:1::/48, ::ffff:0:0:0/96 …) leads into networks
of someone's own, whatever Python's tables say of it."""
_PROTOCOLS = IPv4Network("192.0.0.0/24")
"""Some addresses of it are a cloud's metadata; Python calls them public up to 3.12."""
_PORTS = {"http": 80, "https": 443}
_client_calls: ContextVar[bool] = ContextVar("client_calls", default=False)


@contextmanager
def client_calls(on: bool = True) -> Iterator[None]:
    """Within this block, and in the tasks and threads that inherit its context, models are called for a client (`on`),
    or for the owner."""
    token = _client_calls.set(on)
    try:
        yield
    finally:
        _client_calls.reset(token)


def called_for_client() -> bool:
    """Whether the current context is a client's run. Models built in one must not be shared with the owner's."""
    return _client_calls.get()


def new_context() -> Context:
    """An empty context, but for whether models are called for a client."""
    context = Context()
    context.run(_client_calls.set, _client_calls.get())
    return context


@dataclass(frozen=True, slots=True)
class Access:
    """How a base URL may be called."""

    key: str | None
    guarded: bool
    """The host is a client's choice: its addresses are checked (`check_address`), its answers repeated in no error."""


def access(base_url: str, variable: str) -> Access:
    """How a base URL may be called, given the environment variable that holds its key.

    ConfigurationError if it may not be called at all.
    """
    if not called_for_client() or is_configured(base_url, variable):
        return Access(key_from(variable), guarded=False)
    shown = redacted(base_url)
    if not on_loopback():
        raise ConfigurationError(
            f"The base URL {shown!r} is not called: this server can be reached from other machines, and calls only the "
            f"hosts its operator lists in {MODEL_HOSTS}."
        )
    host = urlsplit(base_url).hostname or ""
    try:
        address = ip_address(host)
    except ValueError:
        return Access(None, guarded=True)  # a name: its addresses are checked when it is called
    check_address(base_url, str(address))
    return Access(None, guarded=True)


def is_configured(base_url: str, variable: str | None = None) -> bool:
    """Whether the operator chose the base URL: listed in AUTOMEM_MODEL_HOSTS, or the own one of the key's variable."""
    url = urlsplit(base_url)
    if any(_matches(url, entry) for entry in _listed()):
        return True
    own = urlsplit((own_base_url(variable) if variable is not None else None) or "")
    return own.scheme in _PORTS and _matches(url, _with_port(own))


def own_base_url(variable: str) -> str | None:
    """The base URL that a key is for when none is given: the environment's, else its provider's, if it has any."""
    names, provider = _OWN.get(variable, ((), None))
    return next((value for name in names if (value := os.environ.get(name))), provider)


def check_address(url: str, address: str) -> None:
    """ConfigurationError if a URL of a client's leads to an address that is neither public nor this machine's own."""
    ip = _embedded(ip_address(address))
    if ip.is_loopback or ip.is_unspecified or _is_public(ip):
        return
    # The address itself is not shown: it would reveal what a private name resolves to.
    raise ConfigurationError(
        f"The URL {redacted(url)!r} is not called: it leads to a private or reserved address, which the "
        f"server's operator must list in {MODEL_HOSTS} first."
    )


def _is_public(ip: IPv4Address | IPv6Address) -> bool:
    known = ip not in _PROTOCOLS if isinstance(ip, IPv4Address) else ip in _GLOBAL
    return known and ip.is_global and not ip.is_multicast


def on_loopback() -> bool:
    """Whether this process serves its own machine alone. `langgraph dev` keeps its address, or that of its tunnel, in
    LANGGRAPH_API_URL; where nothing is known, it does not."""
    try:
        host = urlsplit(os.environ.get("LANGGRAPH_API_URL", "")).hostname or ""
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def key_from(variable: str) -> str | None:
    """The key in an environment variable, if it holds one. ConfigurationError for what can be none."""
    key = os.environ.get(variable)
    return checked_key(key, f"The environment variable {variable}") if key else None


def checked_key(key: str, where: str) -> str:
    """The key without the white space around it. ConfigurationError if no header can carry it."""
    key = key.strip()  # keys read from files end in a line break
    if not key.isascii() or not key.isprintable() or " " in key:
        raise ConfigurationError(f"{where} holds characters that no API key has.")  # the key itself is not shown
    return key


def _embedded(ip: IPv4Address | IPv6Address) -> IPv4Address | IPv6Address:
    """The IPv4 address in an IPv6 address, in any of the forms that networks translate; else itself."""
    if isinstance(ip, IPv4Address):
        return ip
    if ip in _NAT64:
        return IPv4Address(int(ip) & 0xFFFFFFFF)
    return ip.ipv4_mapped or ip.sixtofour or (ip.teredo[1] if ip.teredo else ip)


def _listed() -> Iterable[SplitResult]:
    for entry in os.environ.get(MODEL_HOSTS, "").replace(",", " ").split():
        try:
            url = urlsplit(entry if "://" in entry else f"//{entry}")
            known = url.hostname and url.scheme in ("", *_PORTS) and url.port != 0 and not url.path.strip("/")
        except ValueError:
            known = False
        if not known:
            raise ConfigurationError(
                f"The environment variable {MODEL_HOSTS} holds {redacted(entry)!r}: write HOST, HOST:PORT or "
                "https://HOST, separated by commas."
            )
        yield _with_port(url) if url.scheme else url


def _with_port(url: SplitResult) -> SplitResult:
    """A URL that names its port."""
    host = f"[{url.hostname}]" if ":" in (url.hostname or "") else url.hostname
    return url._replace(netloc=f"{host}:{url.port or _PORTS[url.scheme]}")


def _matches(url: SplitResult, entry: SplitResult) -> bool:
    if _host(url) != _host(entry) or (entry.scheme and url.scheme != entry.scheme):
        return False
    return entry.port is None or entry.port == (url.port or _PORTS[url.scheme])


def _host(url: SplitResult) -> str:
    return (url.hostname or "").rstrip(".")

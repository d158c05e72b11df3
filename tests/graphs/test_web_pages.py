"""Web pages open in a browser, and a started server: Studio's are answered, no other page is."""

from __future__ import annotations

import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import pytest
from dev_server import DevServer
from replay_pages import CHROMIUM, NO_BROWSER, browsing

if TYPE_CHECKING:
    from playwright.sync_api import Page

STUDIO = "https://smith.langchain.com"
ASK = """async ([url, options]) => {
    try { const answer = await fetch(url, options); return [answer.status, await answer.text()] }
    catch (error) { return [0, String(error)] }
}"""


class _Page(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"<!doctype html><title>a page</title>")

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture(scope="module")
def foreign() -> Iterator[Page]:
    """A page of another origin, http://localhost on another port, in headless Chromium."""
    if CHROMIUM is None:
        pytest.skip(NO_BROWSER)
    pytest.importorskip("playwright.sync_api")
    with ThreadingHTTPServer(("127.0.0.1", 0), _Page) as site, browsing() as browser:
        thread = threading.Thread(target=site.serve_forever)
        thread.start()
        page = browser.new_page()
        page.goto(f"http://localhost:{site.server_port}/")
        yield page
        page.close()
        site.shutdown()
        thread.join()


def threads(server: DevServer) -> int:
    return len(server.post("/threads/search", {"limit": 1000}))


REQUESTS = {
    "with a preflight": {"method": "POST", "headers": {"content-type": "application/json"}, "body": "{}"},
    "without a preflight": {
        "method": "POST",
        "mode": "no-cors",
        "headers": {"content-type": "text/plain"},
        "body": "{}",
    },
}


@pytest.mark.parametrize("kind", REQUESTS)
def test_a_page_of_another_origin_can_start_nothing(server: DevServer, foreign: Page, kind: str) -> None:
    before = threads(server)
    status, text = foreign.evaluate(ASK, [f"{server.url}/threads", REQUESTS[kind]])
    assert (status, threads(server)) == (0, before), text


def test_a_page_of_another_origin_can_read_nothing(server: DevServer, foreign: Page) -> None:
    status, text = foreign.evaluate(ASK, [f"{server.url}/ok", {}])
    assert (status, text) == (0, "TypeError: Failed to fetch")


def test_a_page_of_the_servers_own_is_answered(server: DevServer, foreign: Page) -> None:
    browser = foreign.context.browser
    assert browser is not None
    with browser.new_page() as page:
        page.goto(f"{server.url}/ok")
        assert page.evaluate(ASK, [f"{server.url}/threads", REQUESTS["with a preflight"]])[0] == 200


def answered(server: DevServer, method: str, path: str, **headers: str) -> tuple[int, dict[str, str]]:
    request = urllib.request.Request(server.url + path, b"{}" if method == "POST" else None, method=method)
    for name, value in headers.items():
        request.add_header(name.replace("_", "-"), value)
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status, {name.lower(): value for name, value in answer.headers.items()}
    except urllib.error.HTTPError as error:
        with error:
            return error.code, {name.lower(): value for name, value in error.headers.items()}


def test_studio_may_ask_from_the_internet_for_the_private_network_and_read_the_answer(server: DevServer) -> None:
    wish = {"Access_Control_Request_Method": "POST", "Access_Control_Request_Headers": "content-type,x-api-key"}
    wish["Access_Control_Request_Private_Network"] = "true"
    status, headers = answered(server, "OPTIONS", "/threads", Origin=STUDIO, **wish)
    assert (status, headers["access-control-allow-origin"]) == (200, STUDIO)
    assert headers["access-control-allow-private-network"] == "true"
    status, headers = answered(server, "POST", "/threads", Origin=STUDIO, Content_Type="application/json")
    assert (status, headers["access-control-allow-origin"]) == (200, STUDIO)
    assert "content-location" in headers["access-control-expose-headers"].lower()


@pytest.mark.parametrize(
    "origin", ["https://evil.example", "null", "https://smith.langchain.com.evil.example", "http://["]
)
def test_no_other_origin_is_answered(server: DevServer, origin: str) -> None:
    before = threads(server)
    for method in ("OPTIONS", "POST"):
        status, headers = answered(server, method, "/threads", Origin=origin, Access_Control_Request_Method="POST")
        assert status == 403
        assert not [name for name in headers if name.startswith("access-control-allow")]
    assert threads(server) == before


def test_a_foreign_name_that_resolves_to_this_machine_is_refused(server: DevServer) -> None:
    port = server.url.rpartition(":")[2]
    host = f"rebound.example:{port}"
    assert answered(server, "POST", "/threads", Host=host, Origin=f"http://{host}")[0] == 403
    assert answered(server, "GET", "/ok", Host=f"localhost:{port}")[0] == 200

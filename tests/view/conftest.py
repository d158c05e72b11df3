"""A folder with runs of every kind and fate, its page on a real server, and a browser."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from replay_pages import CHROMIUM, NO_BROWSER, browsing
from viewed_runs import runs_of_every_fate, serving

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return runs_of_every_fate(tmp_path_factory.mktemp("shown") / "runs")


@pytest.fixture(scope="module")
def address(runs: Path) -> Iterator[str]:
    """Where these runs are served."""
    with serving(runs) as found:
        yield found


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    if CHROMIUM is None:
        pytest.skip(NO_BROWSER)
    with browsing() as found:
        yield found


@pytest.fixture
def page(browser: Browser, address: str) -> Iterator[Page]:
    """A page that fails the test if its script fails, or asks for anything but this server."""
    new = browser.new_page(viewport={"width": 1280, "height": 800}, base_url=address)
    wrong: list[str] = []
    new.on("pageerror", lambda error: wrong.append(str(error)))
    new.on("console", lambda message: wrong.append(message.text) if "Refused" in message.text else None)
    new.on("request", lambda asked: None if asked.url.startswith((address, "blob:")) else wrong.append(asked.url))
    yield new
    new.close()
    assert wrong == []

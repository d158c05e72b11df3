"""A browser for the tests of the replay page, and a page whose notebook is written in every way."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from replay_pages import CHROMIUM, NO_BROWSER, browsing, page_of, scribbled

from traces import EpisodeFolder

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    if CHROMIUM is None:
        pytest.skip(NO_BROWSER)
    with browsing() as found:
        yield found


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A page that fails the test if its script fails, or asks for anything but the file itself."""
    new = browser.new_page(viewport={"width": 1280, "height": 800})
    wrong: list[str] = []
    new.on("console", lambda message: wrong.append(message.text) if message.type in ("error", "warning") else None)
    new.on("pageerror", lambda error: wrong.append(str(error)))
    new.on("request", lambda asked: None if asked.url.startswith(("file:", "blob:")) else wrong.append(asked.url))
    yield new
    new.close()
    assert wrong == []


@pytest.fixture(scope="module")
def busy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, EpisodeFolder]]:
    """A page of one episode whose notebook is written in every way, its history in many pieces."""
    folder = tmp_path_factory.mktemp("busy")
    episode = scribbled(folder / "episode", 60)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("traces.replay_notebook.CHARACTERS", 400)
        yield page_of(folder, episode), episode

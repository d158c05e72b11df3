"""The pages in a browser: what they show, by mouse and by keyboard, large and small, in light and in dark."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from playing import play
from replay_pages import FAINT, MISLED, NAMELESS
from viewed_runs import HOSTILE

from traces import RunFolder
from traces.feedback import read_judgements

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

STEP = "/run/played/episodes/vault/one-door/seed-3"
PLACES = {
    "/?baseline=before": "tr[data-id=played]",
    "/run/after": ".state.failed",
    "/run/before-lab": "table.effects .badge",
    "/compare?a=before&b=after": ".slopes tr:nth-child(5)",
    "/search?kind=operation": ".result",
    f"{STEP}?step=2": "body[data-ready]",
}
"""Pages, and what is there once one is."""


def test_from_the_table_to_a_step_by_keyboard_alone(page: Page) -> None:
    page.goto("/")
    page.wait_for_selector("tr[data-id=played]")
    page.keyboard.press("/")
    page.keyboard.type("played")
    page.wait_for_function("document.querySelectorAll('tr[data-id]').length === 1")
    page.keyboard.press("Escape")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    page.wait_for_selector("table.episodes tr[data-id]")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    page.wait_for_selector("body[data-ready]")
    page.keyboard.press("ArrowRight")
    page.wait_for_selector('body[data-step="2"]')
    assert page.url.endswith(f"{STEP}?step=2")
    page.wait_for_selector(".terminal")
    assert "@" in str(page.locator(".terminal").text_content())
    page.goto(f"{STEP}?step=5")
    page.wait_for_selector('body[data-step="5"]')
    assert "at step 5" in str(page.locator("#score0").text_content())


def test_two_runs_are_chosen_and_compared_by_keyboard(page: Page) -> None:
    page.goto("/?sort=run&down=0")
    page.wait_for_selector("tr[data-id=before]")
    for _ in range(2):
        page.keyboard.press("ArrowDown")
        page.keyboard.press("x")
    page.keyboard.press("c")
    page.wait_for_selector(".verdict")
    assert page.locator(".side a").all_text_contents() == ["after", "before"]
    assert page.locator(".slopes tbody tr").count() == 5
    page.goto("/?baseline=before")
    page.wait_for_selector("tr[data-id=after] .difference b")
    assert str(page.locator("tr[data-id=after] .difference b").text_content()).startswith("+17 ±")


def test_a_measured_effect_leads_to_its_step(page: Page) -> None:
    page.goto("/run/before-lab?effects-sort=verdict")
    page.wait_for_selector("table.effects tbody tr")
    assert page.locator("table.effects .badge").all_text_contents() == ["harmful", "helpful"]
    page.locator("table.effects button[data-column=effect]").click()
    assert page.locator("table.effects .badge").all_text_contents() == ["harmful", "helpful"]
    page.locator("table.effects button[data-column=effect]").click()
    link = page.locator("table.effects tbody tr:first-child a")
    assert link.get_attribute("href") == "/run/before/episodes/vault/one-door/seed-1?step=3"


def test_tags_and_a_note_stay_with_the_run(page: Page) -> None:
    page.goto("/run/before")
    tags, kept = page.get_by_label("Tags, parted by commas"), page.get_by_text("kept beside the run")
    tags.fill("v0, keep")
    tags.blur()
    kept.wait_for()
    for _ in range(2):  # the page asks again, and is answered with what was kept
        page.wait_for_event("response", lambda answer: answer.url.endswith("/api/run/before"))
    page.wait_for_timeout(100)
    assert kept.is_visible()
    page.get_by_label("Note on this run").fill(HOSTILE)
    page.get_by_label("Note on this run").blur()
    page.wait_for_function("fetch('/api/run/before').then((found) => found.json()).then((run) => run.rows[0].note)")
    page.goto("/")
    page.wait_for_selector("tr[data-id=before] .tag")
    assert page.locator("tr[data-id=before] .tag").all_text_contents() == ["v0", "keep"]
    assert page.locator("tr[data-id=before] .note").text_content() == HOSTILE.replace("\u202e", "<U+202E>")


def test_a_thumb_and_a_note_on_an_operation_are_kept(page: Page, runs: Path) -> None:
    page.goto(f"{STEP}?step=2")
    page.wait_for_selector('body[data-step="2"]')
    while not page.locator(".thumb.good").count():
        step = int(str(page.evaluate("document.body.dataset.step")))
        page.keyboard.press("ArrowRight")
        page.wait_for_selector(f'body[data-step="{step + 1}"]')
    page.locator(".thumb.good").first.click()
    page.locator(".why").first.fill("found the code")
    page.locator(".why").first.press("Enter")
    page.reload()
    page.wait_for_selector('.thumb.good[aria-pressed="true"]')
    assert page.locator(".why").first.input_value() == "found the code"
    (kept,) = read_judgements(RunFolder(runs / "played"))
    assert (kept["feedback"], kept["comment"]) == (1.0, "found the code")


def test_an_episode_is_followed_while_it_is_played(page: Page, runs: Path) -> None:
    def play_on(steps: int) -> None:
        with ThreadPoolExecutor(1) as other:  # the browser has this thread's event loop
            other.submit(play, runs.parent, steps, thread="live", world="vault", task="six-doors", seed=3).result()

    play_on(3)
    page.goto("/run/live/episodes/vault/six-doors/seed-3")
    page.wait_for_selector("body[data-ready]")
    page.check("#follow")
    play_on(9)
    page.wait_for_selector('body[data-step="12"]', timeout=10_000)
    assert page.locator("#of").text_content() == "of 12"
    page.wait_for_selector(".panel .book .page")


def test_hostile_text_of_a_run_is_shown_as_text(page: Page) -> None:
    page.goto("/run/after")
    page.wait_for_selector(".state.failed")
    shown = page.locator("td.status small").all_text_contents()
    assert HOSTILE.replace("\u202e", "<U+202E>") in shown
    assert page.evaluate("window.pwned") is None
    assert page.locator("#main img").count() == 0


def test_what_cannot_be_shown_is_said_in_words(page: Page) -> None:
    for place in ("/run/nowhere", "/compare?a=before&b=nowhere"):
        page.goto(place)
        page.wait_for_selector("[role=alert]")
        assert "There is no run 'nowhere'" in str(page.locator("[role=alert]").text_content())
    page.goto("/")
    page.wait_for_selector("tr[data-id=torn]")
    assert "unreadable" in str(page.locator("tr[data-id=torn] .state").text_content())


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_page_can_be_read_in_light_and_dark_and_its_controls_have_names(
    browser: Browser, address: str, scheme: Any
) -> None:
    page = browser.new_page(viewport={"width": 1280, "height": 800}, base_url=address, color_scheme=scheme)
    found = {}
    for place, there in PLACES.items():
        page.goto(place)
        page.wait_for_selector(there)
        found[place] = [fault for script in (FAINT, NAMELESS, MISLED) for fault in page.evaluate(script)]
    page.close()
    assert found == {place: [] for place in PLACES}


def test_no_page_makes_a_phone_scroll_sideways(browser: Browser, address: str) -> None:
    page = browser.new_page(viewport={"width": 360, "height": 740}, base_url=address)
    for place, there in PLACES.items():
        page.goto(place)
        page.wait_for_selector(there)
        assert page.evaluate("document.documentElement.scrollWidth") <= 360, place
    page.close()

"""The pages in a browser: what they show, by mouse and by keyboard, large and small, in light and in dark."""

from __future__ import annotations

from typing import TYPE_CHECKING

from viewed_runs import HOSTILE

if TYPE_CHECKING:
    from playwright.sync_api import Page


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
    assert page.url.endswith("/run/played/episodes/vault/one-door/seed-3?step=2")
    page.wait_for_selector(".terminal")
    assert "@" in str(page.locator(".terminal").text_content())
    page.goto(page.url.replace("step=2", "step=5"))
    page.wait_for_selector('body[data-step="5"]')


def test_hostile_text_of_a_run_is_shown_as_text(page: Page) -> None:
    page.goto("/run/after")
    page.wait_for_selector(".state.failed")
    shown = page.locator("td.status small").all_text_contents()
    assert HOSTILE.replace("\u202e", "<U+202E>") in shown
    assert page.evaluate("window.pwned") is None
    assert page.locator("#main img").count() == 0

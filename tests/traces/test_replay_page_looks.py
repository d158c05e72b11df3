"""The replay page with hostile text, on a phone, in light and in dark: text stays text, and can be read."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from replay_pages import FAINT, opened, page_of, stands_at

from traces import Conversation, EpisodeFolder, EpisodeResult, ModelCall, OperationRecord, TraceWriter
from traces.records import StepRecord

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

HOSTILE = "</script><script>window.pwned = 1</script><img src=x onerror='window.pwned = 1'> \u202egnp.exe <b>bold</b>"
LONG = "w" * 9_000


def hostile_episode(folder: Path, text: str) -> EpisodeFolder:
    """Two steps in which everything that can be text is this text; the last one ended the world."""
    episode = EpisodeFolder(folder)
    episode.create()
    messages = [{"role": role, "content": text} for role in ("system", "user", "assistant", "user")]
    messages[2]["tool_calls"] = [{"function": {"name": text, "arguments": text}}]  # type: ignore[assignment]
    wrong = OperationRecord(0, text, {"file": text, "text": text, text: text}, "mistake", text, text)
    talk = Conversation("LOG", "memory", text, messages, [ModelCall(2)], [wrong])
    with TraceWriter(episode) as writer:
        for step in (1, 2):
            writer.write(
                StepRecord(
                    step=step,
                    observation={"long": text, "short": text},
                    action=text,
                    chosen=f"{text}!",
                    action_outcome="invalid",
                    notices=[text],
                    complaints=[text],
                    conversations=[talk],
                    hook_operations=[wrong],
                    info={"end_reason": text if step == 2 else None},
                )
            )
        writer.finish(EpisodeResult("w", "t", 1, "finished", 2, 0.0, 0.0, text, final_observation={"long": text}))
    return episode


def test_hostile_text_is_shown_as_text(page: Page, tmp_path: Path) -> None:
    path = page_of(tmp_path, hostile_episode(tmp_path / "episode", HOSTILE))
    for step in (1, 2, 3):
        opened(page, path, f"#step={step}")
        for fold in page.locator("details:not([open]) > summary").all():
            fold.click()
        assert page.locator("#panels img, #panels script, #panels b:text-is('bold')").count() == 0
    page.evaluate("location.hash = '#step=1'")
    stands_at(page, 1)
    assert page.locator(".seen .text").first.text_content() == HOSTILE.replace("\u202e", "<U+202E>")
    page.keyboard.press("/")
    page.fill("#query", "pwned")
    page.wait_for_selector(".result")
    assert page.evaluate("window.pwned") is None


@pytest.mark.parametrize("text", [HOSTILE, LONG])
def test_nothing_makes_a_phone_scroll_sideways(page: Page, tmp_path: Path, text: str) -> None:
    path = page_of(tmp_path, hostile_episode(tmp_path / "one", text), hostile_episode(tmp_path / "two", text))
    page.set_viewport_size({"width": 360, "height": 740})
    for step in (1, 3):
        opened(page, path, f"#step={step}")
        for part in ("talk", "book", "world"):
            page.click(f'#parts [data-part="{part}"]')
            assert page.evaluate("document.documentElement.scrollWidth") <= 360
        page.click("#chip1")
        assert page.locator(".panel1").is_visible()
        assert not page.locator(".panel0").is_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_everything_printed_can_be_read_in_light_and_dark(
    browser: Browser, busy: tuple[Path, EpisodeFolder], tmp_path: Path, scheme: Any
) -> None:
    page = browser.new_page(viewport={"width": 1280, "height": 800}, color_scheme=scheme)
    opened(page, busy[0], "#step=20")
    ground = [
        int(part) for part in re.findall(r"\d+", page.evaluate("getComputedStyle(document.body).backgroundColor"))
    ]
    assert (sum(ground[:3]) > 384) == (scheme == "light")
    faint = page.evaluate(FAINT)
    opened(page, page_of(tmp_path, hostile_episode(tmp_path / "episode", "a text")), "#step=1")
    assert faint + page.evaluate(FAINT) == []
    page.close()

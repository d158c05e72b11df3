"""automem replay: what it writes, what it refuses, and that its page opens with the game in it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from in_process import Run
from playing import folder_of, play
from replay_pages import CHROMIUM, NO_BROWSER, browsing, opened, stands_at

from traces import TraceReader


def episode(tmp_path: Path, thread: str, **settings: str) -> str:
    """The folder of an episode of the vault."""
    play(tmp_path, 25, thread=thread, world="vault", task="one-door", seed=3, **settings)
    return str(folder_of(tmp_path, thread).path)


def test_it_writes_one_file_and_says_how_large_it_is(automem: Run, tmp_path: Path) -> None:
    out = tmp_path / "pages" / "replay.html"
    code, printed, _ = automem("replay", episode(tmp_path, "one"), "--out", str(out))
    assert code == 0
    assert re.fullmatch(rf"written: {out} \(0\.\d MB\)\n", printed)
    assert [path.name for path in out.parent.iterdir()] == ["replay.html"]


def test_episodes_of_different_seeds_and_folders_without_one_are_refused(automem: Run, tmp_path: Path) -> None:
    one = episode(tmp_path, "one")
    play(tmp_path, 2, thread="other", world="vault", task="one-door", seed=4)
    other = str(folder_of(tmp_path, "other").path)
    out = ("--out", str(tmp_path / "replay.html"))
    code, _, error = automem("replay", one, other, *out)
    assert code == 2
    assert "vault one-door seed 3; vault one-door seed 4" in error
    code, _, error = automem("replay", str(tmp_path), *out)
    assert code == 2
    assert "holds no episode" in error
    code, _, error = automem("replay", one, one, one, one, *out)
    assert code == 2
    assert "at most 3" in error
    assert not (tmp_path / "replay.html").exists()


@pytest.mark.skipif(CHROMIUM is None, reason=NO_BROWSER)
def test_two_runs_of_one_seed_open_side_by_side_with_their_games(automem: Run, tmp_path: Path) -> None:
    out = tmp_path / "replay.html"
    one, two = episode(tmp_path, "with"), episode(tmp_path, "without", notebook="off")
    assert automem("replay", one, two, "--out", str(out))[0] == 0
    with TraceReader(folder_of(tmp_path, "with")) as reader:
        gained = next(record.step for record in reader if record.reward)
    with browsing() as browser:
        page = opened(browser.new_page(viewport={"width": 1280, "height": 800}), out)
        page.keyboard.press("PageDown")
        stands_at(page, gained)
        assert page.locator(".terminal").count() >= 1
        assert "@" in str(page.locator(".panel0 .terminal").text_content())
        assert page.locator(".chip .name").all_text_contents() == ["with", "without"]
        assert [str(one).split()[-1] for one in page.locator(".chip .about").all_text_contents()] == ["on", "off"]
        assert "The notebook is off" in str(page.locator(".panel1").text_content())


@pytest.mark.skipif(CHROMIUM is None, reason=NO_BROWSER)
def test_a_run_becomes_one_page_in_which_an_episode_is_chosen(automem: Run, tmp_path: Path) -> None:
    run = tmp_path / "run"
    words = ("--world", "vault", "--task", "one-door", "--model", "scripted", "--seeds", "3-4", "--no-check")
    automem("eval", *words, "--max-steps", "5", "--out", str(run))
    out = tmp_path / "replay.html"
    code, printed, errors = automem("replay", str(run), "--out", str(out))
    assert code == 0, errors
    assert "2 episodes to choose from" in printed
    with browsing() as browser:
        page = opened(browser.new_page(), out, "#episode=1&step=2")
        names = [text.split(":")[0] for text in page.locator("#choice option").all_text_contents()]
        assert names == ["one-door, seed 3", "one-door, seed 4"]
        assert page.locator("#choice").input_value() == "1"
        stands_at(page, 2)
        page.select_option("#choice", "0")
        page.wait_for_url("**#episode=0&step=1")
        page.wait_for_selector("body[data-ready]")
        assert page.locator("#choice").input_value() == "0"


@pytest.mark.skipif(CHROMIUM is None, reason=NO_BROWSER)
def test_pictures_of_a_game_are_shown(automem: Run, tmp_path: Path) -> None:
    play(tmp_path, 3, world="crafter", seed=3)
    out = tmp_path / "replay.html"
    assert automem("replay", str(folder_of(tmp_path).path), "--out", str(out))[0] == 0
    with browsing() as browser:
        page = opened(browser.new_page(), out, "#step=2")
        page.locator(".picture").evaluate("picture => picture.decode()")
        assert page.locator(".picture").evaluate("picture => picture.naturalWidth") == 256

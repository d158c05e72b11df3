"""The screen of automem play at several sizes, drawn without a terminal, and what hostile models cannot do to it."""

from __future__ import annotations

import asyncio
import io
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from openai_stub import OpenAIStub
from playing import Reply, by_turn
from rich.console import Console

from cli.pace import Pace, play_steps
from cli.play_live import PlainLines
from cli.play_panels import View
from cli.play_screen import compose
from cli.watched import Row, Watched
from graphs.inner_agent.sessions import SESSIONS
from graphs.settings import Context, episode_settings
from traces import RunFolder

EPISODE = Path("episodes/vault/three-doors/seed-4")
HOSTILE = "\x1b]0;owned\x07\x1b[2J\x9b31m[bold red]markup[/bold red]\u202e gnp\r"


@pytest.fixture
def server() -> Iterator[OpenAIStub]:
    with OpenAIStub() as stub:
        yield stub


def watch(run: Path, steps: int, **asked: Any) -> tuple[Watched, Pace]:
    """An episode after some steps, as the screen gets it."""
    given = {"world": "vault", "task": "three-doors", "seed": 4, "model": asked.pop("model", "scripted")}
    settings = episode_settings({**given, **asked.pop("given", {})}, Context(**asked))
    folder = RunFolder(run).episode(settings.world, settings.task, settings.seed)
    session = SESSIONS.hold(settings, folder)

    async def play() -> tuple[Watched, Pace]:
        watched, pace = Watched(session, "scripted (no language model)", draws=True), Pace(0.0)
        await play_steps(watched, pace, lambda rows: None, steps)
        return watched, pace

    try:
        return asyncio.run(play())
    finally:
        SESSIONS.close(folder)


def drawn(watched: Watched, pace: Pace, view: View, width: int, height: int) -> Console:
    console = Console(
        file=io.StringIO(), record=True, width=width, height=height, force_terminal=True, color_system="truecolor"
    )
    console.print(compose(watched, pace, view, width, height))
    return console


def shown(watched: Watched, pace: Pace, view: View, width: int, height: int) -> str:
    return drawn(watched, pace, view, width, height).export_text()


@pytest.mark.parametrize(("width", "height"), [(80, 24), (120, 40), (200, 50)])
def test_the_screen_shows_game_agent_and_notebook_at_every_size(tmp_path: Path, width: int, height: int) -> None:
    watched, pace = watch(tmp_path / "run", 9)
    screen = shown(watched, pace, View(colours=True), width, height)
    lines = screen.splitlines()
    assert len(lines) == height
    assert all(len(line) == width for line in lines[2:-1])
    for part in ("PLAYING", "vault/three-doors seed 4", "scripted (no language model)", "step 9/100", "q quit"):
        assert part in screen
    for part in ("╭─ game", "what the model sees", "Doors opened: 0 of 3", "reply: PLAN", "notebook: 3 files"):
        assert part in screen
    assert re.search(r"── step 9 ─+", screen)
    if width == 200:
        assert re.search(r"notebook: 3 files, \d+ lines? · (recalls|answers) \d+% ", screen)
    assert re.search(r"LOG +APPEND codes.md\|.* written", screen)
    assert re.search(r"ACT +\w.* valid", screen)
    assert re.search(r"codes.md +\d  \+1 (at step |@)\d", screen)
    assert ("lines 1–" in screen) == (width == 200)  # the wide screen has a file open


def test_a_small_screen_shows_what_happens_and_the_smallest_does_not_break(tmp_path: Path) -> None:
    watched, pace = watch(tmp_path / "run", 3)
    small = shown(watched, pace, View(colours=True), 50, 12)
    assert "── step 3 ─" in small
    for width, height in ((20, 5), (8, 3), (300, 4), (4, 80)):
        shown(watched, pace, View(colours=True), width, height)
        shown(watched, pace, View(colours=True, opened=True), width, height)


def test_a_picture_becomes_coloured_cells_and_words_where_there_are_no_colours(tmp_path: Path) -> None:
    watched, pace = watch(tmp_path / "run", 2, given={"world": "crafter", "task": "default", "seed": 42})
    console = drawn(watched, pace, View(colours=True), 120, 40)
    svg = console.export_svg(clear=False)
    text = console.export_text()
    rows = [line for line in text.splitlines() if "▀" in line]
    assert len(rows) >= 15
    assert {line.count("▀") for line in rows} == {2 * len(rows)}  # square
    assert len(set(re.findall(r"fill: (#\w{6})", svg))) > 50
    plain = shown(watched, pace, View(colours=False), 120, 40)
    assert "▀" not in plain
    assert "You see:" in plain
    alone = shown(watched, pace, View(colours=True, game=True), 80, 24)
    assert max(line.count("▀") for line in alone.splitlines()) == 38
    assert "health: 9/9" in alone


def test_a_terminal_is_drawn_in_its_colours_around_its_cursor(tmp_path: Path, server: OpenAIStub) -> None:
    server.default = by_turn({("PLAN", 0): "<|ACTION|>search<|END|>"})
    game = {"world": "nethack", "task": "NetHackChallenge-v0", "seed": 42}
    watched, pace = watch(tmp_path / "run", 1, given=game, model="vllm:m", base_url=server.url)
    wide = drawn(watched, pace, View(colours=True), 200, 50)
    svg, screen = wide.export_svg(clear=False), wide.export_text()
    assert {"#5c5c5c", "#cccccc", "#f5f543"} <= set(re.findall(r"#\w{6}", svg))
    assert re.search(r"Dlvl:1 .* T:2", screen)
    narrow = shown(watched, pace, View(colours=True), 80, 24)
    assert not re.search(r"Dlvl:1 .* T:2", narrow)
    assert "@" in narrow  # what there is room for is where the player is
    plain = Console(file=io.StringIO(), width=200, height=50, force_terminal=True, no_color=True)
    plain.print(compose(watched, pace, View(colours=False), 200, 50))
    assert isinstance(plain.file, io.StringIO)
    assert re.search(r"Dlvl:1 .* T:2", plain.file.getvalue())
    assert not re.search(r"\x1b\[[0-9;]*[34]8;", plain.file.getvalue())


def test_a_file_of_the_notebook_can_be_looked_into(tmp_path: Path) -> None:
    watched, pace = watch(tmp_path / "run", 9)
    view = View(colours=True, name="codes.md", opened=True)
    screen = shown(watched, pace, view, 80, 24)
    count = dict(watched.files)["codes.md"]
    written = (tmp_path / "run" / EPISODE / "memory" / "codes.md").read_text().splitlines()
    assert f"╭─ codes.md: lines 1–{count} of {count}" in screen
    assert all(f"{number}  {line}" in screen for number, line in enumerate(written, 1))
    assert "q close" in screen
    view.above = 10**9
    assert f"lines 1–{count} of {count}" in shown(watched, pace, view, 80, 24)


def test_an_episode_without_a_notebook_says_so(tmp_path: Path) -> None:
    watched, pace = watch(tmp_path / "run", 2, notebook="off")
    screen = shown(watched, pace, View(colours=True), 120, 40)
    assert "The notebook is off." in screen
    assert "notebook off" in screen


def test_a_consultation_is_shown_with_the_turns_that_it_has_itself(tmp_path: Path) -> None:
    watched, pace = watch(tmp_path / "run", 1)
    talk = {"routine": "PLAN", "turns": 3, "calls": [], "messages": [{"role": "user", "content": "PLAN step 2"}]}
    watched.take("updates", {"log": {"conversation": talk}})
    assert "PLAN, turn 1 of 3" in shown(watched, pace, View(colours=True), 120, 40)


# Hostile models

_OURS = re.compile(r"\x1b\[[0-9;]*m")


def test_nothing_a_model_writes_steers_the_terminal(tmp_path: Path, server: OpenAIStub) -> None:
    attack: dict[tuple[str, int], Reply] = {
        ("LOG", 0): f"{HOSTILE}<|APPEND|>[red]codes.md|{HOSTILE}<|END|><|APPEND|>[b]x.md|[blink]\u202etxt<|END|>",
        ("LOG", 1): f"<|SEARCH|>{HOSTILE}|{HOSTILE}<|END|><|{HOSTILE}|>{HOSTILE}<|END|><|DONE|>",
        ("PLAN", 0): f"{HOSTILE * 500}<|ACTION|>{HOSTILE}<|END|>",
    }
    server.default = by_turn(attack)
    watched, pace = watch(tmp_path / "run", 3, model="vllm:m", base_url=server.url)
    assert any("[b]x.md" in name for name, _ in watched.files)
    opened = shown(watched, pace, View(colours=True, name="[b]x.md", opened=True), 80, 24)
    assert "[b]x.md: lines 1–" in opened
    for view in (View(colours=True), View(colours=True, name="[b]x.md", opened=True), View(colours=True, game=True)):
        for width, height in ((80, 24), (160, 50)):
            written = drawn(watched, pace, view, width, height).file
            assert isinstance(written, io.StringIO)
            screen = _OURS.sub("", written.getvalue())
            assert screen.replace("\n", "").isprintable()
            assert len(screen) < 3 * width * height
    screen = shown(watched, pace, View(colours=True), 160, 50)
    assert "[bold red]markup[/bold red]" in screen
    assert "␛]0;owned␇" in screen
    assert "<U+202E>" in screen
    lines = io.StringIO()
    plain = PlainLines(watched, pace, lines)
    for row in watched.rows:
        plain.show([row])
    assert lines.getvalue().replace("\n", "").isprintable()
    assert max(map(len, lines.getvalue().splitlines())) <= 160
    assert "<U+202E>" in lines.getvalue()


def test_replies_and_rows_stay_small_however_much_a_model_writes(tmp_path: Path, server: OpenAIStub) -> None:
    server.default = by_turn({("PLAN", 0): "\x1b" * 300_000 + "<|ACTION|>Wait<|END|>"})
    watched, _ = watch(tmp_path / "run", 2, model="vllm:m", base_url=server.url)
    assert watched.said is not None
    assert len(watched.said.text) < 5_000
    assert sum(len(part) for row in watched.rows for part in row if isinstance(part, str)) < 10_000
    assert Row("step", "", "step 2") in watched.rows

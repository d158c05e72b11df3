"""The parts of `automem play`, one by one: text made safe, keys, tiles, what is chosen, the pace."""

from __future__ import annotations

import asyncio
import io
import unicodedata
from typing import Literal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from cli.keys import KeyReader
from cli.pace import Pace
from cli.play_panels import View
from cli.tiles import Tiles, drawn, scaled
from cli.visible_text import one_line, visible
from worlds.world import ColouredText

# Text made safe


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("plain\ntext ünï", "plain\ntext ünï"),
        ("\x1b]0;owned\x07", "␛]0;owned␇"),
        ("a\rb\x7f\x9b2J", "a␍b␡<U+009B>2J"),
        ("a\tb\r\nc", "a    b\nc"),
        ("\u202eevil\u2066 \u200b\u2028", "<U+202E>evil<U+2066> <U+200B><U+2028>"),
        ("\ud800 \ue000 \U000e0041", "<U+D800> <U+E000> <U+E0041>"),
        ("e\u0301\u0302\u0303", "e\u0301\u0302<U+0303>"),
        ("\u0301a", "<U+0301>a"),
        ("❤\ufe0f\u00a0x", "❤ x"),
        ("[red]markup[/red]", "[red]markup[/red]"),
    ],
)
def test_what_could_steer_the_terminal_is_shown_instead(written: str, shown: str) -> None:
    assert visible(written) == shown


@given(st.text(max_size=300), st.integers(1, 100))
def test_shown_text_is_printable_and_bounded(text: str, most: int) -> None:
    shown = visible(text, most)
    assert all(line.isprintable() for line in shown.split("\n"))
    assert all(unicodedata.category(character)[0] != "C" for character in shown.replace("\n", ""))
    assert len(shown) <= 10 * most + 1
    line = one_line(text, most)
    assert line.isprintable()
    assert len(line) <= 10 * most + 2


def test_long_text_says_that_it_goes_on() -> None:
    assert visible("x" * 11, 10) == "x" * 10 + "…"
    assert one_line("a \n\t b", 10) == "a b"
    assert one_line("word " * 1000, 9) == "word word…"


# Keys


@pytest.mark.parametrize(
    ("data", "keys"),
    [
        (b"q ", ["q", "space"]),
        (b"\x1b[A\x1b[B\x1bOC\x1b[5~", ["up", "down", "right", "page up"]),
        (b"\r\n\x7f", ["enter", "enter", "backspace"]),
        (b"\x1b[1;5A\x1b[200~n", ["n"]),
        ("é+".encode(), ["+"]),
        (b"\x1bn", ["escape", "n"]),
        (b"\x00\x01", []),
    ],
)
def test_keys_are_read_by_name(data: bytes, keys: list[str]) -> None:
    assert KeyReader().feed(data) == keys


def test_a_sequence_may_come_in_pieces_and_a_lone_escape_is_a_key() -> None:
    reader = KeyReader()
    assert reader.feed(b"\x1b") == []
    assert reader.pending
    assert reader.feed(b"[") + reader.feed(b"A") == ["up"]
    assert reader.feed(b"\x1b") + reader.flush() == ["escape"]
    assert reader.flush() == []


@given(st.lists(st.binary(max_size=20), max_size=10))
def test_no_input_confuses_the_reader_of_keys(pieces: list[bytes]) -> None:
    reader = KeyReader()
    for piece in pieces:
        reader.feed(piece)
    reader.flush()
    assert reader.feed(b"q") == ["q"]


# Tiles


def picture() -> np.ndarray:
    """Four colours, one a quarter."""
    quarters = np.zeros((8, 8, 3), np.uint8)
    quarters[:4, :4], quarters[:4, 4:], quarters[4:, :4] = (255, 0, 0), (0, 255, 0), (0, 0, 255)
    return quarters


def printed(frame: np.ndarray | str, width: int, height: int, colours: Literal["truecolor", "256"]) -> str:
    console = Console(file=io.StringIO(), width=width, force_terminal=True, color_system=colours)
    shown = drawn(frame, colours=True)
    assert shown is not None
    console.print(shown, height=height)
    written = console.file
    assert isinstance(written, io.StringIO)
    return written.getvalue()


def test_a_picture_is_averaged_where_it_shrinks_and_repeated_where_it_grows() -> None:
    assert scaled(picture(), 2, 2).tolist() == [[[255, 0, 0], [0, 255, 0]], [[0, 0, 255], [0, 0, 0]]]
    assert scaled(picture(), 1, 1).tolist() == [[[64, 64, 64]]]
    assert np.array_equal(scaled(picture(), 16, 16), picture().repeat(2, axis=0).repeat(2, axis=1))
    assert scaled(picture(), 3, 20).shape == (20, 3, 3)


def test_a_picture_keeps_its_proportions_in_any_space() -> None:
    tiles = Tiles(picture())
    assert tiles.size(40, 10) == (20, 10)
    assert tiles.size(10, 40) == (10, 5)
    assert Tiles(np.zeros((100, 300, 3), np.uint8)).size(60, 60) == (60, 10)
    assert Tiles(np.zeros((1, 500, 3), np.uint8)).size(20, 20) == (20, 1)


def test_half_blocks_carry_two_pixels_in_the_terminals_colours() -> None:
    true = printed(picture(), 4, 2, "truecolor")
    assert true.splitlines()[0] == "\x1b[38;2;255;0;0;48;2;255;0;0m▀▀\x1b[0m\x1b[38;2;0;255;0;48;2;0;255;0m▀▀\x1b[0m"
    assert printed(picture(), 2, 1, "truecolor").startswith("\x1b[38;2;255;0;0;48;2;0;0;255m▀")
    assert printed(picture(), 2, 1, "256").startswith("\x1b[38;5;196;48;5;21m▀")
    assert drawn(picture(), colours=False) is None


def test_a_frame_of_text_is_cut_and_made_safe() -> None:
    assert printed("..@\x1b[2J\n#####", 6, 9, "truecolor") == "..@␛[…\n#####\n"


def coloured(cursor: tuple[int, int] | None = None) -> ColouredText:
    lines = ((("ab", "#ff0000"), ("c ", "#00ff00")), (("d", "#ff0000"),), (("\x1b[2J", "#00ff00"),))
    return ColouredText.of(lines, cursor)


def test_a_frame_in_colour_keeps_its_colours_on_a_ground_of_its_own_and_is_made_safe() -> None:
    lines = printed(coloured((1, 1)), 9, 9, "truecolor").splitlines()
    red, green, ground = "38;2;255;0;0", "38;2;0;255;0", "48;2;0;0;0"
    assert lines[0] == f"\x1b[{red};{ground}mab\x1b[0m\x1b[{green};{ground}mc \x1b[0m"
    assert lines[1] == f"\x1b[{red};{ground}md\x1b[0m\x1b[7;{ground}m \x1b[0m\x1b[{ground}m  \x1b[0m"
    assert lines[2] == f"\x1b[{green};{ground}m␛[2J\x1b[0m"
    assert len(lines) == 3


def test_where_there_is_no_room_a_frame_in_colour_is_shown_around_its_cursor() -> None:
    frame = ColouredText.of(tuple((("0123456789", "#cccccc"),) for _ in range(9)), (4, 7))
    shown = drawn(frame, colours=True)
    assert shown is not None
    assert (shown.size(99, 99), shown.size(4, 3)) == ((10, 9), (4, 3))
    console = Console(file=io.StringIO(), width=4, color_system=None)
    console.print(shown, height=3)
    written = console.file
    assert isinstance(written, io.StringIO)
    assert written.getvalue() == "5678\n" * 3  # and plain where there are no colours


# What is chosen on the screen


def test_files_are_chosen_opened_and_scrolled_with_keys() -> None:
    view, names = View(colours=True), ["a.md", "b.md", "c.md"]
    assert view.chosen(names, None) == 0
    assert view.chosen(names, "c.md") == 2  # the one that changed last, until one is chosen
    view.press("down", names, "a.md", 10)
    assert (view.name, view.opened) == ("b.md", False)
    view.press("enter", names, "a.md", 10)
    view.press("page up", names, "a.md", 10)
    view.press("up", names, "a.md", 10)
    view.press("down", names, "a.md", 10)
    assert (view.opened, view.above) == (True, 10)
    view.press("right", ["0.md", *names], "a.md", 10)  # a file was added before it
    assert (view.name, view.above) == ("c.md", 0)
    view.press("right", names, "a.md", 10)
    assert view.name == "a.md"
    view.press("escape", names, "a.md", 10)
    assert not view.opened
    view.press("2", names, "a.md", 10)
    assert (view.name, view.opened) == ("b.md", True)
    view.press("9", names, "a.md", 10)
    view.press("v", names, "a.md", 10)
    assert (view.name, view.game) == ("b.md", True)


def test_an_empty_notebook_offers_nothing_to_open() -> None:
    view = View(colours=True)
    for key in ("down", "enter", "1", "right"):
        view.press(key, [], None, 10)
    assert (view.name, view.opened) == (None, False)


# The pace


def test_held_while_paused_and_let_go_step_by_step() -> None:
    async def paced() -> list[str]:
        pace, happened = Pace(0.0), []

        async def play() -> None:
            for step in range(1, 5):
                await pace.hold()
                for part in ("log", "plan"):
                    happened.append(f"{part} {step}")
                    await pace.hold()
                pace.end_step()

        playing = asyncio.ensure_future(play())
        pace.toggle()
        await _soon()
        assert happened == []
        pace.step()
        await _soon()
        assert happened == ["log 1", "plan 1"]
        pace.step()
        pace.toggle()  # paused again before the step could begin
        await _soon()
        assert len(happened) == 2
        pace.toggle()
        await asyncio.wait_for(playing, 10)
        return happened

    assert len(asyncio.run(paced())) == 8


async def _soon() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


def test_a_rest_between_steps_ends_when_someone_pauses_steps_or_speeds_up() -> None:
    async def rested() -> None:
        for act in (Pace.toggle, Pace.step):
            pace = Pace(1000.0)
            resting = asyncio.ensure_future(pace.rest())
            await _soon()
            assert not resting.done()
            act(pace)
            await resting
        pace = Pace(1000.0)
        resting = asyncio.ensure_future(pace.rest())
        await _soon()
        for _ in range(9):
            pace.faster()
        await resting
        assert pace.delay_s == 0.0

    asyncio.run(rested())


def test_the_delay_goes_up_and_down_a_ladder() -> None:
    async def ladder() -> list[float]:
        pace, delays = Pace(0.3), []
        for change in (pace.faster, pace.slower, pace.slower, pace.slower, pace.slower, pace.slower, pace.slower):
            change()
            delays.append(pace.delay_s)
        return delays

    assert asyncio.run(ladder()) == [0.2, 0.5, 1.0, 2.0, 5.0, 5.0, 5.0]

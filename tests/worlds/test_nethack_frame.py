from collections.abc import Iterator
from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from worlds import make_world
from worlds.nethack_frame import COLOURS, picture, png, text
from worlds.nethack_game import NetHackGame


@pytest.fixture
def world() -> Iterator[NetHackGame]:
    made = make_world("nethack")
    assert isinstance(made, NetHackGame)
    made.reset(seed=42)
    yield made
    made.close()


def test_the_terminal_is_text_that_knows_its_colours() -> None:
    chars = np.full((24, 80), ord(" "), np.uint8)
    chars[1, 2:5] = list(b"@+\x07")
    colours = np.zeros((24, 80), np.int8)
    colours[1, 2:5] = (15, 3, 3)
    shown = text(chars, colours)
    assert shown == "\n  @+" + "\n" * 22
    assert shown.runs[1] == (("  ", COLOURS[0]), ("@", "#ffffff"), ("+", COLOURS[3]))
    assert "\n".join("".join(part for part, _ in line) for line in shown.runs) == shown


def test_a_picture_shows_each_character_in_its_colour_and_the_cursor_inverted() -> None:
    chars = np.full((24, 80), ord(" "), np.uint8)
    chars[0, :2] = ord("#")
    colours = np.full((24, 80), 1, np.int8)
    drawn = picture(chars, colours, np.array([0, 1], np.uint8))
    assert drawn.shape == (288, 560, 3)
    assert drawn.dtype == np.uint8
    plain, inverted = drawn[:12, :7].any(axis=2), drawn[:12, 7:14].any(axis=2)
    assert plain.any()
    assert (plain ^ inverted).all()
    assert {tuple(pixel) for pixel in drawn[:12, :7].reshape(-1, 3).tolist()} == {(0, 0, 0), (0xCD, 0x31, 0x31)}
    assert not drawn[12:].any()


def test_frames_picture_and_tiles_show_the_moment_and_change_nothing(world: NetHackGame) -> None:
    alone = [world.reset(seed=42), *(world.step(action) for action in ("south", "search", "i", "esc"))]
    looked = [world.reset(seed=42)]
    for action in ("south", "search", "i", "esc"):
        assert world.picture().any()
        assert world.tiles().shape == (336, 1264, 3)
        assert world.tiles().any()
        assert "Dlvl:1" in str(world.frame())
        looked.append(world.step(action))  # type: ignore[arg-type]
    assert looked == alone


def test_a_picture_is_written_as_png(world: NetHackGame) -> None:
    drawn = world.picture()
    np.testing.assert_array_equal(np.asarray(Image.open(BytesIO(png(drawn)))), drawn)


def test_the_picture_follows_the_game(world: NetHackGame) -> None:
    before, tiles = world.picture(), world.tiles()
    world.step("south")
    assert (world.picture() != before).any()
    assert (world.tiles() != tiles).any()

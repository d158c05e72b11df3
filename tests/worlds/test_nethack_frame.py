from collections.abc import Iterator

import numpy as np
import pytest

from worlds import World, make_world
from worlds.nethack_game import COLOURS, coloured_text, tiled
from worlds.world import ColouredText

ACTIONS = ("south", "search", "i", "esc", "far east", "kick", "west", "esc")


@pytest.fixture
def world() -> Iterator[World]:
    made = make_world("nethack")
    made.reset(seed=42)
    yield made
    made.close()


def test_the_terminal_is_text_that_knows_its_colours_and_its_cursor() -> None:
    chars = np.full((24, 80), ord(" "), np.uint8)
    chars[1, 2:5] = list(b"@+\x07")
    colours = np.zeros((24, 80), np.int8)
    colours[1, 2:5] = (15, 3, 3)
    shown = coloured_text(chars, colours, np.array([1, 2], np.uint8))
    lines = shown.split("\n")
    assert [len(line) for line in lines] == [80] * 24
    assert lines[1] == "  @+".ljust(80)
    assert "".join(lines).strip() == "@+"
    assert shown.runs[1] == (("  ", COLOURS[0]), ("@", "#ffffff"), ("+ ", COLOURS[3]), (" " * 75, COLOURS[0]))
    assert shown.cursor == (1, 2)


def test_frames_and_tiles_show_the_moment_and_change_nothing(world: World) -> None:
    alone = [world.reset(seed=42), *(world.step(action) for action in ACTIONS)]
    looked = [world.reset(seed=42)]
    for action in ACTIONS:
        tiles = world.tiles()
        assert tiles is not None
        assert tiles.shape == (432, 1264, 3)
        assert tiles[:32].any() == bool(str(world.frame()).split("\n")[0].strip())  # the message is above the map
        assert "Dlvl:1" in str(world.frame())
        looked.append(world.step(action))  # type: ignore[arg-type]
    assert looked == alone


@pytest.mark.parametrize("task", [("nethack", "NetHackChallenge-v0"), ("minihack", "MiniHack-Quest-Easy-v0")])
def test_tiles_looked_at_once_are_those_of_one_who_looked_all_the_time(task: tuple[str, str]) -> None:
    seen = []
    for often in (True, False):
        world = make_world(*task)
        world.reset(seed=2)
        for action in ("far east", "far south", "far west", "far north", "search", "southeast"):
            world.step(action)
            if often:
                world.tiles()
        seen.append(world.tiles())
        world.close()
    np.testing.assert_array_equal(*seen)


def test_the_frame_and_the_tiles_follow_the_game(world: World) -> None:
    before, tiles = world.frame(), world.tiles()
    world.step("south")
    assert world.frame() != before
    assert tiles is not None
    assert (world.tiles() != tiles).any()


def test_a_game_that_is_over_has_no_map_to_draw(world: World) -> None:
    for _ in range(60):
        if world.step("pray")[2] or world.step("y")[2]:
            break
    assert world.tiles() is None
    assert "Points" in str(world.frame())
    world.reset(seed=42)
    assert world.tiles() is not None


def test_tiles_stand_between_message_and_status_and_keep_their_width() -> None:
    lines = tuple((("#" * 80, "#ffffff"),) for _ in range(24))
    drawn = tiled(ColouredText.of(lines), np.full((336, 1264, 3), 9, np.uint8))
    assert drawn.shape == (432, 1264, 3)
    assert (drawn[32:368] == 9).all()
    assert drawn[:32].max() == drawn[368:].max() == 255

"""The rules of NetHack's text, one by one, on maps and screens made by hand."""

import numpy as np
import pytest
from numpy.typing import NDArray

from worlds.nethack_surroundings import surroundings, under_cursor
from worlds.nethack_text import NUMERIC_BANDS, Screen, Wording, joined, observation, top_message
from worlds.nethack_words import plural, words

STONE, FLOOR = 2359, 2359 + 19
VERTICAL_WALL, DOORWAY, CLOSED_DOOR, STAIRS_DOWN, ICE = (2359 + offset for offset in (1, 12, 15, 24, 33))
NEWT = words().text.index("newt")


def floor(*placed: tuple[int, int, int]) -> NDArray[np.int16]:
    """A map of floor, with glyphs at (x, y)."""
    glyphs = np.full((21, 79), FLOOR, np.int16)
    for x, y, glyph in placed:
        glyphs[y, x] = glyph
    return glyphs


def screen(*rows: str) -> str:
    return "".join(row.ljust(80) for row in (*rows, *[""] * (24 - len(rows))))


def moment(top: str = "", item: str = "", *placed: tuple[int, int, int]) -> Screen:
    """A player at (40, 10), cursor on them."""
    names = np.zeros((55, 80), np.uint8)
    names[0, : len(item)] = list(item.encode("latin-1"))
    return Screen(
        floor(*placed),
        np.array([40, 10, *[0] * 25], np.int64),
        np.frombuffer(screen(top).encode("latin-1"), np.uint8).reshape(24, 80),
        np.array([11, 40], np.uint8),
        names,
        np.array([97 if item else 0, *[0] * 54], np.uint8),
    )


@pytest.mark.parametrize(
    ("steps", "band"),
    [(1, "adjacent"), (2, "very near"), (3, "near"), (5, "near"), (6, "far"), (19, "far"), (20, "very far")],
)
def test_distance_words_count_steps(steps: int, band: str) -> None:
    assert surroundings(floor((40 + steps, 10, NEWT)), 40, 10) == f"newt {band} east"


def test_numeric_words_say_the_steps_they_mean() -> None:
    told = [surroundings(floor((40 + steps, 10, NEWT)), 40, 10, NUMERIC_BANDS) for steps in (1, 2, 4, 10, 30)]
    assert told == [
        "newt 1 step away east",
        "newt 2 steps away east",
        "newt 3-5 steps away east",
        "newt 6-19 steps away east",
        "newt 20+ steps away east",
    ]


def test_directions_off_the_axes_name_the_longer_one_first() -> None:
    places = {(42, 9): "eastnortheast", (41, 8): "northnortheast", (35, 11): "westsouthwest", (42, 12): "southeast"}
    for (x, y), direction in places.items():
        assert surroundings(floor((x, y, NEWT)), 40, 10).endswith(f" {direction}")


def test_the_nearest_come_last_and_each_band_turns_clockwise_from_north() -> None:
    glyphs = floor((41, 10, NEWT), (40, 2, NEWT), (35, 10, STAIRS_DOWN), (40, 13, STAIRS_DOWN))
    assert surroundings(glyphs, 40, 10) == "newt far north\nstairs down near south and west\nnewt adjacent east"


def test_several_in_one_direction_are_told_in_the_plural() -> None:
    assert surroundings(floor((47, 10, NEWT), (48, 10, NEWT), (30, 10, NEWT)), 40, 10) == (
        "newt far west\nnewts far east"
    )


def test_words_alike_in_the_plural_repeat_the_directions_of_the_plural() -> None:
    boots = words().text.index("mud boots")
    told = surroundings(floor((47, 10, boots), (48, 10, boots), (30, 10, boots)), 40, 10)
    assert told == "mud boots far east\nmud boots far east"


def test_a_ray_lists_walls_and_doorways_and_ends_at_a_wall() -> None:
    glyphs = floor((42, 10, DOORWAY), (44, 10, VERTICAL_WALL), (45, 10, VERTICAL_WALL), (44, 11, VERTICAL_WALL))
    assert surroundings(glyphs, 40, 10) == "vertical wall near east\ndoorway very near east"
    assert surroundings(floor((50, 10, VERTICAL_WALL)), 40, 10) == ""


def test_closed_doors_are_listed_wherever_they_are_and_end_no_ray() -> None:
    glyphs = floor((43, 10, CLOSED_DOOR), (44, 10, VERTICAL_WALL), (60, 3, CLOSED_DOOR))
    assert surroundings(glyphs, 40, 10).split("\n") == [
        "vertical closed door very far eastnortheast",
        "vertical closed door near east",
        "vertical wall near east",
    ]


@pytest.mark.parametrize(
    ("word", "several"),
    [
        ("newt", "newts"),
        ("fairy", "fairies"),
        ("killer bee", "killer bees"),
        ("fox", "foxes"),
        ("quarterstaff", "quarterstaves"),
        ("lich", "lichs"),
        ("ice", "area of ice"),
        ("scroll labeled NR 9", "scrolls labeled NR 9"),
        ("Master of Thieves", "Masters of Thieves"),
        ("hiking boots", "hiking boots"),
    ],
)
def test_plurals_are_balrogs(word: str, several: str) -> None:
    assert plural(word) == several


def test_the_cursor_is_told_by_what_it_is_on() -> None:
    glyphs = floor((40, 10, NEWT), (43, 10, STAIRS_DOWN))
    assert under_cursor(glyphs, 40, 10, (11, 40)) == "Yourself a newt"
    assert under_cursor(glyphs, 40, 10, (11, 43)) == "near east stairs down"
    assert under_cursor(glyphs, 40, 10, (11, 42)) == "very near east "
    assert under_cursor(glyphs, 40, 10, (0, 12)) == ""


def test_a_message_ends_with_its_page_and_a_menu_is_read_from_its_column() -> None:
    assert top_message(screen("You see here a bow.")) == "You see here a bow."
    assert top_message(screen("It bites!", "You die...--More--", "map")) == "It bites!\nYou die...--More--"
    menu = screen("          Weapons", "     | ..  a - a bow", "          (end)", " |...")
    assert top_message(menu) == "Weapons\na - a bow\n(end)"
    assert top_message(screen("Only this.", "|....|")) == "Only this."
    assert top_message(screen()) == ""


def test_a_blank_first_row_shifts_the_reading_by_one_as_in_balrog() -> None:
    assert top_message(screen("", " No  Points     Name", "", "")).startswith("\0\nNo  Points")


def test_pages_are_joined_by_a_line() -> None:
    assert joined("You hear a door open.--More--", "It closes.") == "You hear a door open.\nIt closes."


def test_the_default_wording_touches_neither_message_nor_inventory() -> None:
    shown = moment("The far near adjacent thing.", "a very near miss", (50, 10, NEWT))
    told = observation(shown)
    assert told["long"].startswith("message:\nThe far near adjacent thing.\n\nlanguage observation:\nnewt 6-19 steps")
    assert told["short"] == "inventory:\na: a very near miss\n"
    plain = observation(shown, Wording.BALROG)
    assert told["long"].replace("6-19 steps away", "far", 1) == plain["long"]


def test_the_papers_wording_reaches_into_messages_and_inventory() -> None:
    told = observation(moment("So far so near.", "a far cry", (50, 9, NEWT)), Wording.PAPER)
    assert "So 5-8 steps away so 3-4 steps away." in told["long"]
    assert "newt 5-8 steps away between east and northeast" in told["long"]
    assert told["short"] == "inventory:\na: a 5-8 steps away cry\n"


def test_a_message_of_several_pages_stands_in_for_the_screens_own() -> None:
    assert observation(moment("second"), message="first\nsecond")["long"].startswith("message:\nfirst\nsecond\n\n")

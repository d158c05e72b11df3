import gzip
import json
from pathlib import Path

import nethack_episodes
import pytest

from worlds.map_reading import Door, Place, read_map

PARITY = Path(__file__).parent / "data" / "parity" / "nethack_text.jsonl.gz"

ROOM = """
       -----------
       |....<....|
       |..d.......
       |.@+.....$|     ###
       |..}....`.-#######
       |.........|     >
       ---|--+----
"""


def text(drawing: str, beside: str = "", cursor: str = "Yourself a valkyrie\n(x=9, y=4)", message: str = "") -> str:
    rows = drawing.split("\n")[1:]
    screen = [row.ljust(80) for row in (*rows, *[""] * (23 - len(rows)))]
    return (
        f"message:\n{message}\n\nlanguage observation:\n{beside}\n\ncursor:\n{cursor}\n\nmap:\n"
        + "".join(row + "\n" for row in screen)
        + "\n"
    )


def test_the_player_is_where_the_cursor_says() -> None:
    assert read_map(text(ROOM)).player == Place(9, 4)
    assert read_map(text(ROOM, cursor="near west wand\n(x=3, y=3)")).player == Place(9, 4)  # the only @
    assert read_map(text(ROOM + "\n @", cursor="\n(x=3, y=0)")).player is None


def test_stairs_boulders_monsters_and_items_are_found() -> None:
    seen = read_map(text(ROOM))
    assert seen.stairs_up == (Place(12, 2),)
    assert seen.stairs_down == (Place(23, 6),)
    assert seen.boulders == (Place(15, 5),)
    assert seen.monsters == ((Place(10, 3), "d"),)
    assert seen.items == ((Place(10, 4), "+"), (Place(16, 4), "$"))


def test_doors_are_told_from_walls_and_spellbooks() -> None:
    assert read_map(text(ROOM)).doors == (Door(Place(17, 5), True), Door(Place(10, 7), True), Door(Place(13, 7), False))


def test_one_can_step_on_floor_and_things_but_not_on_walls_water_boulders_or_monsters() -> None:
    seen = read_map(text(ROOM, beside="jackal 1 step away northeast\npool adjacent southeast\nbook adjacent east"))
    assert seen.beside == {"northeast": "jackal", "southeast": "pool", "east": "book"}
    assert set(seen.passable) == {"north", "east", "south", "west", "northwest", "southwest"}


@pytest.mark.parametrize(
    ("wording", "band"),
    [("balrog", "adjacent"), ("numeric", "1 step away"), ("paper", "1 step away (directly reachable)")],
)
def test_what_is_beside_the_player_is_named_in_any_wording(wording: str, band: str) -> None:
    listed = (
        f"stairs down 2 steps away east\nvertical wall {band} west, northwest, and southwest\ntame dog {band} north"
    )
    assert read_map(text(ROOM, beside=listed)).beside == {
        **dict.fromkeys(("west", "northwest", "southwest"), "vertical wall"),
        "north": "tame dog",
    }


def test_pets_give_way_and_bars_do_not() -> None:
    bars = "\n###\n#@d\n#.#\n"
    listed = "bars adjacent north, northeast, northwest, west, southwest, and southeast\ntame dog adjacent east"
    assert read_map(text(bars, listed, "Yourself a knight\n(x=1, y=2)")).passable == ("east", "south")


def test_an_open_door_is_passed_but_not_diagonally() -> None:
    wall = "\n---|---\n.......\n"
    assert "north" in read_map(text(wall, cursor="Yourself a wizard\n(x=3, y=2)")).passable
    assert read_map(text(wall, cursor="Yourself a wizard\n(x=2, y=2)")).passable == ("east", "west")


@pytest.mark.parametrize("over", ["(end)", "(1 of 2)", "--More--"])
def test_a_covered_map_is_not_trusted(over: str) -> None:
    seen = read_map(text(ROOM.replace("###", over, 1)))
    assert seen.covered
    assert seen.passable == ()


def test_a_text_without_a_map_is_refused() -> None:
    for told in ("", "You see nothing away from you.", "message:\n\nmap:\n"):
        with pytest.raises(ValueError, match="no NetHack map"):
            read_map(told)


def test_recorded_moments_agree_with_the_figures_of_the_game() -> None:
    compared = 0
    for episode in nethack_episodes.recorded():
        for long, _, _, terminated, _, info in episode["answers"]:
            if terminated:
                continue
            seen = read_map(long)
            if "\ncursor:\nYourself " in long:
                x, y = info["statistics"]["position"]
                assert seen.player == (x, y + 1)
                compared += 1
    assert compared > 200


def test_steps_that_led_somewhere_were_passable() -> None:
    """In recorded mazes and rooms: whoever moved, moved to where the map said one can."""
    moved = 0
    for episode in nethack_episodes.recorded():
        before = episode["answers"][0]
        for action, after in zip(episode["actions"], episode["answers"][1:], strict=True):
            seen = read_map(before[0])
            was, now = before[5]["statistics"]["position"], after[5]["statistics"]["position"]
            step = (now[0] - was[0], now[1] - was[1])
            if (
                was != now
                and action in ("north", "south", "east", "west")
                and step in {(0, 1), (0, -1), (1, 0), (-1, 0)}
            ):
                assert action in seen.passable or seen.boulders or seen.monsters, (episode["task"], action, before[0])
                moved += 1
            before = after
    assert moved > 10


def test_the_player_is_found_on_every_recorded_walk() -> None:
    with gzip.open(PARITY, "rt", encoding="utf-8") as file:
        walks = [record for record in map(json.loads, file) if record["kind"] == "walk"]
    for record in walks:
        x, y = record["text_blstats"].partition("Position: ")[2].partition("\n")[0].split("|")
        told = [read_map(record[text]) for text in ("long_balrog", "long_automem")]
        assert [seen.player for seen in told] == [Place(int(x), int(y) + 1)] * 2
        assert told[0].passable == told[1].passable

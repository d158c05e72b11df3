"""How the Crafter player uses what a scaffold adds: one line per place, and notices of what lies out of view."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from crafter_words import carrying, seen
from policy_episode import LOG, PLAN

from memory_fs import MemoryFS
from worlds.players import Prompt
from worlds.players.crafter_notes import (
    FEW_LINES,
    KEPT,
    MANY_PLACES,
    MAP,
    ROOMY,
    TRACK,
    Notes,
    read_notes,
    record,
    write_places,
)
from worlds.players.crafter_player import ACHIEVEMENTS, GOALS, CrafterPolicy
from worlds.players.crafter_sight import NOTHING, read_notices

KEYED = LOG | {"upsert_map"}


def log_prompt(operations: frozenset[str] = KEYED, step: int = 5) -> Prompt:
    return Prompt("LOG", step, "", (), operations)


def carried_out(notebook: MemoryFS, decisions: list[tuple[str, dict[str, Any]]]) -> None:
    """What the operations do, `upsert_map` as the play defines it."""
    for name, arguments in decisions:
        if name == "upsert_map":
            result = notebook.upsert(MAP, arguments["coordinate"], arguments["description"])
        else:
            result = getattr(notebook, name)(**arguments)
        assert result.code is None, result.text


def recalled(notebook: MemoryFS) -> Notes:
    return read_notes("\n".join(notebook.read(name).text for name in (MAP, TRACK) if name in notebook.index()))


def test_without_one_line_per_place_nothing_is_written_otherwise() -> None:
    old, new = Notes(found=True), Notes(at=(32, 31), facing="north", found=True, marks={(33, 30): "iron"})
    assert record(log_prompt(LOG), old, new) == [
        ("append", {"file": MAP, "text": "step 5: at 32,31 facing north; iron 33,30"})
    ]


def test_with_it_every_place_has_its_line_and_the_way_a_file_of_its_own(tmp_path: Path) -> None:
    old = Notes(found=True, marks={(30, 30): "tree", (31, 31): "cow"})
    new = Notes(at=(32, 31), facing="north", found=True, marks={(30, 30): "tree", (33, 30): "iron", (20, 9): "water?"})
    with MemoryFS(tmp_path / "memory") as notebook:
        notebook.write(MAP, write_places(old))
        carried_out(notebook, record(log_prompt(), old, new))
        notes = recalled(notebook)
        assert notebook.at(notebook.revision)[MAP].splitlines() == [
            "30,30: tree", "31,31: nothing", "33,30: iron", "20,9: water?"
        ]  # fmt: skip
    assert (notes.marks, notes.at, notes.facing) == (new.marks, new.at, new.facing)


def test_many_more_landmarks_are_kept_one_line_each() -> None:
    one = read_notes("step 5: at 32,31 facing north")
    assert (one.room, one.places) == (1, 0)
    places = "\n".join(f"{index}: {index},7: tree" for index in range(1, 61))
    many = read_notes(f"{MAP}, 60 lines:\n{places}\n3: step 5: at 32,31 facing north")
    assert (many.room, many.places, len(many.marks), many.at) == (ROOMY, 60, 60, (32, 31))
    assert len(many.marks) > KEPT["tree"]


def test_a_file_of_too_many_places_is_written_anew_with_those_where_something_is_left() -> None:
    old = Notes(found=True, places=MANY_PLACES, marks={(1, 2): "tree"})
    new = Notes(at=(32, 31), found=True, places=MANY_PLACES, marks={(3, 4): "iron"})
    first = record(log_prompt(), old, new)[0]
    assert first == ("write", {"file": MAP, "text": "3,4: iron"})


def test_the_way_is_written_anew_when_it_has_grown() -> None:
    old = Notes(found=True, lines=FEW_LINES)
    assert record(log_prompt(), old, Notes(at=(32, 31), found=True))[-1][0] == "write"


@pytest.mark.parametrize("line", ["70,3: tree", "3,4: dragon", "3,4:", "3,4: tree and more", "x,y: tree"])
def test_a_line_that_is_no_place_of_this_world_marks_nothing(line: str) -> None:
    assert read_notes(line).marks == {}


def test_notices_are_read_into_offsets() -> None:
    notices = (
        "- Land not seen yet: past grass 2 east and 10 north; past stone 7 west; past water here.\n"
        "- food is down to 4: cow last seen 3 east and 2 south, 28 steps ago.\n"
        "- The plant 6 west and 1 north is ripe: it can be eaten.\n"
    )
    told = read_notices(notices)
    assert told.unseen == {"grass": (2, -10), "stone": (-7, 0), "water": (0, 0)}
    assert (told.sources, told.ripe) == ({"cow": (3, 2)}, ((-6, -1),))
    assert read_notices("- Your last action changed nothing: you are stuck.") == NOTHING == read_notices("")


def acted(text: str, notices: str, *, step: int = 60, notes: str = "step 59: at 32,32 facing north") -> str:
    """The action of a PLAN with these notices."""
    body = f"PLAN step {step}\n\n## Action sent\nNoop\n\n## Now\n{text}\n\n## Notices\n- {notices}\n\n"
    body += f"## Notebook\n- {MAP} (9 lines)\n- {GOALS} (1 line)"
    reached = " ".join(goal for goal in ACHIEVEMENTS if goal != "eat_plant")
    results = ((f"READ {MAP}", notes), (f"READ {GOALS}", reached))
    [(name, arguments)] = CrafterPolicy().decide(Prompt("PLAN", step, body, results, PLAN))
    assert name == "act"
    return str(arguments["action"])


TOOLS = {f"{material}_{tool}": 1 for material in ("wood", "stone", "iron") for tool in ("pickaxe", "sword")}
MEADOW = seen("grass 1 step to your west", inventory=carrying(stone=9, **TOOLS))


@pytest.mark.parametrize(("way", "move"), [("12 east", "Move East"), ("12 south", "Move South")])
def test_hungry_it_goes_where_a_notice_tells_of_land_not_seen(way: str, move: str) -> None:
    hungry = MEADOW.replace("food: 8", "food: 1")
    assert acted(hungry, f"Land not seen yet: past grass {way}; past stone 9 west.") == move


@pytest.mark.parametrize(("way", "move"), [("7 east", "Move East"), ("7 south", "Move South")])
def test_it_heeds_where_what_it_lacks_was_last_seen(way: str, move: str) -> None:
    assert acted(MEADOW, f"food is down to 5: cow last seen {way}, 9 steps ago.") == move


def test_what_was_last_seen_too_far_away_is_not_worth_the_way() -> None:
    told = "food is down to 5: cow last seen {}, 9 steps ago."
    assert acted(MEADOW, told.format("30 east")) == acted(MEADOW, told.format("30 south"))


def test_the_more_it_lacks_the_further_it_goes_for_what_a_notice_tells_of() -> None:
    """While it is not yet hungry not so far; then any way, rather than over land not seen."""
    told = "food is down to {}: cow last seen 20 {}, 9 steps ago."
    unseen = "Land not seen yet: past grass 2 north; past stone 9 west."
    for food, heeds in ((6, False), (5, True), (2, True)):
        hungry = MEADOW.replace("food: 8", f"food: {food}")
        ways = {way: acted(hungry, f"{unseen}\n- {told.format(food, way)}") for way in ("east", "south")}
        assert (ways == {"east": "Move East", "south": "Move South"}) is heeds


@pytest.mark.parametrize(("food", "move"), [(5, ""), (4, "Move South")])
def test_with_a_cow_in_its_notes_it_goes_where_a_notice_tells_when_that_becomes_urgent(food: int, move: str) -> None:
    hungry = MEADOW.replace("food: 8", f"food: {food}")
    told = f"food is down to {food}: cow last seen {{}}, 9 steps ago."
    notes = "step 59: at 32,32 facing north; cow 32,42"
    south, nowhere = acted(hungry, told.format("20 south"), notes=notes), acted(hungry, "Nothing.", notes=notes)
    assert south == (move or nowhere)


def test_starving_it_goes_to_the_nearer_of_what_it_noted_and_what_it_is_told() -> None:
    starving = MEADOW.replace("food: 8", "food: 1")
    notes = "step 59: at 32,32 facing north; cow {}"
    told = "food is down to 1: cow last seen 9 east, 9 steps ago."
    assert acted(starving, told, notes=notes.format("32,50")) == "Move East"
    assert acted(starving, told, notes=notes.format("32,38")) == "Move South"


def test_before_a_night_it_fills_up_where_a_notice_tells() -> None:
    """An hour before dusk, with what it would not go for at noon."""
    told = "food is down to 6: cow last seen 18 {}, 9 steps ago."
    evening = MEADOW.replace("food: 8", "food: 6")
    ways = [acted(evening, told.format(way), step=120) for way in ("east", "south")]
    assert ways == ["Move East", "Move South"]


def test_a_ripe_plant_is_eaten_and_one_further_off_gone_for() -> None:
    plant = seen("grass 1 step to your west", "plant 1 step to your north", front="plant")
    assert acted(plant, "The plant 1 north is ripe: it can be eaten.") == "Do"
    assert acted(MEADOW, "The plant 6 east is ripe: it can be eaten.") == "Move East"

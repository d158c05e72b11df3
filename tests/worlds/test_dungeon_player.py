"""How the rule-based player of NetHack and MiniHack plays: forgetful, with a notebook and without."""

from __future__ import annotations

from pathlib import Path

import pytest
from dungeon_words import logged, planned, shown
from policy_episode import ACT_ONLY, LOG, PLAN, Played, play

from memory_fs import Limits, MemoryFS
from worlds import make_policy, world_entry
from worlds.players import Prompt
from worlds.players.dungeon_notes import MAP, TRIED
from worlds.players.dungeon_player import DungeonPolicy

CORRIDOR = ("", "  ##@##  ")
ROOM = ("-------", "|.....|", "|..@..|", "|.....|", "-------")


def played(tmp_path: Path, world: str, task: str | None, seed: int, steps: int, kind: str) -> Played:
    """An episode with the notebook on, off or frozen."""
    with MemoryFS(tmp_path / f"{task}{seed}{kind}", Limits(search_lines=100)) as notebook:
        if kind == "frozen":
            notebook.seed({MAP: "", "game_rules.md": "Doors open by walking into them."})
        log = LOG if kind == "on" else frozenset({"search", "read", "tail", "count", "done"})
        book = None if kind == "off" else notebook
        return play(DungeonPolicy, seed, steps, book, log=log, world_name=world, task=task)


def test_a_new_player_for_every_call_plays_the_same_episode_as_one_player(tmp_path: Path) -> None:
    kept = DungeonPolicy()
    with MemoryFS(tmp_path / "a") as first, MemoryFS(tmp_path / "b") as second:

        def disturb(step: int) -> None:
            """Between any two calls the kept player is asked about another episode altogether."""
            kept.decide(Prompt("PLAN", step, f"PLAN step {step}\n\n## Now\n{shown(*CORRIDOR)}", (), ACT_ONLY))

        anew = play(DungeonPolicy, 4, 150, first, world_name="nethack")
        again = play(lambda: kept, 4, 150, second, world_name="nethack", each_step=disturb)
        assert anew.actions == again.actions
        assert first.at(first.revision) == second.at(second.revision)
    assert vars(kept) == {}


def test_with_its_notebook_it_gets_deeper_than_without(tmp_path: Path) -> None:
    on, off = ([played(tmp_path, "nethack", None, seed, 300, kind).deepest for seed in _DEEP] for kind in ("on", "off"))
    assert sum(on) >= 2 * sum(off)


_DEEP = (7, 9)


def test_with_its_notebook_it_solves_more_tasks_than_without(tmp_path: Path) -> None:
    on, off = (
        sum(played(tmp_path, "minihack", task, seed, 100, kind).progression for task, seed in _SOLVED)
        for kind in ("on", "off")
    )
    assert on == len(_SOLVED)
    assert off <= on - 3


_MAZE = "MiniHack-MazeWalk-9x9-v0"
_SOLVED = (
    (_MAZE, 43),
    (_MAZE, 46),
    ("MiniHack-Corridor-R3-v0", 43),
    ("MiniHack-Corridor-R3-v0", 46),
    ("MiniHack-Quest-Medium-v0", 43),
)


def test_with_a_frozen_notebook_it_plays_as_without_one(tmp_path: Path) -> None:
    off, frozen = (played(tmp_path, "nethack", None, 4, 100, kind).actions for kind in ("off", "frozen"))
    assert off == frozen


@pytest.mark.parametrize("task", world_entry("minihack").tasks)
def test_every_task_gets_actions_it_has(tmp_path: Path, task: str) -> None:
    for kind in ("on", "off"):
        assert played(tmp_path, "minihack", task, 1, 25, kind).actions  # `play` checks each of them


@pytest.mark.parametrize("recall", ["tail", "read"])
def test_it_makes_do_with_another_way_to_recall(tmp_path: Path, recall: str) -> None:
    with MemoryFS(tmp_path / "memory") as notebook:
        log, plan = frozenset({recall, "append", "done"}), frozenset({recall, "act"})
        done = play(DungeonPolicy, 43, 100, notebook, log=log, plan=plan, world_name="minihack", task=_MAZE)
    assert done.progression == 1


def test_one_line_per_place_is_kept_and_read_whole_where_the_scaffold_offers_it(tmp_path: Path) -> None:
    with MemoryFS(tmp_path / "memory", Limits(search_lines=20)) as notebook:
        play(DungeonPolicy, 1, 200, notebook, log=LOG | {"upsert"}, plan=PLAN, world_name="nethack")
        lines = notebook.read(MAP).text.split("\n")[1:]
    places = [line.split(": ")[1] for line in lines]
    assert len(places) == len(set(places)) > 20


def test_without_records_there_is_nothing_to_log() -> None:
    assert logged(shown(*ROOM), "east", shown(*ROOM), operations=frozenset({"search", "done"})) == []


def test_it_walks_on_in_a_corridor_and_turns_back_only_for_what_it_has_not_seen() -> None:
    assert planned(shown("", " ####@#"), "D01 1,2-5,2 walked") == "east"
    assert planned(shown("", " #@####"), "D01 2,2-6,2 walked") == "west"


def test_a_notice_that_it_repeats_itself_sends_it_to_another_place() -> None:
    text = shown("", "  ##@###  ")
    assert planned(text, "D01 4,2 walked") == "west"
    assert planned(text, "D01 4,2 walked", notices="You are oscillating between two places.") == "far east"


def test_what_was_in_vain_is_not_tried_again() -> None:
    text = shown("", "  @#")
    assert planned(text, "D01 2,2 walked") == "east"
    assert planned(text, "D01 2,2 walked", "D01 2,2 vain east at step 49") != "east"


def test_it_goes_down_where_the_notes_say_there_are_stairs_that_something_lies_on() -> None:
    assert planned(shown(*ROOM), "D01 3,3 stairs down") == "down"
    assert planned(shown(*ROOM), "D02 3,3 stairs down") != "down"  # another level's
    assert planned(shown("-------", "|..@.>|", "-------")) == "east"


def test_it_fights_what_is_beside_it_but_neither_the_peaceful_nor_what_harms_who_touches_it() -> None:
    room = ("-------", "|.....|", "|..@F.|", "|.....|", "-------")
    assert planned(shown(*room, beside="lichen 1 step away east")) == "east"
    assert planned(shown(*room, beside="lichen adjacent east")) == "east"
    for name in ("floating eye", "lichen statue"):
        assert planned(shown(*room, beside=f"{name} 1 step away east"), "D01 3,3 walked") != "east"
    gnome = shown(*room, beside="gnome lord 1 step away east")
    assert planned(gnome, "D01 3,3 peaceful gnome lord") != "east"
    asked = shown(*room, message="Really attack the gnome lord? [yn] (n)", beside="gnome lord 1 step away east")
    assert planned(asked) == "esc"


def test_between_several_it_withdraws_into_a_corridor() -> None:
    rows = ("   ---------", "   |......r|", "####......@|", "   |......r|", "   ---------")
    rats = shown(*rows, beside="giant rat 1 step away north and south")
    assert planned(rats) == "west"


def test_it_prays_when_life_is_short_unless_it_noted_a_prayer_not_long_ago() -> None:
    dying = shown(*ROOM, status="Dlvl:1 $:0 HP:2(16) Pw:5(5) AC:3 Xp:1/0 T:{turn}", turn=1_200)
    assert planned(dying, "step 9: prayed at 90") == "pray"
    assert planned(dying, "step 9: prayed at 900") != "pray"
    assert planned(shown(*ROOM, message="Are you sure you want to pray? [yn] (n)"), sent="pray") == "y"


def test_it_eats_what_it_has_when_hungry() -> None:
    status, food = (
        "Dlvl:1 $:0 HP:16(16) Pw:5(5) AC:3 Xp:1/0 T:{turn} Hungry",
        "a: a sword\nd: 2 food rations\ne: an egg",
    )
    assert planned(shown(*ROOM, status=status, inventory=food)) == "eat"
    asked = shown(*ROOM, message="What do you want to eat? [de or ?*]", status=status, inventory=food)
    assert planned(asked, sent="eat") == "d"
    there = "There is a newt corpse here; eat it? [ynq] (n)"
    assert planned(shown(*ROOM, message=there, status=status, inventory=food), sent="eat") == "n"


def test_a_locked_door_is_kicked_and_the_question_where_is_answered() -> None:
    rows, door = ("-------", "|.....|", "|....@+", "|.....|", "-------"), "vertical closed door 1 step away east"
    notes = ("D01 5,3 walked", "D01 6,3 locked")
    assert planned(shown(*rows, beside=door), *notes) == "kick"
    assert planned(shown(*rows, beside=door, message="In what direction?"), *notes, sent="kick") == "east"


def test_pages_are_left_even_where_their_mark_runs_over_a_lines_end() -> None:
    assert planned(shown("(end)", *ROOM)) == "esc"
    assert planned(shown(" " * 73 + "--More-", "-", *ROOM, message="Wait!  There's a spider")) == "esc"


def test_a_dead_end_is_searched_and_then_another_place() -> None:
    rows = ("", " ------   ", " |....####", " ------   ")
    text = shown(*(row[:9] + "@" if "#" in row else row for row in rows))
    known = "D01 2,3-9,3 walked"
    assert planned(text, known) == "2"
    assert planned(shown(message="Count: 2"), sent="2") == "0"
    assert planned(shown(message="Count: 20"), sent="0") == "search"
    assert planned(text, known, *(f"D01 9,3 searched 20 to {turn}" for turn in (100, 120, 140))) in ("west", "far west")


def test_log_writes_where_it_walked_what_it_saw_and_what_did_nothing() -> None:
    one, two = shown("", "  @#  >"), shown("", "  .@  >")
    assert logged(one, "east", two) == [("append", {"file": MAP, "text": "D01 2,2-3,2 walked at step 50"})]
    [vain] = logged(one, "east", one)
    assert vain == ("append", {"file": TRIED, "text": "D01 2,2 vain east at step 50"})
    [_, stairs] = logged(shown("", "  @#"), "east", two)
    assert stairs == ("append", {"file": MAP, "text": "D01 6,2 stairs down"})
    onto = logged(shown("", "  @>"), "east", shown("", "  .@"), operations=LOG | {"upsert_map"})
    assert onto[-1] == ("upsert_map", {"coordinate": "3,2", "description": "D01 stairs down"})
    refused = logged(one, "north", shown("", "  @#  >", message="Really attack the gnome? [yn] (n)"))
    assert refused[0][1]["text"] == "D01 2,2 peaceful gnome"


def test_a_file_grown_long_is_written_anew_with_what_a_search_shows() -> None:
    before, now = shown("", "  @#"), shown("", "  .@")
    body = f"LOG step 9\n\n## Before\n{before}\n\n## Action sent\neast\n\n## Now\n{now}"
    body += f"\n\n## Notebook\n- {MAP} (401 lines)"
    policy = DungeonPolicy()
    assert policy.decide(Prompt("LOG", 9, body, (), LOG)) == [("search", {"file": MAP, "keyword": "D01"})]
    recalled = "2 lines of x contain 'D01':\n7: D01 1,1 walked at step 3\n8: D01 2,1 walked at step 4"
    decisions = policy.decide(Prompt("LOG", 9, body, ((f"SEARCH {MAP}", recalled),), LOG))
    text = "D01 1,1 walked at step 3\nD01 2,1 walked at step 4"
    assert decisions[0] == ("write", {"file": MAP, "text": text})


@pytest.mark.parametrize(
    "text", ["", "no map at all", "message:\n\nmap:\n", "## Now\nmessage:\nx\n\nmap:\n" + "@\n" * 9]
)
def test_text_of_another_world_is_answered_all_the_same(text: str) -> None:
    prompt = Prompt("PLAN", 1, f"PLAN step 1\n\n{text}", (), ACT_ONLY)
    assert DungeonPolicy().decide(prompt) == [("act", {"action": "north"})]
    assert DungeonPolicy().decide(Prompt("LOG", 2, f"LOG step 2\n\n{text}", (), LOG)) == [("done", {})]


def test_the_registry_names_it() -> None:
    assert isinstance(make_policy("nethack"), DungeonPolicy)
    assert isinstance(make_policy("minihack"), DungeonPolicy)

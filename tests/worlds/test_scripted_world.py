import re

import pytest

from worlds import World, make_policy, make_world, world_entry
from worlds.players import Prompt

TASKS = world_entry("vault").tasks
MEMORY = {"LOG": frozenset({"append", "done"}), "PLAN": frozenset({"search", "act"})}
NO_MEMORY = {"PLAN": frozenset({"act"})}


def play(world: World, seed: int, operations: dict[str, frozenset[str]]) -> dict[str, object]:
    """An episode of the rule-based player with the smallest notebook that can answer it; the last info."""
    policy = make_policy("vault")
    notebook: list[str] = []
    observation, info = world.reset(seed=seed)
    over, step = False, 0
    while not over:
        step += 1
        for routine, allowed in operations.items():
            text = (
                f"{routine} step {step}\n\n## Now\n{observation['long']}\n\n{observation['short']}\n\n## Notebook\n- …"
            )
            results: tuple[tuple[str, str], ...] = ()
            action = None
            for _ in range(5):  # turns
                for name, arguments in policy.decide(Prompt(routine, step, text, results, allowed)):
                    assert name in allowed
                    if name == "append":
                        notebook.append(str(arguments["text"]))
                    elif name == "search":
                        found = "\n".join(line for line in notebook if str(arguments["keyword"]) in line)
                        results = (*results, (f"SEARCH {arguments['file']}", found))
                    elif name == "act":
                        action = str(arguments["action"])
                    else:
                        break
                if action or name == "done":
                    break
        assert action is not None
        observation, _, terminated, truncated, info = world.step(action)
        over = terminated or truncated
    return info


@pytest.mark.parametrize("task", TASKS)
def test_with_notes_the_rule_based_player_opens_every_door(task: str) -> None:
    for seed in range(20):
        assert play(make_world("vault", task), seed, MEMORY)["end_reason"] == "solved"


@pytest.mark.parametrize("task", TASKS)
def test_without_notes_it_is_caught(task: str) -> None:
    solved = [play(make_world("vault", task), seed, NO_MEMORY)["end_reason"] == "solved" for seed in range(20)]
    assert sum(solved) <= 2  # a code may happen to be its guess


def code_of_first_door(world: World, seed: int) -> str:
    """Read the only note of `one-door`, walk to the door, and give its code."""
    world.reset(seed=seed)
    world.step("Go East")
    said = world.step("Read Note")[0]["long"]
    found = re.search(r"opens with ([\d ]+)\.", said)
    assert found
    while "a locked" not in world.step("Go East")[0]["long"]:
        pass
    return found[1].replace(" ", "")


def test_a_note_can_be_read_once() -> None:
    world = make_world("vault", "one-door")
    world.reset(seed=0)
    assert "a note on the wall" in world.step("Go East")[0]["long"]
    first = world.step("Read Note")[0]["long"]
    again = world.step("Read Note")[0]["long"]
    assert ("opens with" in first, "opens with" in again) == (True, False)
    assert "a note on the wall" not in again


def test_a_locked_door_stops_whoever_goes_east() -> None:
    world = make_world("vault", "one-door")
    code_of_first_door(world, 0)
    room = world.step("Wait")[4]["statistics"]["room"]
    observation, *_, info = world.step("Go East")
    assert "door is locked" in observation["long"]
    assert info["statistics"]["room"] == room


def test_the_right_code_opens_the_door_and_pays() -> None:
    world = make_world("vault", "one-door")
    for digit in code_of_first_door(world, 0):
        observation, reward, terminated, _, info = world.step(f"Press {digit}")
    assert "door opens" in observation["long"]
    assert (reward, terminated, info["progression"], info["end_reason"]) == (1.0, True, 1.0, "solved")


def test_the_third_wrong_code_ends_the_episode() -> None:
    world = make_world("vault", "one-door")
    code = code_of_first_door(world, 0)
    wrong = code[:-1] + str(int(code[-1]) % 4 + 1)
    for attempt in range(3):
        for digit in wrong:
            observation, _, terminated, _, info = world.step(f"Press {digit}")
        assert f"Wrong codes: {attempt + 1} of 3" in observation["short"]
    assert (terminated, info["end_reason"], info["progression"]) == (True, "caught", 0.0)


def test_leaving_the_dial_clears_it() -> None:
    world = make_world("vault", "one-door")
    code_of_first_door(world, 0)
    assert world.step("Press 1")[0]["short"].endswith("Dialled: 1")
    world.step("Go West")
    assert world.step("Go East")[0]["short"].endswith("Dialled: nothing")


def test_nothing_happens_where_there_is_nothing() -> None:
    world = make_world("vault", "one-door")
    world.reset(seed=0)
    for action in ("Wait", "Go West", "Read Note", "Press 1"):
        observation, reward, *_, info = world.step(action)
        assert (reward, info["statistics"]["room"]) == (0.0, 0)
        assert observation["short"].endswith("Dialled: nothing")


def test_the_frame_shows_the_corridor() -> None:
    world = make_world("vault", "one-door")
    world.reset(seed=0)
    assert re.fullmatch(r"@ n( \.)* \.\|\.", str(world.frame()))
    world.step("Go East")
    assert str(world.frame()).startswith(". @")


def test_in_a_notebook_with_a_file_of_rooms_it_notes_what_it_sees_and_looks_back_on_its_way() -> None:
    policy = make_policy("vault")
    now = "## Now\nYou walk east.\n\nYou see:\n- {}\n\nDoors opened: 0 of 1"
    log, plan = frozenset({"append", "done"}), frozenset({"search", "act"})

    def decided(routine: str, sight: str, operations: frozenset[str], files: str) -> list[object]:
        text = f"{routine} step 4\n\n{now.format(sight)}\n\n## Notebook\n{files}"
        return list(policy.decide(Prompt(routine, 4, text, (), operations)))

    rooms = "- rooms.md (3 lines)"
    door = "a locked red door to the east, with a dial"
    noted = ("append", {"file": "rooms.md", "text": "4: locked red door to the east"})
    assert decided("LOG", door, log, rooms) == [noted, ("done", {})]
    note = ("append", {"file": "codes.md", "text": "red 3 1 4"})
    assert decided("LOG", "a note: the red door opens with 3 1 4.", log, rooms) == [note, ("done", {})]
    assert decided("LOG", door, log, "- codes.md (1 lines)") == [("done", {})]
    assert decided("PLAN", "an empty room", plan, rooms) == [("search", {"file": "rooms.md", "keyword": "note"})]
    assert decided("PLAN", door, plan, rooms) == [("search", {"file": "codes.md", "keyword": "red"})]
    assert decided("PLAN", "an empty room", plan, "- codes.md (1 lines)") == [("act", {"action": "Go East"})]

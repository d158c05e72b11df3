"""Rules that play Boxoban: think once and long, write the plan into the notebook, then follow it.

Thinking that long pays only where its result can be kept: without a notebook the player looks a few positions ahead, in
every step anew, and pushes nothing it has not thought through.
"""

import re
from collections.abc import Iterable

from worlds.boxoban_solver import Puzzle, read_puzzle, solve
from worlds.dungeon_notes import PLAN, listed, record
from worlds.dungeon_sight import Sight
from worlds.map_reading import STEPS, Place
from worlds.player import Decision, Prompt

LONG, SHORT = 5_000, 8
"""Positions looked at for a plan (0.1 s on average for published levels), and in a step without one."""
_FIRST_LOG = 2
"""The step of an episode's first LOG."""
_WAYS = {name[0]: name for name in ("north", "east", "south", "west")}
_NOTED = re.compile(r"(\d{1,2}),(\d{1,2}) plan at step (\d{1,7}): ([nesw]{1,400})\b")


def plan(prompt: Prompt, notebook: str | None, before: Sight, now: Sight) -> list[Decision]:
    """How to write down the whole plan; nothing where one stands already, or the map shows no puzzle."""
    puzzle, earlier = read_puzzle(now.seen), read_puzzle(before.seen)
    if puzzle is None or (prompt.step != _FIRST_LOG and (notebook is None or listed(notebook).get(PLAN))):
        return []
    if earlier is not None:  # the player may now hide a goal
        puzzle = puzzle._replace(goals=puzzle.goals | (earlier.goals - puzzle.boxes))
    letters = "".join(name[0] for name in solve(puzzle, LONG))[:400]
    x, y = puzzle.player
    return record(prompt, PLAN, f"{now.level} {x},{y}", f"plan at step {prompt.step}: {letters or '(found none)'}")


def recall_plan(prompt: Prompt, notebook: str | None) -> list[Decision]:
    """How to look the plan up."""
    if "search" in prompt.operations and (notebook is None or listed(notebook).get(PLAN)):
        return [("search", {"file": PLAN, "keyword": "plan at step"})]
    return []


def follow(puzzle: Puzzle, step: int, results: Iterable[tuple[str, str]]) -> str:
    """The next move: the plan's, if one is noted and the player stands where it says; else of a short thought."""
    for _, text in results:
        for x, y, begun, letters in _NOTED.findall(text):
            moves = [_WAYS[letter] for letter in letters]
            done = step - int(begun)
            if 0 <= done < len(moves) and _after(Place(int(x), int(y)), moves[:done]) == puzzle.player:
                return moves[done]
    moves = solve(puzzle, SHORT)
    return moves[0] if moves else _harmless(puzzle, step)


def _after(place: Place, moves: Iterable[str]) -> Place:
    for move in moves:
        place = Place(place.x + STEPS[move][0], place.y + STEPS[move][1])
    return place


def _harmless(puzzle: Puzzle, step: int) -> str:
    """A step that pushes nothing; north where there is none."""
    free = [way for way in _WAYS.values() if _after(puzzle.player, [way]) in puzzle.floor - puzzle.boxes]
    return free[step // 3 % len(free)] if free else "north"

"""Plays Boxoban: a solver, bounded best-first search over pushes, and rules that follow its plan from the notebook.

The solver knows corners that hold a box for good and how many pushes each goal is away, and nothing else: it fails on
many of the published levels. A long search pays only where its result can be kept: without a notebook the player looks
a few positions ahead in every step, and pushes nothing that such a search has not confirmed.
"""

import heapq
import re
from collections import deque
from collections.abc import Iterable
from typing import NamedTuple

from worlds.map_reading import STEPS, Map, Place
from worlds.players import Decision, Prompt
from worlds.players.dungeon_notes import PLAN, listed, record
from worlds.players.dungeon_sight import Sight

_WAYS = {name: STEPS[name] for name in ("north", "east", "south", "west")}
_OPEN = frozenset(".{`0@<_")
_FAR = 1_000
_BOXES = 3
"""So many boulders are a puzzle even where player and boulders hide every goal."""


class Puzzle(NamedTuple):
    """A position: the level, its boxes and the player."""

    floor: frozenset[Place]
    goals: frozenset[Place]
    """Goals that can be seen: boxes and the player hide those under them."""
    boxes: frozenset[Place]
    player: Place


def read_puzzle(seen: Map) -> Puzzle | None:
    """The puzzle on a map; None where it shows none."""
    boxes, goals = frozenset(seen.boulders), frozenset(seen.find("{"))
    if seen.player is None or seen.stairs_down or not boxes or not (goals or len(boxes) >= _BOXES):
        return None
    floor = frozenset(seen.find("".join(_OPEN))) | {seen.player}
    return Puzzle(floor, goals, boxes, seen.player)


def solve(puzzle: Puzzle, most: int) -> list[str]:
    """The moves that put a box on every goal, found within `most` looked-at positions; empty where none were."""
    if len(puzzle.goals) > len(puzzle.boxes):
        return []
    away = _pushes_away(puzzle)
    start = (puzzle.boxes, _area_name(_reach(puzzle, puzzle.boxes, puzzle.player)))
    queue: list[tuple[int, int, frozenset[Place], Place]] = [(0, 0, puzzle.boxes, puzzle.player)]
    came: dict[tuple[frozenset[Place], Place], tuple[frozenset[Place], Place, Place, str] | None] = {}
    seen, number = {start}, 0
    came[puzzle.boxes, puzzle.player] = None
    for _ in range(most):
        if not queue:
            return []
        _, _, boxes, player = heapq.heappop(queue)
        if puzzle.goals <= boxes:
            return _moves(puzzle, came, boxes, player)
        reach = _reach(puzzle, boxes, player)
        for box in boxes:
            for name, (dx, dy) in _WAYS.items():
                behind, ahead = Place(box.x - dx, box.y - dy), Place(box.x + dx, box.y + dy)
                if behind not in reach or ahead not in away or ahead in boxes:
                    continue
                pushed = boxes - {box} | {ahead}
                known = pushed, _area_name(_reach(puzzle, pushed, box))
                if known in seen or _stuck(puzzle, pushed, ahead):
                    continue
                seen.add(known)
                number += 1
                came[pushed, box] = (boxes, player, behind, name)
                heapq.heappush(queue, (_cost(puzzle, pushed, away), number, pushed, box))
    return []


def _pushes_away(puzzle: Puzzle) -> dict[Place, dict[Place, int]]:
    """For every cell from which a box can still get to a goal: pushes to each goal, other boxes aside."""
    away: dict[Place, dict[Place, int]] = {}
    for goal in puzzle.goals:
        queue = deque([(goal, 0)])
        seen = {goal}
        while queue:
            box, pushes = queue.popleft()
            away.setdefault(box, {})[goal] = pushes
            for dx, dy in _WAYS.values():
                before, behind = Place(box.x - dx, box.y - dy), Place(box.x - 2 * dx, box.y - 2 * dy)
                if before in puzzle.floor and behind in puzzle.floor and before not in seen:
                    seen.add(before)
                    queue.append((before, pushes + 1))
    return away


def _cost(puzzle: Puzzle, boxes: frozenset[Place], away: dict[Place, dict[Place, int]]) -> int:
    """Pushes still needed, at least about: every goal takes its nearest box that is not taken."""
    free, total = sorted(boxes), 0
    for goal in sorted(puzzle.goals, key=lambda goal: min(away.get(box, {}).get(goal, _FAR) for box in boxes)):
        best = min(free, key=lambda box: away.get(box, {}).get(goal, _FAR))
        total += away.get(best, {}).get(goal, _FAR)
        free.remove(best)
    return total


def _stuck(puzzle: Puzzle, boxes: frozenset[Place], box: Place) -> bool:
    """Whether a box is in a square of four that nothing in it can leave."""
    for dx in (-1, 1):
        for dy in (-1, 1):
            square = (box, Place(box.x + dx, box.y), Place(box.x, box.y + dy), Place(box.x + dx, box.y + dy))
            held = all(cell in boxes or cell not in puzzle.floor for cell in square)
            if held and any(cell in boxes and cell not in puzzle.goals for cell in square):
                return True
    return False


def _reach(puzzle: Puzzle, boxes: frozenset[Place], player: Place) -> dict[Place, tuple[Place, str]]:
    """Cells the player can walk to, with the step that led to each."""
    reach: dict[Place, tuple[Place, str]] = {player: (player, "")}
    queue = deque([player])
    while queue:
        at = queue.popleft()
        for name, (dx, dy) in _WAYS.items():
            there = Place(at.x + dx, at.y + dy)
            if there in puzzle.floor and there not in boxes and there not in reach:
                reach[there] = at, name
                queue.append(there)
    return reach


def _area_name(reach: dict[Place, tuple[Place, str]]) -> Place:
    return min(reach)


def _moves(
    puzzle: Puzzle,
    came: dict[tuple[frozenset[Place], Place], tuple[frozenset[Place], Place, Place, str] | None],
    boxes: frozenset[Place],
    player: Place,
) -> list[str]:
    """The walk and the pushes that led to a position."""
    parts: list[list[str]] = []
    step = came[boxes, player]
    while step is not None:
        boxes, player, behind, name = step
        reach = _reach(puzzle, boxes, player)
        walk = [name]
        while behind != player:
            behind, way = reach[behind]
            walk.append(way)
        parts.append(walk[::-1])
        step = came[boxes, player]
    return [name for walk in reversed(parts) for name in walk]


LONG, SHORT = 5_000, 8
"""Positions looked at for a plan (0.1 s on average for published levels), and in a step without one."""
_FIRST_LOG = 2
"""The step of an episode's first LOG."""
_DIRECTIONS = {name[0]: name for name in ("north", "east", "south", "west")}
_NOTED = re.compile(r"(\d{1,2}),(\d{1,2}) plan at step (\d{1,7}): ([nesw]{1,400})\b")


def plan(prompt: Prompt, notebook: str | None, before: Sight, now: Sight) -> list[Decision]:
    """How to write down the whole plan; nothing if there is one already, or the map shows no puzzle."""
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
    """The next move: the plan's, if one is noted and the player is where it says; else that of a short search."""
    for _, text in results:
        for x, y, start, letters in _NOTED.findall(text):
            moves = [_DIRECTIONS[letter] for letter in letters]
            done = step - int(start)
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
    free = [way for way in _DIRECTIONS.values() if _after(puzzle.player, [way]) in puzzle.floor - puzzle.boxes]
    return free[step // 3 % len(free)] if free else "north"

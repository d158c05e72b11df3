"""Shelter in Crafter: a small room closed with stones, in which nothing can come near a sleeper.

A stone can only be put where one looks, and one looks where one last moved. So a room is closed from inside by walking
about in it: in a room of 2 x 2 cells every wall can be reached, in one of 1 x 2 only its two ends.
"""

from collections import deque

from worlds.crafter_moves import MINED_WITH, Situation
from worlds.crafter_notes import GUESS, Cell
from worlds.crafter_sight import CREATURES, DIRECTIONS, WALKABLE

LARGEST = 6
"""Cells of a closed room that still count as shelter: nothing appears that near to the player."""
_ROOMS: tuple[tuple[Cell, ...], ...] = (
    ((0, 0),),
    *(((0, 0), step) for step in DIRECTIONS.values()),
    *(((0, 0), (x, 0), (0, y), (x, y)) for x in (-1, 1) for y in (-1, 1)),
)


def solid(now: Situation, cell: Cell) -> bool:
    """Whether nothing can walk through that cell, as far as is known."""
    mark = now.notes.marks.get(cell, GUESS)
    return mark not in ("path", "cow") and not mark.endswith(GUESS)


def secure(now: Situation) -> bool:
    """Whether walls close in the player and at most a few free cells."""
    room, border = {now.notes.at}, deque([now.notes.at])
    while border:
        x, y = border.popleft()
        for dx, dy in DIRECTIONS.values():
            cell = (x + dx, y + dy)
            if cell not in room and not solid(now, cell):
                room.add(cell)
                border.append(cell)
                if len(room) > LARGEST:
                    return False
    return True


def seal(now: Situation, most: int = 1_000) -> str:
    """The next action towards a closed room around the player; empty when there are too few stones for any.

    `most` is the number of actions it may take, roughly.
    """
    x, y = now.notes.at
    best: frozenset[Cell] = frozenset()
    best_cost = most
    for shape in _ROOMS:
        room = frozenset((x + dx, y + dy) for dx, dy in shape)
        cost = _price(now, room)
        if cost < best_cost:
            best, best_cost = room, cost
    return _work(now, best) if best else ""


def _price(now: Situation, room: frozenset[Cell]) -> int:
    """About how many actions closing that room takes; a thousand when it cannot be closed with the stones at hand."""
    price = stones = 0
    for cell in room:
        mark = now.notes.marks.get(cell)
        if mark and solid(now, cell):
            if mark not in ("tree", *MINED_WITH) or not (mark == "tree" or now.has(MINED_WITH[mark])):
                return 1_000
            price += 5
        for direction, (dx, dy) in DIRECTIONS.items():
            beyond = (cell[0] + dx, cell[1] + dy)
            if beyond in room or solid(now, beyond):
                continue
            behind = (cell[0] - dx, cell[1] - dy)
            if behind not in room and not (cell == now.notes.at and direction == now.facing):
                return 1_000
            stones += 1
            price += 2
    return price if stones <= now.has("stone") else 1_000


def _work(now: Situation, room: frozenset[Cell]) -> str:
    """Walk inside the room to where an open wall is in front, and close it."""
    facing = now.facing or "south"
    ahead = now.cell(facing)
    front = now.sight.front
    if ahead not in room and not solid(now, ahead):
        if front in WALKABLE or front in ("water", "lava"):
            return "Place Stone"
        if front in CREATURES:
            return "Do"
    seen = {(now.notes.at, facing)}
    queue: deque[tuple[Cell, str]] = deque()
    start, first = now.notes.at, ""
    queue.append((start, first))
    while queue:
        (x, y), first = queue.popleft()
        for direction, (dx, dy) in DIRECTIONS.items():
            cell = (x + dx, y + dy)
            if cell not in room or (cell, direction) in seen:
                continue
            seen.add((cell, direction))
            move = first or direction
            beyond = (cell[0] + dx, cell[1] + dy)
            if beyond not in room and not solid(now, beyond):
                return _step(now, move)
            queue.append((cell, move))
    return ""


def _step(now: Situation, direction: str) -> str:
    if now.facing == direction and (now.sight.front in MINED_WITH or now.sight.front in ("tree", *CREATURES)):
        return "Do"
    return f"Move {direction.capitalize()}"

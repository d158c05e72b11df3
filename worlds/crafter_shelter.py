"""Shelter in Crafter: a small room closed with stones, in which nothing can come near a sleeper.

A stone can only be put where one looks, and one looks where one last moved. So a room is closed from inside by walking
about in it: in a room of 2 x 2 cells every wall can be reached, in one of 1 x 2 only its two ends.
"""

from collections import deque
from collections.abc import Iterator

from worlds.crafter_moves import MINED_WITH
from worlds.crafter_notes import GUESS, Cell
from worlds.crafter_sight import CREATURES, DIRECTIONS, WALKABLE
from worlds.crafter_situation import Situation

_LARGEST = 6
"""Cells of a closed room that still count as shelter: nothing appears that near to the player."""
_NEVER = 1_000
_ROOMS: tuple[tuple[Cell, ...], ...] = (
    ((0, 0),),
    *(((0, 0), step) for step in DIRECTIONS.values()),
    *(((0, 0), (x, 0), (0, y), (x, y)) for x in (-1, 1) for y in (-1, 1)),
)


def secure(now: Situation) -> bool:
    """Whether walls close in the player and at most a few free cells."""
    room, border = {now.notes.at}, deque([now.notes.at])
    while border:
        for _, cell in _neighbours(border.popleft()):
            if cell not in room and not _solid(now, cell):
                room.add(cell)
                border.append(cell)
                if len(room) > _LARGEST:
                    return False
    return True


def seal(now: Situation, most: int = _NEVER) -> str:
    """The next action towards a closed room around the player; empty when there are too few stones for any.

    `most` is the number of actions it may take, roughly.
    """
    x, y = now.notes.at
    best: frozenset[Cell] = frozenset()
    best_price = most
    for shape in _ROOMS:
        room = frozenset((x + dx, y + dy) for dx, dy in shape)
        price = _price(now, room)
        if price < best_price:
            best, best_price = room, price
    return _work(now, best) if best else ""


def _solid(now: Situation, cell: Cell) -> bool:
    """Whether nothing can walk through that cell, as far as is known."""
    mark = now.notes.marks.get(cell, GUESS)
    return mark not in ("path", "cow") and not mark.endswith(GUESS)


def _neighbours(cell: Cell) -> Iterator[tuple[str, Cell]]:
    for direction, (dx, dy) in DIRECTIONS.items():
        yield direction, (cell[0] + dx, cell[1] + dy)


def _price(now: Situation, room: frozenset[Cell]) -> int:
    """About how many actions closing that room takes; _NEVER when it cannot be closed with the stones at hand."""
    price = stones = 0
    for cell in room:
        if _solid(now, cell):
            if not _removable(now, now.notes.marks[cell]):
                return _NEVER
            price += 5
        for direction, beyond in _neighbours(cell):
            if beyond in room or _solid(now, beyond):
                continue
            behind = (2 * cell[0] - beyond[0], 2 * cell[1] - beyond[1])
            if behind not in room and (cell, direction) != (now.notes.at, now.facing):
                return _NEVER
            stones += 1
            price += 2
    return price if stones <= now.has("stone") else _NEVER


def _removable(now: Situation, name: str) -> bool:
    return name == "tree" or (name in MINED_WITH and now.has(MINED_WITH[name]) > 0)


def _work(now: Situation, room: frozenset[Cell]) -> str:
    """Close the open wall in front, or walk inside the room to where one is."""
    facing = now.facing or "south"
    ahead, front = now.cell(facing), now.sight.front
    if ahead not in room and not _solid(now, ahead):
        if front in WALKABLE or front in ("water", "lava"):
            return "Place Stone"
        if front in CREATURES:
            return "Do"
    seen = {(now.notes.at, facing)}
    queue = deque([(now.notes.at, "")])
    while queue:
        at, first = queue.popleft()
        for direction, cell in _neighbours(at):
            if cell not in room or (cell, direction) in seen:
                continue
            seen.add((cell, direction))
            beyond = (2 * cell[0] - at[0], 2 * cell[1] - at[1])
            if beyond not in room and not _solid(now, beyond):
                return _step(now, first or direction)
            queue.append((cell, first or direction))
    return ""


def _step(now: Situation, direction: str) -> str:
    if now.facing == direction and (now.sight.front in MINED_WITH or now.sight.front in ("tree", *CREATURES)):
        return "Do"
    return f"Move {direction.capitalize()}"

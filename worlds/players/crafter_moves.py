"""How the scripted Crafter player moves: the cheapest way to a place it knows, or towards land it has not seen."""

from collections.abc import Iterator
from hashlib import blake2b
from heapq import heappop, heappush

from worlds.players.crafter_notes import AREA, BLOCK, BLOCKS, GUESS, Cell
from worlds.players.crafter_sight import CREATURES, DIRECTIONS, VIEW_X, VIEW_Y, WALKABLE
from worlds.players.crafter_situation import FAR, Situation

MINED_WITH = {"stone": "wood_pickaxe", "coal": "wood_pickaxe", "iron": "stone_pickaxe", "diamond": "iron_pickaxe"}

_NEVER = 1_000.0
_VISIT = 0.8
"""What having been at a cell adds to its cost, per visit remembered: enough to leave any pocket in the end."""
_SEARCHED = 120
"""Cells looked at for the way to a goal."""
_NEAR = 9
"""A way to a goal so many steps off is found within those cells if there is one."""


def go(now: Situation, offset: Cell, *, strict: bool = False) -> str:
    """One move towards an offset, along the cheapest way through what is known; cells not known are taken as open.

    `strict`: empty when a goal that is near turns out to be out of reach.
    """
    direction, left = _first_step(now, (now.notes.at[0] + offset[0], now.notes.at[1] + offset[1]))
    if strict and left > 1 and abs(offset[0]) + abs(offset[1]) <= _NEAR:
        return ""
    return _enter(now, direction) if direction else "Noop"


def _first_step(now: Situation, goal: Cell) -> tuple[str, int]:
    """A search for the cheapest way (A*): the direction it begins with, and how near to the goal it comes."""
    costs: dict[Cell, float] = {now.notes.at: 0.0}
    queue: list[tuple[float, int, Cell, str]] = []
    for direction, cost in _first_costs(now, goal):
        cell = now.cell(direction)
        costs[cell] = cost
        if cost < _NEVER:
            heappush(queue, (cost + _between(cell, goal), len(queue), cell, direction))
    nearest, best, pushed = FAR, queue[0][3] if queue else "", len(queue)
    for _ in range(_SEARCHED):
        if not queue or nearest <= 1:
            break
        _, _, at, direction = heappop(queue)
        left = _between(at, goal)
        if left < nearest:
            nearest, best = left, direction
        for dx, dy in DIRECTIONS.values():
            cell = (at[0] + dx, at[1] + dy)
            if cell not in costs:
                cost = costs[cell] = costs[at] + _cost_far(now, cell)
                if cost < _NEVER:
                    pushed += 1
                    heappush(queue, (cost + _between(cell, goal), pushed, cell, direction))
    return best, nearest


def _first_costs(now: Situation, goal: Cell) -> Iterator[tuple[str, float]]:
    """What each first step costs, arrows and the longer axis considered."""
    shooters = [
        thing for name in ("skeleton", "arrow") if (thing := now.sight.things.get(name)) and thing.distance <= 6
    ]
    wide = abs(goal[0] - now.notes.at[0]) >= abs(goal[1] - now.notes.at[1])
    for direction, (dx, dy) in DIRECTIONS.items():
        cost = _cost_near(now, direction)
        if any(thing.x == dx or thing.y == dy for thing in shooters):
            cost += 2.0  # in the line of fire
        yield direction, cost if wide == bool(dx) else cost + 0.1


def _cost_near(now: Situation, direction: str) -> float:
    """What entering a neighbouring cell costs, about in actions; _NEVER when it is closed or deadly."""
    names = now.names(direction)
    if "lava" in names:
        return _NEVER
    # Uncertain cells are worth a try: a move that is blocked only turns, and shows what is there.
    cost = min((_cost(now, name) for name in names), default=1.0) + (0.5 if len(names) != 1 else 0.0)
    if now.lost:
        return cost + now.coin(10, direction) / 10  # without a past, only chance leads out of a loop
    cell = now.cell(direction)
    mark = now.notes.marks.get(cell)
    if mark and (mark in names or not names):
        cost = _cost(now, mark)
    return cost + _VISIT * now.notes.trail.count(cell) if _in_sight(cell) else _NEVER


def _cost_far(now: Situation, cell: Cell) -> float:
    """What entering a cell further off would cost, as far as the notes know."""
    if now.lost:
        return 1.0
    mark = now.notes.marks.get(cell)
    cost = 1.2 if mark is None else _cost(now, mark.removesuffix(GUESS))
    return cost + _VISIT / 4 * now.notes.trail.count(cell) if _in_sight(cell) else _NEVER


def _in_sight(cell: Cell) -> bool:
    """Nearer to the west and north borders the text shows nothing at all."""
    return VIEW_X <= cell[0] < AREA and VIEW_Y <= cell[1] < AREA


def _cost(now: Situation, name: str) -> float:
    if name in WALKABLE:
        return 1.0
    if name in MINED_WITH:
        return 2.5 if now.has(MINED_WITH[name]) else _NEVER
    if name == "tree":
        return 3.0
    if name in CREATURES:
        return 4.0
    if name == "water":  # a stone laid and mined leaves a path, but lakes are wide
        return 12.0 if now.has("stone") and now.has("wood_pickaxe") else _NEVER
    return _NEVER


def _between(a: Cell, b: Cell) -> int:
    return abs(a[0] - b[0]) + abs(a[1] - b[1])


def _enter(now: Situation, direction: str) -> str:
    """Move into the neighbouring cell, or clear it first when it is in front and closed."""
    if now.facing == direction:
        front = now.sight.front
        if front in MINED_WITH or front in ("tree", "cow", "zombie", "skeleton"):
            return "Do"
        if front == "water" and now.has("stone"):
            return "Place Stone"
    return f"Move {direction.capitalize()}"


def approach(now: Situation, name: str) -> str:
    """Go to the nearest known thing of that kind and face it; empty when none is known or it is out of reach."""
    thing = now.sight.things.get(name)
    if thing and thing.distance == 1:
        return turn(thing.x, thing.y)
    offset = now.offset(name)
    return go(now, offset, strict=True) if offset else ""


def use(now: Situation, name: str) -> str:
    """Go to the nearest known thing of that kind and use it; empty when none is known or it is out of reach."""
    return "Do" if now.sight.front == name else approach(now, name)


def turn(x: int, y: int) -> str:
    """The move that turns towards a neighbour that blocks the way."""
    if abs(x) >= abs(y):
        return "Move East" if x > 0 else "Move West"
    return "Move South" if y > 0 else "Move North"


_HORIZON = 40
"""Blocks more steps away are not considered."""


def explore(now: Situation, near: str = "") -> str:
    """Towards the nearest land not seen yet, ahead rather than behind, best next to land of the letter `near`."""
    if now.lost:
        return _wander(now)
    move = _towards_unseen(now, {"w": "water"}.get(near, "stone"))
    if move:
        return move
    rows = now.notes.rows
    choices: list[tuple[int, Cell]] = []
    for block_x, block_y, cost, offset in _blocks(now, ".", ahead=3):
        if near and not _borders(rows, block_x, block_y, near):
            cost += 12
        if near != "w" and _borders(rows, block_x, block_y, "w"):
            cost += 8  # likely more of the same lake
        choices.append((cost, offset))
    choices.sort()
    for _, offset in choices[:3]:
        move = go(now, offset, strict=True)
        if move:
            return move
    middle = (AREA // 2 - now.notes.at[0], AREA // 2 - now.notes.at[1])
    return go(now, choices[-1][1] if choices else middle)


def roam(now: Situation, letter: str) -> str:
    """Over land of one kind that was seen long ago, or unseen land next to it."""
    if now.lost:
        return _wander(now)
    move = _towards_unseen(now, "grass")
    if move:
        return move
    recent = {(x // BLOCK, y // BLOCK) for x, y in now.notes.trail}
    best: tuple[int, Cell] | None = None
    for block_x, block_y, cost, offset in _blocks(now, letter + ".", ahead=6):
        unseen = now.notes.rows[block_y][block_x] == "."
        if (unseen and not _borders(now.notes.rows, block_x, block_y, letter)) or (block_x, block_y) in recent:
            continue
        if abs(offset[0]) + abs(offset[1]) >= 7 and (best is None or (cost, offset) < best):
            best = cost, offset
    return go(now, best[1]) if best else explore(now)


def _towards_unseen(now: Situation, land: str) -> str:
    """Towards the unseen land that a notice reports past that kind of land; empty when no notice does."""
    offset = now.notices.unseen.get(land, (0, 0))
    return go(now, offset) if offset != (0, 0) else ""


def _wander(now: Situation) -> str:
    """Without a position: straight on for some steps, then another way, by the step number alone."""
    number = blake2b(f"heading {now.step // 25}".encode(), digest_size=1).digest()[0]
    heading = tuple(DIRECTIONS)[number % len(DIRECTIONS)]
    if not now.sight.things:  # blind: too near to the west or north border
        heading = ("east", "south")[now.step // 4 % 2]
    x, y = DIRECTIONS[heading]
    return go(now, (5 * x, 5 * y))


def _blocks(now: Situation, letters: str, ahead: int) -> Iterator[tuple[int, int, int, Cell]]:
    """Blocks of that land within the horizon: column, row, cost (less when ahead), offset. None where one is blind."""
    x, y = now.notes.at
    ahead_x, ahead_y = DIRECTIONS[now.notes.facing or "south"]
    for block_y in range(1, BLOCKS):
        row = now.notes.rows[block_y]
        dy = block_y * BLOCK + 1 - y
        for block_x in range(1, BLOCKS):
            if row[block_x] in letters:
                dx = block_x * BLOCK + 1 - x
                distance = abs(dx) + abs(dy)
                if distance <= _HORIZON:
                    cost = distance - ahead if dx * ahead_x + dy * ahead_y > 0 else distance
                    yield block_x, block_y, cost, (dx, dy)


def _borders(rows: list[str], block_x: int, block_y: int, letter: str) -> bool:
    return (
        letter in rows[block_y][max(0, block_x - 1) : block_x + 2]
        or (block_y > 0 and rows[block_y - 1][block_x] == letter)
        or (block_y + 1 < BLOCKS and rows[block_y + 1][block_x] == letter)
    )

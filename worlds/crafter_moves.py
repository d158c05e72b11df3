"""Moving about in Crafter by rules: what one PLAN knows, what each neighbouring cell costs, and the next move."""

from dataclasses import dataclass
from hashlib import blake2b
from heapq import heappop, heappush

from worlds.crafter_notes import AREA, BLOCK, BLOCKS, GUESS, Cell, Notes
from worlds.crafter_sight import CREATURES, DIRECTIONS, VIEW_X, VIEW_Y, WALKABLE, Sight

NEVER = 1_000.0
FAR = 99
MINED_WITH = {"stone": "wood_pickaxe", "coal": "wood_pickaxe", "iron": "stone_pickaxe", "diamond": "iron_pickaxe"}
_VISIT = 0.8
"""What having been at a cell adds to its cost, per visit remembered: enough to leave any pocket in the end."""
_SEARCHED = 120
"""Cells looked at for the way to a goal."""


@dataclass(slots=True)
class Situation:
    """What one PLAN knows: the observation, and the notes it could recall."""

    sight: Sight
    notes: Notes
    step: int
    facing: str | None
    lost: bool
    """No notes: position and past unknown, `notes` holds what is in view only."""

    def has(self, item: str) -> int:
        """How many of an item are carried."""
        return self.sight.inventory.get(item, 0)

    def missing(self, goal: str) -> bool:
        """Whether the goal is not known to be reached."""
        return goal not in self.notes.goals

    def coin(self, sides: int, salt: str) -> int:
        """A number below `sides` that looks random and follows from the prompt alone."""
        seen = f"{salt} {self.step} {self.sight.front} {sorted(self.sight.vitals.items())}"
        return int.from_bytes(blake2b(seen.encode(), digest_size=4).digest()) % sides

    def cell(self, direction: str, steps: int = 1) -> Cell:
        """The cell so many steps away."""
        x, y = DIRECTIONS[direction]
        return self.notes.at[0] + steps * x, self.notes.at[1] + steps * y

    def offset(self, name: str, within: int = FAR) -> Cell | None:
        """(x, y) steps to the nearest thing of that kind, in view or in the notes; None when none is known."""
        thing = self.sight.things.get(name)
        if thing:
            return (thing.x, thing.y) if thing.distance <= within else None
        x, y = self.notes.at
        best, best_distance = None, within + 1
        for cell, kind in self.notes.marks.items():
            if kind.rstrip(GUESS) == name:
                distance = abs(cell[0] - x) + abs(cell[1] - y)
                if distance < best_distance:
                    best, best_distance = (cell[0] - x, cell[1] - y), distance
        return best

    def distance(self, name: str) -> int:
        """Steps to the nearest thing of that kind, in view or in the notes; FAR when none is known."""
        offset = self.offset(name)
        return abs(offset[0]) + abs(offset[1]) if offset else FAR


def go(now: Situation, offset: Cell) -> str:
    """One move towards an offset, along the cheapest way through what is known; cells not known are taken as open."""
    x, y = now.notes.at
    goal = (x + offset[0], y + offset[1])
    shooters = [thing for name in ("skeleton", "arrow") if (thing := now.sight.things.get(name)) and thing.distance <= 6]
    costs: dict[Cell, float] = {}
    queue: list[tuple[float, int, Cell, str]] = []
    for direction, (dx, dy) in DIRECTIONS.items():
        cell = (x + dx, y + dy)
        cost = step_cost(now, direction)
        if any(thing.x == dx or thing.y == dy for thing in shooters):
            cost += 2.0  # in the line of fire
        if (abs(offset[0]) < abs(offset[1])) == bool(dx):
            cost += 0.1  # along the longer axis first
        costs[cell] = cost
        if cost < NEVER:
            heappush(queue, (cost + abs(goal[0] - cell[0]) + abs(goal[1] - cell[1]), len(queue), cell, direction))
    pushed, nearest, best = len(queue), FAR, queue[0][3] if queue else ""
    for _ in range(_SEARCHED):
        if not queue:
            break
        _, _, (cx, cy), direction = heappop(queue)
        left = abs(goal[0] - cx) + abs(goal[1] - cy)
        if left < nearest:
            nearest, best = left, direction
            if left <= 1:
                break
        so_far = costs[cx, cy]
        for dx, dy in DIRECTIONS.values():
            cell = (cx + dx, cy + dy)
            if cell in costs or cell == (x, y):
                continue
            cost = costs[cell] = so_far + _guess(now, cell)
            if cost < NEVER:
                pushed += 1
                heappush(queue, (cost + abs(goal[0] - cell[0]) + abs(goal[1] - cell[1]), pushed, cell, direction))
    return _enter(now, best) if best else "Noop"


def _guess(now: Situation, cell: Cell) -> float:
    """What entering a cell further off would cost."""
    if now.lost:
        return 1.0
    if not (VIEW_X <= cell[0] < AREA and VIEW_Y <= cell[1] < AREA):
        return NEVER
    mark = now.notes.marks.get(cell)
    cost = 1.2 if mark is None else _cost(now, mark.rstrip(GUESS))
    return cost + _VISIT / 4 * now.notes.trail.count(cell)


def step_cost(now: Situation, direction: str) -> float:
    """What entering a neighbouring cell costs, about in actions; NEVER when it is closed or deadly."""
    names = now.sight.around[direction]
    if "lava" in names:
        return NEVER
    # Uncertain cells are worth a try: a move that is blocked only turns, and shows what stands there.
    cost = min((_cost(now, name) for name in names), default=1.0) + (0.5 if len(names) != 1 else 0.0)
    if now.lost:
        return cost
    cell = now.cell(direction)
    mark = now.notes.marks.get(cell)
    if mark and (mark in names or not names):
        cost = _cost(now, mark)
    if not (VIEW_X <= cell[0] < AREA and VIEW_Y <= cell[1] < AREA):
        return NEVER  # nearer to the west and north borders nothing can be seen
    return cost + _VISIT * now.notes.trail.count(cell)


def _cost(now: Situation, name: str) -> float:
    if name in WALKABLE:
        return 1.0
    if name in MINED_WITH:
        return 2.5 if now.has(MINED_WITH[name]) else NEVER
    if name == "tree":
        return 3.0
    if name in CREATURES:
        return 4.0
    if name == "water":
        return 5.0 if now.has("stone") and now.has("wood_pickaxe") else NEVER
    return NEVER


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
    """Go to the nearest known thing of that kind and face it; empty when none is known."""
    thing = now.sight.things.get(name)
    if thing and thing.distance == 1:
        return turn(thing.x, thing.y)
    offset = now.offset(name)
    return go(now, offset) if offset else ""


def use(now: Situation, name: str) -> str:
    """Go to the nearest known thing of that kind and use it; empty when none is known."""
    return "Do" if now.sight.front == name else approach(now, name)


def turn(x: int, y: int) -> str:
    """The move that turns towards a neighbour that blocks the way."""
    if abs(x) >= abs(y):
        return "Move East" if x > 0 else "Move West"
    return "Move South" if y > 0 else "Move North"


def explore(now: Situation, near: str = "") -> str:
    """Towards the nearest land not seen yet, ahead rather than behind; when lost, straight on for some steps."""
    if now.lost:
        number = blake2b(f"heading {now.step // 25}".encode(), digest_size=1).digest()[0]
        heading = tuple(DIRECTIONS)[number % 4]
        if not now.sight.things:  # blind: too near to the west or north border
            heading = ("east", "south")[now.step // 4 % 2]
        x, y = DIRECTIONS[heading]
        return go(now, (5 * x, 5 * y))
    x, y = now.notes.at
    ahead_x, ahead_y = DIRECTIONS[now.notes.facing]
    best, best_cost = (0, 0), NEVER
    for by, row in enumerate(now.notes.rows):
        if by == 0 or "." not in row:
            continue
        for bx in range(1, BLOCKS):
            if row[bx] != ".":
                continue
            dx, dy = bx * BLOCK + 1 - x, by * BLOCK + 1 - y
            cost = abs(dx) + abs(dy) - (3 if dx * ahead_x + dy * ahead_y > 0 else 0)
            if near and cost < best_cost and not _borders(now.notes.rows, bx, by, near):
                cost += 12
            if cost < best_cost:
                best, best_cost = (dx, dy), cost
    return go(now, best)


def _borders(rows: list[str], bx: int, by: int, letter: str) -> bool:
    return (
        letter in rows[by][max(0, bx - 1) : bx + 2]
        or (by > 0 and rows[by - 1][bx] == letter)
        or (by + 1 < BLOCKS and rows[by + 1][bx] == letter)
    )

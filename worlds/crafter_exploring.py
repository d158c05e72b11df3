"""Where the rule-based Crafter player goes when it knows no better: unseen land, or land where cows may be by now."""

from collections.abc import Iterator
from hashlib import blake2b

from worlds.crafter_moves import go
from worlds.crafter_notes import AREA, BLOCK, BLOCKS, Cell
from worlds.crafter_sight import DIRECTIONS
from worlds.crafter_situation import Situation

_HORIZON = 40
"""Steps beyond which a block is no choice."""


def explore(now: Situation, near: str = "") -> str:
    """Towards the nearest land not seen yet, ahead rather than behind, best next to land of the letter `near`."""
    if now.lost:
        return _wander(now)
    told = _towards_unseen(now, {"w": "water"}.get(near, "stone"))
    if told:
        return told
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
    told = _towards_unseen(now, "grass")
    if told:
        return told
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
    """Where a notice tells that land is left to see past that kind of land; empty when none tells so."""
    offset = now.told.unseen.get(land, (0, 0))
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

"""From one step to the next of the Crafter player's notes: dead reckoning, landmarks found and gone, land seen."""

from dataclasses import replace

from worlds.players.crafter_notes import AREA, BLOCK, BLOCKS, GUESS, KEPT, TRAIL, Cell, Notes
from worlds.players.crafter_sight import DIRECTIONS, VIEW_X, VIEW_Y, WALKABLE, Sight

SOLID = frozenset(KEPT) - {"path", "cow"}
"""Landmarks that neither walk away nor can be walked on."""
_LETTERS = {"water": "w", "tree": "t", "stone": "s", "coal": "s", "path": "s"}


def advance(old: Notes, before: Sight, action: str, now: Sight, step: int) -> Notes:
    """The notes after one more step, from the observations before and after the action."""
    facing, at = old.facing, old.at
    direction = action.removeprefix("Move ").lower()
    if direction in DIRECTIONS and not (before.sleeping and now.sleeping):
        facing = direction
        if _moved(before, direction, now):
            x, y = neighbour(at, direction)
            at = (min(AREA - 1, max(0, x)), min(AREA - 1, max(0, y)))
    new = replace(old, at=at, facing=facing, found=True, marks=dict(old.marks), rows=list(old.rows))
    if at != old.at:
        new.trail = [*old.trail[-TRAIL:], at]
    look(new, now)
    if action == "Place Plant" and now.has("sapling") < before.has("sapling"):
        new.planted = neighbour(at, facing), step
    return new


def neighbour(cell: Cell, direction: str) -> Cell:
    """The neighbouring cell in a direction."""
    x, y = DIRECTIONS[direction]
    return cell[0] + x, cell[1] + y


def _moved(before: Sight, direction: str, now: Sight) -> bool:
    """Whether a step in that direction was taken; the player moves before all others, so what was there decides."""
    names = before.around[direction]
    blocked = sum(name not in WALKABLE for name in names)
    if names and blocked in (0, len(names)):
        return not blocked
    # Uncertain: had it not moved, what blocks it would be in front now, and still things be reported as before.
    if now.front in WALKABLE or (names and now.front not in names):
        return True
    return any(before.things.get(name) != now.things.get(name) for name in SOLID)


def look(notes: Notes, sight: Sight) -> None:
    """Take one observation, made where the notes say the player is, into the notes."""
    _forget(notes, sight)
    x, y = notes.at
    for kind, thing in sight.things.items():
        cell = (x + thing.x, y + thing.y)
        if kind not in KEPT or not (0 <= cell[0] < AREA and 0 <= cell[1] < AREA):
            continue
        if thing.exact:
            notes.marks[cell] = kind
        elif cell not in notes.marks and not _known_near(notes, kind, cell):
            notes.marks[cell] = kind + GUESS
    for direction, names in sight.around.items():
        if len(names) == 1 and names[0] in SOLID:
            notes.marks[neighbour(notes.at, direction)] = names[0]
    if notes.facing:
        ahead = neighbour(notes.at, notes.facing)
        if sight.front in SOLID:
            notes.marks[ahead] = sight.front
        elif sight.front != "nothing":
            notes.marks.pop(ahead, None)
    _see_blocks(notes, sight)
    _trim(notes)


def _forget(notes: Notes, sight: Sight) -> None:
    """Landmarks in view that would be the nearest of their kind, but are not what is reported, are gone."""
    notes.marks.pop(notes.at, None)
    if not sight.things:
        return
    x, y = notes.at
    for cell, kind in list(notes.marks.items()):
        across, down = abs(cell[0] - x), abs(cell[1] - y)
        if across <= VIEW_X and down <= VIEW_Y and across + down < sight.distance(kind.removesuffix(GUESS)):
            del notes.marks[cell]


def _known_near(notes: Notes, kind: str, cell: Cell) -> bool:
    x, y = cell
    return any(
        known.removesuffix(GUESS) == kind and abs(at_x - x) + abs(at_y - y) <= 2
        for (at_x, at_y), known in notes.marks.items()
    )


def _see_blocks(notes: Notes, sight: Sight) -> None:
    """A block counts as seen when its middle is in view; land that matters gives it a letter."""
    if not sight.things:
        return
    x, y = notes.at
    for block_y in range(max(0, y - 2) // BLOCK, min(AREA - 1, y + 1) // BLOCK + 1):
        for block_x in range(max(0, x - 2) // BLOCK, min(AREA - 1, x + 2) // BLOCK + 1):
            if notes.rows[block_y][block_x] == ".":
                _letter(notes, block_x, block_y, "+")
    for kind, letter in _LETTERS.items():
        thing = sight.things.get(kind)
        if thing and thing.exact:
            block_x, block_y = (x + thing.x) // BLOCK, (y + thing.y) // BLOCK
            if 0 <= block_x < BLOCKS and 0 <= block_y < BLOCKS and notes.rows[block_y][block_x] == "+":
                _letter(notes, block_x, block_y, letter)


def _letter(notes: Notes, block_x: int, block_y: int, letter: str) -> None:
    row = notes.rows[block_y]
    notes.rows[block_y] = row[:block_x] + letter + row[block_x + 1 :]


def _trim(notes: Notes) -> None:
    """Of each kind only the nearest are kept."""
    count: dict[str, int] = {}
    for kind in notes.marks.values():
        count[kind] = count.get(kind, 0) + 1
    x, y = notes.at
    for kind, number in count.items():
        most = KEPT[kind.removesuffix(GUESS)] * notes.room
        if number > most:
            cells = sorted((abs(c[0] - x) + abs(c[1] - y), c) for c, k in notes.marks.items() if k == kind)
            for _, cell in cells[most:]:
                del notes.marks[cell]

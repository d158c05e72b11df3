"""The notes the rule-based Crafter player keeps: where it is, what stands where, what was seen, which goals are reached.

The observation names no position and no achievement, and the player keeps nothing between calls, so everything here is
rebuilt from the notebook's text in every call. A line is a list of statements; a later one corrects an earlier one:

    step 121: at 35,29 facing north; iron 38,26; gone 36,30; row 7 ....++s.........
"""

import re
from dataclasses import dataclass, field

from worlds.crafter_sight import DIRECTIONS, VIEW_X, VIEW_Y, WALKABLE, Sight, Thing

AREA = 64
START = (AREA // 2, AREA // 2)
BLOCK = 4
BLOCKS = AREA // BLOCK
TRAIL = 30
"""Positions remembered, so that the player does not walk in circles."""

KEPT = {
    "tree": 12, "water": 8, "stone": 16, "coal": 6, "iron": 6, "diamond": 4,
    "table": 4, "furnace": 3, "lava": 8, "plant": 3, "cow": 6, "path": 6,
}  # fmt: skip
"""Landmarks kept of each kind, the nearest first: the notes must not grow with the episode."""
_SOLID = frozenset(KEPT) - {"path", "cow"}
GUESS = "?"
"""Ends the kind of a landmark whose cell is not certain: `tree? 35,39`."""
_MAX_TEXT = 12_000
_PAIR = re.compile(r"(\d{1,2}),(\d{1,2})$")
_ROW = re.compile(r"[.+a-z]{16}$")

Cell = tuple[int, int]


@dataclass(slots=True)
class Notes:
    """What the notebook says. Cells are (x, y), x growing eastwards and y southwards, as far as dead reckoning goes."""

    at: Cell = START
    facing: str = "south"
    found: bool = False
    """Whether the text held a position at all."""
    lines: int = 0
    marks: dict[Cell, str] = field(default_factory=dict)
    trail: list[Cell] = field(default_factory=list)
    rows: list[str] = field(default_factory=lambda: ["." * BLOCKS] * BLOCKS)
    """The land in blocks of 4 x 4 cells: `.` unseen, `+` seen, or the first letter of what stands there."""
    planted: tuple[Cell, int] | None = None
    """Where and at which step the last sapling was planted."""
    goals: frozenset[str] = frozenset()


def read_notes(text: str) -> Notes:
    """Notes from text that may be damaged, edited or not ours at all: what cannot be read is skipped."""
    notes = Notes()
    for line in text[-_MAX_TEXT:].split("\n"):
        notes.lines += 1
        for statement in line.rpartition(": ")[2].split(";"):
            words = statement.split()
            if len(words) > 1:
                _apply(notes, words[0], words[1:])
    return notes


def _apply(notes: Notes, head: str, words: list[str]) -> None:
    if head == "row":
        if len(words) == 2 and words[0].isdecimal() and int(words[0][:3]) < BLOCKS and _ROW.match(words[1]):
            notes.rows[int(words[0])] = words[1]
        return
    cells = _cells(words)
    if not cells:
        return
    if head == "at":
        notes.at, notes.found = cells[0], True
        if notes.trail[-1:] != cells[:1]:
            notes.trail = [*notes.trail[-TRAIL:], cells[0]]
        if len(words) > 2 and words[2] in DIRECTIONS:
            notes.facing = words[2]
    elif head == "trail":
        notes.trail = cells[-TRAIL:]
    elif head == "gone":
        for cell in cells:
            notes.marks.pop(cell, None)
    elif head == "planted":
        since = words[-1]
        if since.isdecimal():
            notes.planted = cells[0], int(since[:7])
    elif head.rstrip(GUESS) in KEPT:
        notes.marks.update(dict.fromkeys(cells, head))


def _cells(words: list[str]) -> list[Cell]:
    matches = [_PAIR.match(word) for word in words]
    cells = [(int(match[1]), int(match[2])) for match in matches if match]
    return [cell for cell in cells if cell[0] < AREA and cell[1] < AREA]


def write_notes(notes: Notes, step: int) -> str:
    """The whole notes, compactly, for rewriting the file."""
    lines = [f"trail {_join(notes.trail)}"] if notes.trail else []
    by_kind: dict[str, list[Cell]] = {}
    for cell, kind in notes.marks.items():
        by_kind.setdefault(kind, []).append(cell)
    lines += [f"{kind} {_join(cells)}" for kind, cells in sorted(by_kind.items())]
    lines += [f"row {number} {row}" for number, row in enumerate(notes.rows) if row.strip(".")]
    if notes.planted:
        lines.append(f"planted {_join([notes.planted[0]])} {notes.planted[1]}")
    return "\n".join([*lines, f"step {step}: {_where(notes)}"])


def write_change(old: Notes, new: Notes, step: int) -> str:
    """One line that turns the old notes into the new ones."""
    parts = [_where(new)]
    by_kind: dict[str, list[Cell]] = {}
    for cell, kind in new.marks.items():
        if old.marks.get(cell) != kind:
            by_kind.setdefault(kind, []).append(cell)
    gone = [cell for cell in old.marks if cell not in new.marks]
    if gone:
        parts.append(f"gone {_join(gone)}")
    parts += [f"{kind} {_join(cells)}" for kind, cells in by_kind.items()]
    parts += [f"row {i} {row}" for i, row in enumerate(new.rows) if row != old.rows[i]]
    if new.planted and new.planted != old.planted:
        parts.append(f"planted {_join([new.planted[0]])} {new.planted[1]}")
    return f"step {step}: " + "; ".join(parts)


def _where(notes: Notes) -> str:
    return f"at {notes.at[0]},{notes.at[1]} facing {notes.facing}"


def _join(cells: list[Cell]) -> str:
    return " ".join(f"{x},{y}" for x, y in cells)


def advance(old: Notes, before: Sight, action: str, now: Sight, step: int) -> Notes:
    """The notes after one more step: dead reckoning, landmarks seen and gone, the land seen so far."""
    facing, at = old.facing, old.at
    if action.startswith("Move ") and not (before.sleeping and now.sleeping):
        facing = action[5:].lower()
        if facing not in DIRECTIONS:
            facing = old.facing
        elif _moved(before, facing, now):
            step_x, step_y = DIRECTIONS[facing]
            at = _clip(at[0] + step_x), _clip(at[1] + step_y)
    new = Notes(
        at=at, facing=facing, found=True, lines=old.lines, marks=dict(old.marks), rows=list(old.rows),
        trail=old.trail if at == old.at else [*old.trail[-TRAIL:], at], planted=old.planted, goals=old.goals,
    )  # fmt: skip
    look(new, now)
    if action == "Place Plant" and now.has("sapling") < before.has("sapling"):
        new.planted = _ahead(new), step
    return new


def _moved(before: Sight, direction: str, now: Sight) -> bool:
    """Whether a step in that direction was taken; the player moves before all others, so what stood there decides."""
    names = before.around[direction]
    blocked = [name for name in names if name not in WALKABLE]
    if names and not blocked:
        return True
    if names and len(blocked) == len(names):
        return False
    # Uncertain: had it not moved, the cell would be in front now, and still things would be reported as before.
    if now.front in WALKABLE or (names and now.front not in names):
        return True
    return any(before.things.get(name) != now.things.get(name) for name in _SOLID)


def look(notes: Notes, sight: Sight) -> None:
    """Take one observation, made where the notes say the player is, into the notes."""
    x, y = notes.at
    for cell, kind in list(notes.marks.items()):
        across, down = cell[0] - x, cell[1] - y
        if abs(across) <= VIEW_X and abs(down) <= VIEW_Y and sight.things and cell != notes.at:
            if abs(across) + abs(down) < sight.distance(kind.rstrip(GUESS)):
                del notes.marks[cell]
        elif cell == notes.at:
            del notes.marks[cell]
    for kind, thing in sight.things.items():
        cell = (x + thing.x, y + thing.y)
        if kind in KEPT and 0 <= cell[0] < AREA and 0 <= cell[1] < AREA:
            if thing.exact:
                notes.marks[cell] = kind
            elif cell not in notes.marks and not _known_near(notes, kind, cell):
                notes.marks[cell] = kind + GUESS
    for direction, names in sight.around.items():
        if len(names) == 1 and names[0] in _SOLID:
            notes.marks[_next(notes.at, direction)] = names[0]
    ahead = _ahead(notes)
    if sight.front in _SOLID:
        notes.marks[ahead] = sight.front
    elif sight.front != "nothing":
        notes.marks.pop(ahead, None)
    _see_blocks(notes, sight)
    _trim(notes)


def _known_near(notes: Notes, kind: str, cell: Cell) -> bool:
    x, y = cell
    return any(known.rstrip(GUESS) == kind and abs(c[0] - x) + abs(c[1] - y) <= 2 for c, known in notes.marks.items())


def _see_blocks(notes: Notes, sight: Sight) -> None:
    if not sight.things:
        return
    x, y = notes.at
    rows: dict[int, list[str]] = {}
    for by in range(max(0, y - 2) // BLOCK, min(AREA - 1, y + 1) // BLOCK + 1):
        for bx in range(max(0, x - 2) // BLOCK, min(AREA - 1, x + 2) // BLOCK + 1):
            if notes.rows[by][bx] == ".":
                rows.setdefault(by, list(notes.rows[by]))[bx] = "+"
    for kind in ("water", "tree", "stone", "coal", "path"):
        thing = sight.things.get(kind)
        if thing and thing.exact:
            bx, by = (x + thing.x) // BLOCK, (y + thing.y) // BLOCK
            if 0 <= bx < BLOCKS and 0 <= by < BLOCKS and notes.rows[by][bx] in ".+":
                letter = {"water": "w", "tree": "t"}.get(kind, "s")
                row = rows.setdefault(by, list(notes.rows[by]))
                if row[bx] == "+":
                    row[bx] = letter
    for by, row in rows.items():
        notes.rows[by] = "".join(row)


def _trim(notes: Notes) -> None:
    count: dict[str, int] = {}
    for kind in notes.marks.values():
        count[kind] = count.get(kind, 0) + 1
    x, y = notes.at
    for kind, number in count.items():
        most = KEPT[kind.rstrip(GUESS)]
        if number > most:
            cells = sorted((abs(c[0] - x) + abs(c[1] - y), c) for c, k in notes.marks.items() if k == kind)
            for _, cell in cells[most:]:
                del notes.marks[cell]


def _ahead(notes: Notes) -> Cell:
    return _next(notes.at, notes.facing)


def _next(cell: Cell, direction: str) -> Cell:
    step_x, step_y = DIRECTIONS[direction]
    return cell[0] + step_x, cell[1] + step_y


def _clip(value: int) -> int:
    return min(AREA - 1, max(0, value))

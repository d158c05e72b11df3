"""The notes of the scripted Crafter player: how LOG writes them into the notebook, and how they are read back.

The observation names no position and the player keeps nothing between calls, so everything here is rebuilt from the
notebook's text in every call. A line is a list of statements; a later one corrects an earlier one:

    step 121: at 35,29 facing north; iron 38,26; gone 36,30; row 7 ....++s.........

The plain file gets one line of changes per step and is rewritten when it has grown. Where a scaffold offers one line
per place (`upsert_map`), landmarks get a file of their own, which holds many more of them:

    38,26: iron
"""

import re
from dataclasses import dataclass, field, replace

from worlds.players import Decision, Prompt
from worlds.players.crafter_sight import DIRECTIONS

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
GUESS = "?"
"""Ends the kind of a landmark whose cell is not certain: `tree? 35,39`."""

ROOMY = 8
"""So many times more landmarks are kept one line each: about as many as one recall shows."""

_MAX_TEXT = 16_000
"""Characters read of the files: what one recall shows, and more than the player writes."""
_PLACE = re.compile(r"(?:^|: )([0-9]{1,2}),([0-9]{1,2}): ([a-z]+\??)$")
_PAIR = re.compile(r"([0-9]{1,2}),([0-9]{1,2})$")
_ROW = re.compile(r"[.+a-z]{16}$")
_NUMBER = re.compile(r"[0-9]{1,7}$")

Cell = tuple[int, int]
"""(x, y), x growing eastwards and y southwards, as far as dead reckoning goes."""


@dataclass(slots=True)
class Notes:
    """What the notebook says."""

    at: Cell = START
    facing: str = "south"
    """Empty when not known."""
    found: bool = False
    """Whether the text held a position at all."""
    lines: int = 0
    places: int = 0
    """Lines that are one place each."""
    room: int = 1
    """So many times the landmarks of `KEPT` are kept."""
    marks: dict[Cell, str] = field(default_factory=dict)
    """Landmarks: cell -> kind, with GUESS at its end when the cell is not certain."""
    trail: list[Cell] = field(default_factory=list)
    rows: list[str] = field(default_factory=lambda: ["." * BLOCKS] * BLOCKS)
    """The land in blocks of 4 x 4 cells: `.` unseen, `+` seen, or a letter for water, trees, stone."""
    planted: tuple[Cell, int] | None = None
    """Where and at which step the last sapling was planted."""
    goals: frozenset[str] = frozenset()
    """Achievements known to be unlocked; they have a file of their own."""


def read_notes(text: str) -> Notes:
    """Notes from text that may be damaged, edited or not this player's: what cannot be read is skipped."""
    notes = Notes()
    for line in text[-_MAX_TEXT:].split("\n"):
        place = _PLACE.search(line)
        if place:
            _keep(notes, (int(place[1]), int(place[2])), place[3])
            continue
        notes.lines += 1
        for statement in line.rpartition(": ")[2].split(";"):
            words = statement.split()
            if len(words) > 1:
                _apply(notes, words[0], words[1:])
    return notes


def _keep(notes: Notes, cell: Cell, kind: str) -> None:
    notes.places, notes.room = notes.places + 1, ROOMY
    if cell[0] >= AREA or cell[1] >= AREA:
        return
    if kind.removesuffix(GUESS) in KEPT:
        notes.marks[cell] = kind
    else:
        notes.marks.pop(cell, None)


def _apply(notes: Notes, head: str, words: list[str]) -> None:
    if head == "row":
        if len(words) == 2 and _NUMBER.match(words[0]) and int(words[0]) < BLOCKS and _ROW.match(words[1]):
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
        if _NUMBER.match(words[-1]):
            notes.planted = cells[0], int(words[-1])
    elif head.removesuffix(GUESS) in KEPT:
        notes.marks.update(dict.fromkeys(cells, head))


def _cells(words: list[str]) -> list[Cell]:
    matches = [_PAIR.match(word) for word in words]
    cells = [(int(match[1]), int(match[2])) for match in matches if match]
    return [cell for cell in cells if cell[0] < AREA and cell[1] < AREA]


def write_notes(notes: Notes, step: int) -> str:
    """The whole notes, compactly, for rewriting the file."""
    lines = [f"trail {_join(notes.trail)}"] if notes.trail else []
    lines += sorted(f"{kind} {_join(cells)}" for kind, cells in _by_kind(notes.marks, {}).items())
    lines += [f"row {number} {row}" for number, row in enumerate(notes.rows) if row.strip(".")]
    if notes.planted:
        lines.append(_planting(notes.planted))
    return "\n".join([*lines, f"step {step}: {_where(notes)}"])


def write_places(notes: Notes) -> str:
    """The landmarks, one line each."""
    return "\n".join(f"{x},{y}: {kind}" for (x, y), kind in notes.marks.items())


def write_change(old: Notes, new: Notes, step: int) -> str:
    """One line that turns the old notes into the new ones; empty when there is nothing new to say."""
    parts = [_where(new)]
    gone = [cell for cell in old.marks if cell not in new.marks]
    if gone:
        parts.append(f"gone {_join(gone)}")
    parts += [f"{kind} {_join(cells)}" for kind, cells in _by_kind(new.marks, old.marks).items()]
    parts += [f"row {number} {row}" for number, row in enumerate(new.rows) if row != old.rows[number]]
    if new.planted and new.planted != old.planted:
        parts.append(_planting(new.planted))
    if parts == [_where(old)] and old.found:
        return ""
    return f"step {step}: " + "; ".join(parts)


def _by_kind(marks: dict[Cell, str], known: dict[Cell, str]) -> dict[str, list[Cell]]:
    by_kind: dict[str, list[Cell]] = {}
    for cell, kind in marks.items():
        if known.get(cell) != kind:
            by_kind.setdefault(kind, []).append(cell)
    return by_kind


def _where(notes: Notes) -> str:
    return f"at {_join([notes.at])} facing {notes.facing}"


def _planting(planted: tuple[Cell, int]) -> str:
    return f"planted {_join([planted[0]])} {planted[1]}"


def _join(cells: list[Cell]) -> str:
    return " ".join(f"{x},{y}" for x, y in cells)


MAP, TRACK = "map_notes.md", "position.md"
"""The file of landmarks; the file of everything else once landmarks have one of their own."""
FEW_LINES = 24
"""When the plain file has this many lines it is rewritten."""
MANY_PLACES = 640
"""When so many places have lines, the file is rewritten without those where nothing is left."""


def keyed(prompt: Prompt) -> bool:
    """Whether LOG can write one line per place."""
    return "upsert_map" in prompt.operations


def record(prompt: Prompt, old: Notes, new: Notes) -> list[Decision]:
    """The operations that turn the old notes into the new ones."""
    if not keyed(prompt):
        return _plain(prompt, MAP, old, new)
    bare = _plain(prompt, TRACK, replace(old, marks={}), replace(new, marks={}))
    if new.places >= MANY_PLACES and "write" in prompt.operations:
        return [("write", {"file": MAP, "text": write_places(new)}), *bare]
    places = [_place(cell, kind) for cell, kind in new.marks.items() if old.marks.get(cell) != kind]
    gone = [_place(cell, "nothing") for cell in old.marks if cell not in new.marks]
    return [*gone, *places, *bare]


def _plain(prompt: Prompt, file: str, old: Notes, new: Notes) -> list[Decision]:
    change = write_change(old, new, prompt.step)
    if not change:
        return []
    if "write" in prompt.operations and (old.lines >= FEW_LINES or "append" not in prompt.operations):
        return [("write", {"file": file, "text": write_notes(new, prompt.step)})]
    return [("append", {"file": file, "text": change})]


def _place(cell: tuple[int, int], kind: str) -> Decision:
    return "upsert_map", {"coordinate": f"{cell[0]},{cell[1]}", "description": kind}

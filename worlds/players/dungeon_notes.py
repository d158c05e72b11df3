"""The notes the rule-based player of the dungeons keeps: where it walked, what it tried in vain, when it prayed.

It keeps nothing between calls, so all it knows of the past is rebuilt from the notebook's text every time. A line is
one fact about places of one level; the words after the place say what:

    D01 12,5-18,5 walked         D01 18,5 searched 20 to 340      D02 30,8 vain far east
    D01 35,7 stairs down         D01 19,5 kicked to 361            D02 31,8 peaceful gnome

Where a scaffold offers one line per coordinate (`upsert_map`, `upsert`), places are written that way and their file is
read whole; else lines are appended, and a search shows the last of them only.
"""

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from worlds.map_reading import Place
from worlds.players import Decision, Prompt

MAP, TRIED, PLAN = "dungeon_map.md", "actions_log.md", "strategy.md"
"""Places; what was tried; prayers and plans. In a notebook of other files the player adds them."""
MANY_LINES = 400
"""A file with more lines is rewritten with those of the present level that a recall shows."""

_FACT = re.compile(
    r"(?:^|\s)(?:(D\d+) )?(\d{1,2}),(\d{1,2})(?:-(\d{1,2}),(\d{1,2}))?:? (?:(D\d+) )?"
    r"(walked|stairs down|stairs up|searched|kicked|locked|vain|peaceful)\b ?(.{0,40})$",
    re.MULTILINE,
)
_PLACE = re.compile(r"\b(\d{1,2}),\s?(\d{1,2})\b")
_PRAYED = re.compile(r"\bprayed at (\d{1,7})\b")
_CUT = re.compile(
    r"[\d,]+ lines of (\S+) contain .*; the last [\d,]+:\n\d+: (?:D\d+ )?\d{1,2},\d{1,2}(?:-\d{1,2},\d{1,2})?: "
)
"""The head of a search that did not show all of a file whose lines are named by their places."""
_LISTED = re.compile(r"^- ([\w./-]+) \((\d+) lines?\)", re.MULTILINE)
_MAX_TEXT = 60_000
"""Characters read of the recalls: a thousand lines and more, for files that are not its own."""


@dataclass
class Notes:
    """What the notebook says of the present level."""

    walked: set[Place] = field(default_factory=set)
    vain: set[tuple[Place, str]] = field(default_factory=set)
    """(where, action) that did nothing."""
    searched: Counter[Place] = field(default_factory=Counter)
    """Turns searched, by place."""
    kicked: Counter[Place] = field(default_factory=Counter)
    """Kicks a locked door took so far."""
    locked: set[Place] = field(default_factory=set)
    peaceful: set[str] = field(default_factory=set)
    """Names of creatures that are not to be attacked."""
    stairs_down: set[Place] = field(default_factory=set)
    prayed: int | None = None
    """The turn of the last prayer."""
    kept: bool = False
    """Whether there were any notes: without, nothing is known of the past."""


def listed(notebook: str | None) -> dict[str, int]:
    """Files and their numbers of lines as a message lists them."""
    return {name: int(lines) for name, lines in _LISTED.findall(notebook or "")}


def recalls(prompt: Prompt, notebook: str | None, level: str, in_need: bool) -> list[Decision]:
    """The operations that recall the level's notes, and the last prayer where needed; none where nothing is noted."""
    files = listed(notebook)
    if notebook is not None:
        maps = [name for name in files if files[name] and ("map" in name or "visited" in name) and "symbol" not in name]
        tried = [TRIED] if files.get(TRIED) else []
        prayers = [PLAN] if in_need and files.get(PLAN) else []
    else:
        maps, tried, prayers = [MAP], [TRIED], [PLAN] if in_need else []
    if "search" in prompt.operations:
        decisions: list[Decision] = [("search", {"file": name, "keyword": level}) for name in maps + tried]
        return decisions + [("search", {"file": name, "keyword": "prayed"}) for name in prayers]
    if "tail" in prompt.operations:
        return [("tail", {"file": name, "lines": 100}) for name in maps + tried + prayers]
    if "read" in prompt.operations:
        return [("read", {"file": name}) for name in maps + tried + prayers]
    return []


def recalls_whole(prompt: Prompt) -> list[Decision]:
    """The operations that read whole a file of one line per place, of which a search showed the last lines only.

    A file of appended lines grows with the episode; of that, the last lines suffice.
    """
    if "read" not in prompt.operations or any(title.startswith("READ") for title, _ in prompt.results):
        return []
    found = [_CUT.match(text) for title, text in prompt.results]
    return [("read", {"file": cut[1]}) for cut in found if cut]


def read_notes(results: Iterable[tuple[str, str]], level: str) -> Notes:
    """Notes from recalls that may be damaged, edited or not this player's: what cannot be read is skipped."""
    notes = Notes()
    for title, text in results:
        text = text[-_MAX_TEXT:]
        if "visited" in title:  # a file kept by a scaffold's code: every place in it was visited
            notes.walked.update(Place(int(x), int(y)) for x, y in _PLACE.findall(text))
            notes.kept = True
        for named, x, y, end_x, end_y, also, what, rest in _FACT.findall(text):
            if (named or also or level) == level:
                start = Place(int(x), int(y))
                _apply(notes, start, Place(int(end_x), int(end_y)) if end_x else start, what, rest)
                notes.kept = True
        prayers = _PRAYED.findall(text)
        if prayers:
            notes.prayed = max(map(int, prayers))
    return notes


def _apply(notes: Notes, start: Place, end: Place, what: str, rest: str) -> None:
    if what == "walked":
        notes.walked.update(line_between(start, end))
    elif what == "stairs down":
        notes.stairs_down.add(start)
    elif what == "searched":
        turns = rest.split(" ", 1)[0]
        notes.searched[start] += int(turns) if turns.isdecimal() else 1
    elif what == "locked":
        notes.locked.add(start)
    elif what == "kicked":
        notes.locked.add(start)
        notes.kicked[start] += 1
    elif what == "vain":
        notes.vain.add((start, rest.partition(" at ")[0]))
    elif what == "peaceful":
        notes.peaceful.add(rest.strip())


def line_between(start: Place, end: Place) -> list[Place]:
    """The places of a straight walk, both ends included; only the ends where it was not straight."""
    dx, dy = end.x - start.x, end.y - start.y
    length = max(abs(dx), abs(dy))
    if not length or (dx and dy and abs(dx) != abs(dy)):
        return [start, end] if length else [start]
    return [Place(start.x + dx * i // length, start.y + dy * i // length) for i in range(length + 1)]


def record_place(prompt: Prompt, level: str, start: Place, end: Place, what: str) -> list[Decision]:
    """The operations that write down what is at a place, or along a straight walk."""
    if "upsert_map" in prompt.operations:
        cells = line_between(start, end)
        return [("upsert_map", {"coordinate": f"{x},{y}", "description": f"{level} {what}"}) for x, y in cells]
    where = f"{start.x},{start.y}" + (f"-{end.x},{end.y}" if end != start else "")
    return record(prompt, MAP, f"{level} {where}", what)


def record(prompt: Prompt, file: str, key: str, text: str) -> list[Decision]:
    """The operations that write down a line."""
    if "append" in prompt.operations and (file != MAP or "upsert" not in prompt.operations):
        return [("append", {"file": file, "text": f"{key} {text}"})]
    if "upsert" in prompt.operations:
        return [("upsert", {"file": file, "key": key, "text": text})]
    return []

"""How the Crafter player's LOG writes its notes down, with the operations that the scaffold offers.

A plain file: one line of what has changed per step, and the whole file anew when it has grown. Where there is one line
per place (`upsert_map`), landmarks go there, many more of them, and the plain file keeps the rest.
"""

from dataclasses import replace

from worlds.crafter_notes import Notes, write_change, write_notes, write_places
from worlds.player import Decision, Prompt

MAP, TRACK = "map_notes.md", "position.md"
"""Where landmarks stand; where the rest stands once they have a file of their own."""
FEW_LINES = 24
"""When the plain file has this many lines it is written anew."""
MANY_PLACES = 640
"""When so many places have lines, the file is written anew without those where nothing is left."""


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

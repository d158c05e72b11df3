"""Rules that play the cellar: no language model, no memory between calls but the notebook."""

import re
from collections.abc import Mapping

from worlds.players import Decision, Prompt, coin, sections

LETTER, MAP = "letter.md", "map.md"
BACK = {"north": "south", "south": "north", "east": "west", "west": "east"}


class CellarPolicy:
    """Writes the letter, the doors and the keys down as it sees them; with them it walks the shortest known way."""

    def decide(self, prompt: Prompt) -> list[Decision]:
        """The next operations of the routine."""
        parts = sections(prompt.text)
        if prompt.routine == "LOG":
            return [*(_notes(parts) if not prompt.results else []), ("done", {})]
        if "read" in prompt.operations and not prompt.results:
            return [("read", {"file": LETTER}), ("read", {"file": MAP})]
        if not prompt.results:
            return [("act", {"action": _guess(parts["Now"], prompt.step)})]
        letter, known = prompt.results[0][1], prompt.results[1][1]
        return [("act", {"action": _action(parts["Now"], letter, known) or _guess(parts["Now"], prompt.step)})]


def _notes(parts: Mapping[str, str]) -> list[Decision]:
    """What Before and Now show: the letter, a way between two rooms, doors, keys and boxes."""
    before, now = parts["Before"], parts["Now"]
    notes = [(LETTER, f"{box} {key}") for box, key in re.findall(r"The (\w+) box opens with the (\w+) key", before)]
    for text in (before, now):
        room = _room(text)
        notes += [(MAP, f"door {room} {way}") for way in _doors(text)]
        notes += [(MAP, f"{kind} {name} {room}") for name, kind in re.findall(r"- the (\w+) (key|box)", text)]
    if "You walk " in now:
        way = parts["Action sent"].split()[-1]
        notes += [
            (MAP, f"way {_room(before)} {way} {_room(now)}"),
            (MAP, f"way {_room(now)} {BACK[way]} {_room(before)}"),
        ]
    return [("append", {"file": file, "text": text}) for file, text in dict.fromkeys(notes)]


def _action(now: str, letter: str, known: str) -> str:
    """Towards the box of the key in hand, else a needed key, else an untried door; empty where none is left."""
    here, hand = _room(now), (re.search(r"You carry: the (\w+) key", now) or ["", ""])[1]
    opened = now.rpartition("Open boxes:")[2]
    ways = {(room, way): there for room, way, there in re.findall(r"way (\w+) (\w+) (\w+)", known)}
    places = {name: room for _, name, room in re.findall(r"(key|box) (\w+) (\w+)", known)}
    places |= {name: here for name, _ in re.findall(r"- the (\w+) (key|box)", now)}
    needed = {key: box for box, key in re.findall(r"(\w+) (\w+)$", letter, re.MULTILINE) if box not in opened}
    if hand in needed and (room := places.get(needed[hand])):
        return "Open" if room == here else _towards({room}, here, ways)
    if hand not in needed and (keys := {places[key] for key in needed if key in places}):
        return "Take" if here in keys else _towards(keys, here, ways)
    doors = {(room, way) for room, way in re.findall(r"door (\w+) (\w+)", known)} | {(here, way) for way in _doors(now)}
    untried = sorted(doors - ways.keys())
    if not untried:
        return ""
    tried = [way for room, way in untried if room == here]
    return f"Go {tried[0]}" if tried else _towards({room for room, _ in untried}, here, ways)


def _towards(goals: set[str], here: str, ways: Mapping[tuple[str, str], str]) -> str:
    """The first step of a shortest known way from here to one of the goals."""
    first = {there: way for (room, way), there in ways.items() if room == here}
    queue = list(first)
    for room in queue:
        if room in goals:
            return f"Go {first[room]}"
        for (start, _), there in ways.items():
            if start == room and there != here and there not in first:
                first[there] = first[room]
                queue.append(there)
    return "Wait"


def _guess(now: str, step: int) -> str:
    """Without notes: open and take what is here, else a door that looks random."""
    tries = [f"Go {way}" for way in _doors(now)]
    tries += ["Take"] * 2 if re.search(r"- the \w+ key", now) else []
    tries += ["Open"] * 4 if re.search(r"- the \w+ box", now) and "You carry: the" in now else []
    return tries[coin(len(tries), f"{step} {now}")]


def _room(text: str) -> str:
    return (re.search(r"^Room: (\w+)", text, re.MULTILINE) or ["", "?"])[1]


def _doors(text: str) -> list[str]:
    found = re.search(r"^Doors: (.*)$", text, re.MULTILINE)
    return found[1].split(", ") if found else []

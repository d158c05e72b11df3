"""Ways over a map of NetHack's: what can be walked on, which known places border on the unknown, where to search.

A blank beside a place that was walked on is known to be rock (or to hide something); any other blank is unknown. So
the map and the notes of where one has been say which places are worth going to.
"""

import re
from collections import Counter, deque
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass

from worlds.map_reading import STEPS, Map, Place

WIDTH = 81
_EDGE = "\x7f"
_OFFSETS: dict[str, int] = {name: dy * WIDTH + dx for name, (dx, dy) in STEPS.items()}
_AROUND = tuple(_OFFSETS.values())
_STRAIGHT = frozenset({"north", "east", "south", "west"})
_REACH = 8
"""Blank places in a row, behind a wall, that make it worth searching."""

FLOOR, DOOR, CLOSED, BOULDER, TRAP, CREATURE = "fdcbtm"
"""What a place is, as far as walking goes; anything else is a wall, water or unknown."""
_CODES = str.maketrans(
    {
        **dict.fromkeys('.#<>_{\\)[="(%!?/$*+', FLOOR),
        **dict.fromkeys("`0", BOULDER),
        **dict.fromkeys("@&;:'~ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz", CREATURE),
        "^": TRAP,
        **dict.fromkeys("123456789", CREATURE),
    }
)
_UPRIGHT = re.compile("[-|+]")
_UPRIGHTS = frozenset("-|")
_WALL = _UPRIGHTS | {" ", "+"}
_GROUND = frozenset({FLOOR, CREATURE})
EASY = frozenset({FLOOR, DOOR, CLOSED})
PUSHING = EASY | {BOULDER}
PATIENT = PUSHING | {CREATURE}
ANYHOW = PATIENT | {TRAP}


@dataclass(frozen=True)
class Way:
    """A path: its steps, and where it ends."""

    steps: tuple[str, ...]
    end: Place


class Ground:
    """A level's map as one string of codes, with what the notes add to it."""

    def __init__(self, seen: Map, walked: Collection[Place], barred: Iterable[Place] = ()) -> None:
        rows = [f"{line[:79]:79}{_EDGE}{_EDGE}" for line in seen.lines]
        self.symbols = _EDGE * WIDTH + "".join(rows) + _EDGE * WIDTH
        codes = list(self.symbols.translate(_CODES))
        for door in seen.doors:
            codes[index(door.place)] = DOOR if door.is_open else CLOSED
        self._add_doors(codes)
        for place in barred:
            codes[index(place)] = "x"
        assert seen.player is not None
        self.start = index(seen.player)
        self.tight = self._between_walls(self.start)
        codes[self.start] = FLOOR
        self.codes = codes
        self.walked = {index(place) for place in walked}
        self.walked.add(self.start)

    def way(
        self,
        goal: Callable[[int], bool],
        allowed: Collection[str] = EASY,
        vain: Collection[tuple[int, str]] = (),
        avoid: Collection[int] = (),
    ) -> Way | None:
        """The shortest way to a place with `goal`, over `allowed` ground; never a step that is known to be in vain."""
        before: dict[int, tuple[int, str]] = {self.start: (self.start, "")}
        queue = deque([self.start])
        while queue:
            at = queue.popleft()
            if at != self.start and at not in avoid and goal(at):
                return self._way(before, at)
            for name, there in self._steps(at, allowed, vain):
                if there not in before:
                    before[there] = at, name
                    queue.append(there)
        return None

    def distances(self, allowed: Collection[str] = EASY, vain: Collection[tuple[int, str]] = ()) -> dict[int, int]:
        """Steps to every place that can be reached."""
        steps = {self.start: 0}
        queue = deque([self.start])
        while queue:
            at = queue.popleft()
            for _, there in self._steps(at, allowed, vain):
                if there not in steps:
                    steps[there] = steps[at] + 1
                    queue.append(there)
        return steps

    def is_frontier(self, at: int) -> bool:
        """Whether a place borders on a blank whose neighbours were never visited."""
        symbols = self.symbols
        return any(symbols[at + step] == " " and not self._beside_walked(at + step) for step in _AROUND)

    def is_inside(self, at: int) -> bool:
        """Whether a place lies in the middle of a corridor, where one more look rarely shows anything."""
        return self.symbols[at] == "#" and sum(self.codes[at + step] in ANYHOW for step in _AROUND) > 1

    def is_narrow(self, at: int) -> bool:
        """Whether a place is in a corridor and can be reached from two sides at most."""
        return self.symbols[at] == "#" and sum(self.codes[at + step] in ANYHOW for step in _AROUND) <= 2

    def promise(self, at: int, searched: Counter[int]) -> float:
        """How likely searching there finds something, in steps one would walk for it: dead ends, thick blanks."""
        walls = sum(self.codes[at + step] not in ANYHOW for step in _AROUND)
        open_sides = sum(self.codes[at + step] in ANYHOW for name, step in _OFFSETS.items() if name in _STRAIGHT)
        blank = sum(self._blank_behind(at, _OFFSETS[name]) for name in _STRAIGHT)
        turns = sum(searched[at + step] for step in (0, *_AROUND))
        return walls + 8 * blank + (14 if open_sides <= 1 else 0) - 2.5 * turns

    def _add_doors(self, codes: list[str]) -> None:
        """Doors in walls that are not seen whole yet: walls or blanks on two sides of them, ground on a third."""
        for found in _UPRIGHT.finditer(self.symbols):
            at = found.start()
            for along, across in ((1, WIDTH), (WIDTH, 1)):
                if found[0] == "-|"[along == 1]:
                    continue  # an open door lies across its wall
                walls = self.symbols[at - across], self.symbols[at + across]
                ways = {codes[at - along], codes[at + along]}
                if walls[0] in _WALL and walls[1] in _WALL and ways & _GROUND and not ways & _UPRIGHTS:
                    codes[at] = CLOSED if found[0] == "+" else DOOR

    def _blank_behind(self, at: int, step: int) -> bool:
        if self.codes[at + step] in ANYHOW:
            return False
        for i in range(2, _REACH):
            place = at + i * step
            if not 0 <= place < len(self.symbols) or self.symbols[place] != " ":
                return False
        return True

    def _beside_walked(self, at: int) -> bool:
        walked = self.walked
        return any(at + step in walked for step in _AROUND)

    def _between_walls(self, at: int) -> bool:
        sides, ends = {self.symbols[at - 1], self.symbols[at + 1]}, {self.symbols[at - WIDTH], self.symbols[at + WIDTH]}
        return sides == {"-"} or ends == {"|"}

    def _steps(self, at: int, allowed: Collection[str], vain: Collection[tuple[int, str]]) -> Iterable[tuple[str, int]]:
        codes = self.codes
        doorlike = codes[at] in (DOOR, CLOSED) or (at == self.start and self.tight and allowed is EASY)
        for name, step in _OFFSETS.items():
            there = at + step
            code = codes[there]
            if code not in allowed or (at, name) in vain:
                continue
            if name not in _STRAIGHT and (doorlike or code in (DOOR, CLOSED)):
                continue
            if code == BOULDER and codes[there + step] not in (FLOOR, TRAP, " "):
                continue
            yield name, there

    def _way(self, before: dict[int, tuple[int, str]], at: int) -> Way:
        end, steps = at, []
        while at != self.start:
            at, name = before[at]
            steps.append(name)
        return Way(tuple(reversed(steps)), place(end))

    def straight_part(self, way: Way) -> tuple[int, str]:
        """(steps of the way's first straight part, code of the place right after it)."""
        name = way.steps[0]
        length = next((i for i, step in enumerate(way.steps) if step != name), len(way.steps))
        return length, self.codes[self.start + (length + 1) * _OFFSETS[name]]


def index(place: Place) -> int:
    """A place's number on a Ground."""
    return place.y * WIDTH + place.x


def place(number: int) -> Place:
    """The place of a number."""
    return Place(number % WIDTH, number // WIDTH)

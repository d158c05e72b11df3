"""Reads the map out of a NetHack observation's long text: where one can step, stairs, doors, monsters, items.

For people, players and hooks, which may show it as notices (`notices`); everything comes from the text.
Positions are (x, y) as the text's own cursor line counts them: x from 0 at the left, y from 1 at the map's top line.
A symbol alone can be ambiguous (`-` is a wall or an open door, `+` a door or a spellbook, a letter a monster or its
statue): walls around it decide, and next to the player the text's own list, which names things.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

STEPS = {
    **{"north": (0, -1), "east": (1, 0), "south": (0, 1), "west": (-1, 0)},
    **{"northeast": (1, -1), "southeast": (1, 1), "southwest": (-1, 1), "northwest": (-1, -1)},
}
"""(x, y) of a step in each direction."""

_MAP_LINES = 21
_SCREEN_LINES = 23
_MONSTERS = re.compile(r"[A-Za-z@&;:'~]")
_ITEMS = re.compile(r"""[)\[="(%!?/$*_+]""")
_PASSED = frozenset(".#<>_{\\^") | frozenset(')[="(%!?/$*+')
"""Symbols one can step on: floor, corridor, stairs, furniture, traps, things that lie there."""
_BLOCKING = (
    "wall",
    "corner",
    "closed door",
    "bars",
    "tree",
    "boulder",
    "pool",
    "lava",
    "raised drawbridge",
    "dark area",
)
"""Words in the names of what cannot be stepped on. Water is a pool."""
_CURSOR = re.compile(r"\(x=(\d+), y=(\d+)\)")
_NEXT_TO = re.compile(r"(.+?) (?:adjacent|1 step away(?: \(directly reachable\))?) (.+)")
_COVERED = re.compile(r"--More--|\(end\)|\(\d+ of \d+\)")


class Place(NamedTuple):
    """Where something is."""

    x: int
    y: int


class Door(NamedTuple):
    """A door seen on the map."""

    place: Place
    is_open: bool


@dataclass(frozen=True)
class Map:
    """What `read_map` found."""

    lines: tuple[str, ...]
    """The map's 21 lines."""
    player: Place | None
    """None while the cursor is elsewhere and no single @ is on the map."""
    beside: Mapping[str, str]
    """Names of what is next to the player, by direction; floor and corridor have none."""
    covered: bool
    """Whether a menu or a page of text lies over the map: then nothing read from it can be trusted."""

    def at(self, x: int, y: int) -> str:
        """The symbol at a position; a blank outside the map."""
        line = self.lines[y - 1] if 1 <= y <= len(self.lines) else ""
        return line[x] if 0 <= x < len(line) else " "

    @cached_property
    def passable(self) -> tuple[str, ...]:
        """Directions in which nothing known blocks the way: floor, open doors (not diagonally), things, pets."""
        return tuple(direction for direction in STEPS if self._can_step(direction))

    @cached_property
    def stairs_down(self) -> tuple[Place, ...]:
        """Staircases and ladders down."""
        return self.find(">")

    @cached_property
    def stairs_up(self) -> tuple[Place, ...]:
        """Staircases and ladders up."""
        return self.find("<")

    @cached_property
    def boulders(self) -> tuple[Place, ...]:
        """Boulders; a rock looks the same."""
        return self.find("`0")

    @cached_property
    def doors(self) -> tuple[Door, ...]:
        """Doors, open or closed, in walls that are seen."""
        closed = [Door(place, False) for place in self.find("+") if self._in_wall(place)]
        opened = [Door(place, True) for place in self.find("|-") if self._is_open_door(place)]
        return tuple(sorted([*closed, *opened], key=lambda door: (door.place.y, door.place.x)))

    @cached_property
    def monsters(self) -> tuple[tuple[Place, str], ...]:
        """Creatures on the map, pets and statues included, without the player: position and symbol."""
        return tuple((place, symbol) for place, symbol in self._seen(_MONSTERS) if place != self.player)

    @cached_property
    def items(self) -> tuple[tuple[Place, str], ...]:
        """Things that lie there: position and symbol."""
        return tuple(
            (place, symbol) for place, symbol in self._seen(_ITEMS) if symbol != "+" or not self._in_wall(place)
        )

    def find(self, symbols: str) -> tuple[Place, ...]:
        """Where any of these symbols is, line by line."""
        return tuple(place for place, _ in self._seen(re.compile(f"[{re.escape(symbols)}]")))

    def _seen(self, pattern: re.Pattern[str]) -> Iterator[tuple[Place, str]]:
        for y, line in enumerate(self.lines, start=1):
            for found in pattern.finditer(line):
                yield Place(found.start(), y), found[0]

    def _can_step(self, direction: str) -> bool:
        if self.player is None or self.covered:
            return False
        dx, dy = STEPS[direction]
        place = Place(self.player.x + dx, self.player.y + dy)
        symbol, name = self.at(*place), self.beside.get(direction, "")
        if any(word in name for word in _BLOCKING):
            return False
        if name.startswith("tame ") or name.endswith(" statue"):
            return True
        if "open door" in name or (symbol in "|-" and self._is_open_door(place)):
            return not (dx and dy)
        return symbol in _PASSED and not (symbol == "+" and self._in_wall(place))

    def _in_wall(self, place: Place) -> bool:
        x, y = place
        return "|" in (self.at(x, y - 1), self.at(x, y + 1)) or "-" in (self.at(x - 1, y), self.at(x + 1, y))

    def _is_open_door(self, place: Place) -> bool:
        """An open door lies across its wall: `-` in a wall of `|`, and the other way round."""
        x, y = place
        sides, ends = (self.at(x - 1, y), self.at(x + 1, y)), (self.at(x, y - 1), self.at(x, y + 1))
        if self.at(x, y) == "-":
            return ends == ("|", "|") and "-" not in sides
        return sides == ("-", "-") and "|" not in ends


def read_map(long: str) -> Map:
    """The map in an observation's long text, in any wording. ValueError if there is none."""
    lines = long.split("\n")
    screen = lines[-_SCREEN_LINES - 2 : -2]
    if len(screen) < _SCREEN_LINES or lines[-_SCREEN_LINES - 3 : -_SCREEN_LINES - 2] != ["map:"]:
        raise ValueError("This text has no NetHack map: give an observation's long text as it is.")
    head = "\n".join(lines[: -_SCREEN_LINES - 3])
    listed, _, pointed = head.rpartition("\n\ncursor:\n")
    grid = tuple(screen[:_MAP_LINES])
    return Map(
        lines=grid,
        player=_player(pointed, grid),
        beside=dict(_beside(listed.partition("language observation:\n")[2])),
        covered=_COVERED.search(long) is not None,
    )


def _player(pointed: str, grid: tuple[str, ...]) -> Place | None:
    cursor = _CURSOR.search(pointed)
    if cursor is not None and pointed.startswith("Yourself "):
        return Place(int(cursor[1]), int(cursor[2]))
    found = [Place(line.index("@"), y) for y, line in enumerate(grid, start=1) if "@" in line]
    return found[0] if sum(line.count("@") for line in grid) == 1 else None


def _beside(listed: str) -> Iterator[tuple[str, str]]:
    for line in listed.split("\n"):
        found = _NEXT_TO.fullmatch(line)
        if found is not None:
            for direction in re.split(r", and |, | and ", found[2]):
                yield direction, found[1]


def notices(long: str, near: int, most: int) -> list[str]:
    """What the map in an observation's long text says, in words, for a scaffold's notices. No advice.

    A line each: where the player can step, stairs, doors, boulders, monsters. Monsters are named within `near` steps,
    of each kind of thing the nearest `most`. Empty for a text without a map, as when the game is over; one line that
    says so when something covers the map.
    """
    try:
        seen = read_map(long)
    except ValueError:
        return []
    if seen.covered:
        return ["A menu or a page of text lies over the map: answer it, or leave it with esc."]
    if seen.player is None:
        return ["The cursor is not on you: a question or a choice of place waits for its answer."]
    return [notice for notice in _described(seen, seen.player, near, most) if notice]


def _described(seen: Map, player: Place, near: int, most: int) -> list[str]:
    doors = [(door.place, "an open door" if door.is_open else "a closed door") for door in seen.doors]
    monsters = [
        (place, _monster(seen, player, place, symbol))
        for place, symbol in seen.monsters
        if _steps(player, place) <= near
    ]
    return [
        f"Free to step: {', '.join(seen.passable) or 'nothing, every neighbour is blocked or unknown'}.",
        _listed("Stairs down", player, [(place, "") for place in seen.stairs_down], most),
        _listed("Stairs up", player, [(place, "") for place in seen.stairs_up], most),
        _listed("Doors", player, doors, most),
        _listed("Boulders (moving into one pushes it)", player, [(place, "") for place in seen.boulders], most),
        _listed("Near you", player, monsters, most),
    ]


def _listed(what: str, player: Place, places: list[tuple[Place, str]], most: int) -> str:
    nearest = sorted(places, key=lambda one: _steps(player, one[0]))[:most]
    named = [f"{name} {_way(player, place)} at ({place.x}, {place.y})".lstrip() for place, name in nearest]
    return f"{what}: {'; '.join(named)}." if named else ""


def _monster(seen: Map, player: Place, place: Place, symbol: str) -> str:
    """Its name where the observation gives it, which is for neighbours of the player; else its symbol."""
    return seen.beside.get(_way(player, place).removeprefix("1 "), symbol)


def _steps(player: Place, place: Place) -> int:
    return max(abs(place.x - player.x), abs(place.y - player.y))


def _way(player: Place, place: Place) -> str:
    """For example `3 east and 1 south`, `2 northeast`."""
    east, south = place.x - player.x, place.y - player.y
    along = "east" if east > 0 else "west"
    across = "south" if south > 0 else "north"
    if abs(east) == abs(south):
        return f"{abs(east)} {across}{along}" if east else "under you"
    parts = [f"{abs(count)} {name}" for count, name in ((east, along), (south, across)) if count]
    return " and ".join(parts)

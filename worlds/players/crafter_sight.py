"""What Crafter's text and a scaffold's notices say, read back into facts for the scripted player.

The text names only the nearest cell of each kind, by steps and compass word, so most cells stay unknown; the four cells
around the player follow almost always, because ties go to the first cell in a fixed scan (west, north, south, east).
"""

import re
from dataclasses import dataclass, field
from typing import NamedTuple

DIRECTIONS: dict[str, tuple[int, int]] = {"west": (-1, 0), "north": (0, -1), "south": (0, 1), "east": (1, 0)}
"""(x, y) of one step, y growing southwards; in the order in which the text's own scan meets the four neighbours."""
WALKABLE = frozenset({"grass", "sand", "path"})
CREATURES = frozenset({"zombie", "skeleton", "cow", "arrow"})
VIEW_X, VIEW_Y = 4, 3
"""The window reaches this many cells west and east, north and south of the player."""

_THING = re.compile(r"^- (\w+) (\d{1,2}) steps? to your (north|south)?-?(west|east)?", re.MULTILINE)
_COUNT = re.compile(r"^- (\w+): (\d{1,4})", re.MULTILINE)
_FRONT = re.compile(r"^You face (\w+) at your front", re.MULTILINE)
_VITALS = ("health", "food", "drink", "energy")


class Thing(NamedTuple):
    """The nearest cell of one kind: steps away, and its offset, a guess unless `exact`."""

    distance: int
    x: int
    y: int
    exact: bool


@dataclass(frozen=True, slots=True)
class Sight:
    """One observation. Absent vitals (text that is not Crafter's) count as full."""

    things: dict[str, Thing]
    front: str
    around: dict[str, tuple[str, ...]]
    """Direction -> what that cell may be; one name when it is certain, none when nothing is known."""
    vitals: dict[str, int]
    inventory: dict[str, int]
    sleeping: bool

    def has(self, item: str) -> int:
        """How many of an item are carried."""
        return self.inventory.get(item, 0)

    def distance(self, name: str) -> int:
        """Steps to the nearest cell of that kind, 99 when none is in view."""
        thing = self.things.get(name)
        return thing.distance if thing else 99

    def beside(self, name: str) -> bool:
        """Whether the thing is in one of the eight cells around, near enough to craft with."""
        thing = self.things.get(name)
        return thing is not None and max(abs(thing.x), abs(thing.y)) <= 1


def read_sight(text: str) -> Sight:
    """The facts in one observation's text (long, then short). Never raises: what is not there is absent."""
    things = {
        name: _thing(int(steps), vertical, horizontal)
        for name, steps, vertical, horizontal in _THING.findall(text)
        if vertical or horizontal
    }
    front = _FRONT.search(text)
    counts = {name: int(number) for name, number in _COUNT.findall(text)}
    return Sight(
        things=things,
        front=front[1] if front else "nothing",
        around=_around(things),
        vitals={name: counts.pop(name, 9) for name in _VITALS},
        inventory=counts,
        sleeping="You are sleeping" in text,
    )


def _thing(steps: int, vertical: str, horizontal: str) -> Thing:
    east = {"west": -1, "east": 1}.get(horizontal, 0)
    south = {"north": -1, "south": 1}.get(vertical, 0)
    if not (east and south):
        return Thing(steps, east * steps, south * steps, exact=True)
    least, most = max(1, steps - VIEW_Y), min(VIEW_X, steps - 1)
    across = (least + most + 1) // 2
    return Thing(steps, east * across, south * (steps - across), exact=least == most)


def _around(things: dict[str, Thing]) -> dict[str, tuple[str, ...]]:
    """A cell that no kind reports is of a kind reported earlier in the scan, whose first cell won the tie."""
    reported = {(thing.x, thing.y): name for name, thing in things.items() if thing.distance == 1}
    around: dict[str, tuple[str, ...]] = {}
    earlier: tuple[str, ...] = ()
    for direction, step in DIRECTIONS.items():
        name = reported.get(step)
        if name is None:
            around[direction] = earlier
        else:
            around[direction] = (name,)
            earlier = (*earlier, name)
    return around


_UNSEEN = re.compile(r"^- Land not seen yet: (.*)\.$", re.MULTILINE)
_PAST = re.compile(r"past (\w+) ([^;]*)")
_LOW = re.compile(r"^- (\w+) is down to \d+: (\w+) last seen ([^,\n]*),", re.MULTILINE)
_RIPE = re.compile(r"^- The plant (.*) is ripe", re.MULTILINE)
_STEPS = re.compile(r"(\d{1,3}) (east|west|north|south)")
_AXES = {"east": (1, 0), "west": (-1, 0), "south": (0, 1), "north": (0, -1)}

Offset = tuple[int, int]
"""(x, y) steps from the player."""


@dataclass(frozen=True, slots=True)
class Notices:
    """What a scaffold's notices say. Offsets are from the player."""

    unseen: dict[str, Offset] = field(default_factory=dict)
    """Where land not seen yet lies, by the land it lies past: `grass`, `stone`, `water`."""
    sources: dict[str, Offset] = field(default_factory=dict)
    """Where what feeds a low vital was last seen: `cow`, `water`."""
    ripe: tuple[Offset, ...] = ()
    """Plants that can be eaten."""


NOTHING = Notices()


def read_notices(notices: str) -> Notices:
    """The facts in a message's notices. Never raises: what is not there is absent."""
    unseen = _UNSEEN.search(notices)
    return Notices(
        unseen={land: _offset(way) for land, way in _PAST.findall(unseen[1])} if unseen else {},
        sources={source: _offset(way) for _, source, way in _LOW.findall(notices)},
        ripe=tuple(_offset(way) for way in _RIPE.findall(notices)),
    )


def _offset(way: str) -> Offset:
    """`6 west and 2 north`; what names no direction is here."""
    x = y = 0
    for steps, direction in _STEPS.findall(way):
        dx, dy = _AXES[direction]
        x, y = x + int(steps) * dx, y + int(steps) * dy
    return x, y

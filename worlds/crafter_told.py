"""What a scaffold's notices tell the Crafter player: land not seen yet, where a need was last met, a ripe plant.

Without notices nothing is told, and the player knows what its notes say.
"""

import re
from dataclasses import dataclass, field

_UNSEEN = re.compile(r"^- Land not seen yet: (.*)\.$", re.MULTILINE)
_PAST = re.compile(r"past (\w+) ([^;]*)")
_LOW = re.compile(r"^- (\w+) is down to \d+: (\w+) last seen ([^,\n]*),", re.MULTILINE)
_RIPE = re.compile(r"^- The plant (.*) is ripe", re.MULTILINE)
_STEPS = re.compile(r"(\d{1,3}) (east|west|north|south)")
_AXES = {"east": (1, 0), "west": (-1, 0), "south": (0, 1), "north": (0, -1)}

Offset = tuple[int, int]
"""(x, y) steps from the player."""


@dataclass(frozen=True, slots=True)
class Told:
    """Notices, read. Offsets are from where the player stands."""

    unseen: dict[str, Offset] = field(default_factory=dict)
    """Where land not seen yet lies, by the land it lies past: `grass`, `stone`, `water`."""
    sources: dict[str, Offset] = field(default_factory=dict)
    """Where what feeds a low vital was last seen: `cow`, `water`."""
    ripe: tuple[Offset, ...] = ()
    """Plants that can be eaten."""


NOTHING = Told()


def read_told(notices: str) -> Told:
    """The facts in a message's notices. Never raises: what is not there is not told."""
    unseen = _UNSEEN.search(notices)
    return Told(
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

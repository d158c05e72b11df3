"""What the observation's map says, in words: where one can step, stairs, doors, monsters near. No advice, no veto."""

from scaffolds import View
from worlds.map_reading import Map, Place, read_map

NEAR = 6
"""Monsters within so many steps are named: what comes from further away shows in a later notice in time."""
MOST = 8
"""Doors and monsters named at once, the nearest first; a map has more, and the model can see it."""


class Hooks:
    """No state: every notice follows from the present observation."""

    def observe(self, view: View) -> list[str]:
        """The map in words; a warning where a menu or a page of text lies over it."""
        try:
            seen = read_map(view.observation["long"])
        except ValueError:  # a game that is over shows no map
            return []
        if seen.covered:
            return ["A menu or a page of text lies over the map: answer it, or leave it with esc."]
        if seen.player is None:
            return ["The cursor is not on you: a question or a choice of place waits for its answer."]
        return [notice for notice in _notices(seen, seen.player) if notice]


def _notices(seen: Map, player: Place) -> list[str]:
    doors = [(door.place, "an open door" if door.is_open else "a closed door") for door in seen.doors]
    near = [(place, _monster(seen, player, place, symbol)) for place, symbol in seen.monsters]
    return [
        f"Free to step: {', '.join(seen.passable) or 'nothing, every neighbour is blocked or unknown'}.",
        _listed("Stairs down", player, [(place, "") for place in seen.stairs_down]),
        _listed("Stairs up", player, [(place, "") for place in seen.stairs_up]),
        _listed("Doors", player, doors),
        _listed("Boulders (moving into one pushes it)", player, [(place, "") for place in seen.boulders]),
        _listed("Near you", player, [one for one in near if _steps(player, one[0]) <= NEAR]),
    ]


def _listed(what: str, player: Place, places: list[tuple[Place, str]]) -> str:
    nearest = sorted(places, key=lambda one: _steps(player, one[0]))[:MOST]
    told = [f"{name} {_way(player, place)} at ({place.x}, {place.y})".lstrip() for place, name in nearest]
    return f"{what}: {'; '.join(told)}." if told else ""


def _monster(seen: Map, player: Place, place: Place, symbol: str) -> str:
    """Its name where the observation gives it, which is beside the player; else its symbol."""
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

"""What lies out of view: land not seen yet, what feeds a low vital, a plant that has ripened. Told, never decided.

Nothing here is more than the observations so far say: where the player stands is reckoned from its moves.
"""

import re
from collections.abc import Iterator, Mapping

from scaffolds import View

_WAYS = {"west": (-1, 0), "north": (0, -1), "south": (0, 1), "east": (1, 0)}
"""(x, y) of one step, y growing southwards; in the order in which the observation's own scan meets the neighbours."""
_WALKED_ON = {"grass", "sand", "path"}
_CHANGING = {"cow", "zombie", "skeleton", "arrow", *_WALKED_ON}
"""What may look otherwise in the next observation though the player has not moved."""
_AREA = 64
_WIDE, _HIGH = 4, 3
"""The view reaches so many columns and rows to each side."""
_APART = 3
"""Places are judged, and remembered, on a grid of cells so many steps apart."""
_FAR = 27
"""Unseen land further away is not told of: nearer land comes first."""
_WORTH_SEEING = 12
"""Cells a place must newly show, of the 63 in view."""
_LANDS = ("grass", "stone", "water")
_SOURCES = {"food": "cow", "drink": "water"}
_LOW = 6
"""From this value of a vital on, its nearest source is told: food and drink last 156 and 126 steps then."""
_RIPE, _BESIDE = 302, 17
"""A plant ripens after so many steps, counted while the player is no further from it than that."""
_PLACES = 60
"""Places remembered of each source."""
_THING = re.compile(r"^- (\w+) (\d+) steps? to your (north|south)?-?(west|east)?", re.MULTILINE)
_COUNT = re.compile(r"^- (\w+): (\d+)", re.MULTILINE)
_FRONT = re.compile(r"^You face (\w+) at your front", re.MULTILINE)

Cell = tuple[int, int]


class Scene:
    """An observation, read."""

    def __init__(self, observation: Mapping[str, str]) -> None:
        listed = _THING.findall(observation["long"])
        self.things: dict[str, Cell] = {name: _offset(int(steps), *where) for name, steps, *where in listed}
        front = _FRONT.search(observation["long"])
        self.front = front[1] if front else "nothing"
        self.counts = {name: int(count) for name, count in _COUNT.findall(observation["short"])}
        self.asleep = "You are sleeping" in observation["long"]

    def distance(self, name: str) -> int:
        """Steps to the nearest thing of that kind in view; 99 if there is none."""
        x, y = self.things.get(name, (99, 0))
        return abs(x) + abs(y)

    def beside(self, way: str) -> tuple[str, ...]:
        """What the neighbouring cell may be: a kind that is not named again stands where the scan met it first."""
        reported = {place: name for name, place in self.things.items() if abs(place[0]) + abs(place[1]) == 1}
        if _WAYS[way] in reported:
            return (reported[_WAYS[way]],)
        order = list(_WAYS)
        return tuple(reported[_WAYS[one]] for one in order[: order.index(way)] if _WAYS[one] in reported)


def _offset(steps: int, vertical: str, horizontal: str) -> Cell:
    """Where a thing is, in the middle of where it can be: the text gives steps in all, and the quarter."""
    x, y = {"west": -1, "east": 1}.get(horizontal, 0), {"north": -1, "south": 1}.get(vertical, 0)
    across = (max(1, steps - _HIGH) + min(_WIDE, steps - 1) + 1) // 2 if x and y else steps
    return x * across, y * (steps - across if x else steps)


class Lookout:
    """Keeps, for one episode, where the player has been and what it saw from there."""

    def __init__(self) -> None:
        self.at: Cell = (_AREA // 2, _AREA // 2)
        self.facing = "south"
        self.last: Scene | None = None
        self.seen = [0] * _AREA
        """Of each row the cells seen, as bits."""
        self.lands: dict[str, dict[Cell, bool]] = {land: {} for land in _LANDS}
        """By place: whether that land was close by."""
        self.met: dict[str, dict[Cell, int]] = {source: {} for source in _SOURCES.values()}
        """Where each source was seen, and at which step."""
        self.plants: dict[Cell, int] = {}
        """Planted saplings and the steps they have grown."""

    def notices(self, view: View) -> list[str]:
        """What this step's notices are."""
        now = Scene(view.observation)
        if self.last is not None:
            self._follow(self.last, view.action or "", now)
        self.last = now
        if not now.asleep and now.things:
            self._see(now, view.step)
        for place in self.plants:
            self.plants[place] += self._steps(place) <= _BESIDE
        if now.asleep or not now.things:
            return []
        return [*self._unseen(), *self._needs(now, view.step), *self._ripe()]

    def _follow(self, before: Scene, action: str, now: Scene) -> None:
        way = action.removeprefix("Move ").lower()
        if way in _WAYS and not (before.asleep and now.asleep):
            self.facing = way
            if _moved(before, way, now):
                x, y = self._ahead()
                self.at = min(_AREA - 1, max(0, x)), min(_AREA - 1, max(0, y))
        planted = action == "Place Plant" and now.counts.get("sapling", 0) < before.counts.get("sapling", 0)
        eaten = action == "Do" and before.front == "plant" and now.counts.get("food", 0) > before.counts.get("food", 0)
        if planted or eaten:
            self.plants[self._ahead()] = 0

    def _ahead(self) -> Cell:
        x, y = _WAYS[self.facing]
        return self.at[0] + x, self.at[1] + y

    def _see(self, now: Scene, step: int) -> None:
        x, y = self.at
        bits = (((1 << 2 * _WIDE + 1) - 1) << x >> _WIDE) & (1 << _AREA) - 1
        for row in range(max(0, y - _HIGH), min(_AREA, y + _HIGH + 1)):
            self.seen[row] |= bits
        for land, known in self.lands.items():
            known[x // _APART, y // _APART] = now.distance(land) <= 3 or now.front == land
        for name, places in self.met.items():
            self._forget(places, now, name)
            if name in now.things:
                here = x + now.things[name][0], y + now.things[name][1]
                for other in [one for one in places if abs(one[0] - here[0]) + abs(one[1] - here[1]) <= 4]:
                    del places[other]  # the same one, as it has wandered, or as its place was guessed
                places[here] = step
                if len(places) > _PLACES:
                    del places[min(places, key=places.__getitem__)]
        self._forget(self.plants, now, "plant")

    def _forget(self, places: dict[Cell, int], now: Scene, name: str) -> None:
        """What would be in view, nearer than the nearest of its kind, is gone."""
        for place in list(places):
            across, down = abs(place[0] - self.at[0]), abs(place[1] - self.at[1])
            if across <= _WIDE and down <= _HIGH and across + down < now.distance(name):
                del places[place]

    def _unseen(self) -> Iterator[str]:
        """Where most is left to see for the way there, past each kind of land."""
        places = sorted(self._worth_seeing(), reverse=True)[:40]
        told = []
        for land in _LANDS:
            rated = [(score * (0.4 + self._share(land, place)), place) for score, place in places]
            if rated:
                told.append(f"past {land} {self._way(max(rated)[1])}")
        if told:
            yield f"Land not seen yet: {'; '.join(told)}."

    def _worth_seeing(self) -> Iterator[tuple[float, Cell]]:
        x, y = self.at
        ahead_x, ahead_y = _WAYS[self.facing]
        window = (1 << 2 * _WIDE + 1) - 1
        for place_x in range(5, _AREA - 3, _APART):
            for place_y in range(4, _AREA - 3, _APART):
                far = abs(place_x - x) + abs(place_y - y)
                if not 2 <= far <= _FAR:
                    continue
                rows = self.seen[place_y - _HIGH : place_y + _HIGH + 1]
                known = sum((row >> place_x - _WIDE & window).bit_count() for row in rows)
                new = (2 * _WIDE + 1) * (2 * _HIGH + 1) - known
                if new >= _WORTH_SEEING:
                    on = 1.2 if (place_x - x) * ahead_x + (place_y - y) * ahead_y > 0 else 1.0
                    yield on * new / (far + 6), (place_x, place_y)

    def _share(self, land: str, place: Cell) -> float:
        """How much of what was seen around a place was that land."""
        known, x, y = self.lands[land], place[0] // _APART, place[1] // _APART
        around = [known[cell] for dx in range(-3, 4) for dy in range(-3, 4) if (cell := (x + dx, y + dy)) in known]
        return (sum(around) + 0.3) / (len(around) + 1)

    def _needs(self, now: Scene, step: int) -> Iterator[str]:
        for vital, source in _SOURCES.items():
            value, places = now.counts.get(vital, 9), self.met[source]
            if value <= _LOW and places:
                place = min(places, key=self._steps)
                seen = f"{source} last seen {self._way(place)}, {step - places[place]} steps ago"
                yield f"{vital} is down to {value}: {seen}."

    def _ripe(self) -> Iterator[str]:
        for place, grown in self.plants.items():
            if grown > _RIPE:
                yield f"The plant {self._way(place)} is ripe: it can be eaten."

    def _steps(self, place: Cell) -> int:
        return abs(place[0] - self.at[0]) + abs(place[1] - self.at[1])

    def _way(self, place: Cell) -> str:
        x, y = place[0] - self.at[0], place[1] - self.at[1]
        parts = [f"{abs(x)} {'east' if x > 0 else 'west'}"] if x else []
        parts += [f"{abs(y)} {'south' if y > 0 else 'north'}"] if y else []
        return " and ".join(parts) or "here"


def _moved(before: Scene, way: str, now: Scene) -> bool:
    """Whether a step was taken: what stood there decides, else what stands in front now, else what has shifted."""
    names = before.beside(way)
    closed = sum(name not in _WALKED_ON for name in names)
    if names and closed in (0, len(names)):
        return not closed
    if now.front in _WALKED_ON or (names and now.front not in names):
        return True
    still = (before.things.keys() | now.things.keys()) - _CHANGING
    return any(before.things.get(name) != now.things.get(name) for name in still)

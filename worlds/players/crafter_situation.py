"""What one PLAN of the rule-based Crafter player knows, and how it asks about it."""

from dataclasses import dataclass

from worlds.players import coin
from worlds.players.crafter_notes import GUESS, Cell, Notes
from worlds.players.crafter_sight import DIRECTIONS, NOTHING, Notices, Sight

FAR = 99
"""Steps to what is not known anywhere."""
_DAY = 300
_DUSK, _DAWN, _MORNING = 150, 280, 340
"""Hours, in steps, at which zombies gather on grass, begin to leave, and have left (40 steps into the next day)."""


@dataclass(slots=True)
class Situation:
    """One observation, and the notes that could be recalled for it."""

    sight: Sight
    notes: Notes
    step: int
    facing: str | None
    lost: bool
    """No notes: position and past unknown, `notes` holds what is in view only."""
    notices: Notices = NOTHING

    def has(self, item: str) -> int:
        """How many of an item are carried."""
        return self.sight.has(item)

    def missing(self, goal: str) -> bool:
        """Whether the goal is not known to be reached."""
        return goal not in self.notes.goals

    def coin(self, sides: int, salt: str) -> int:
        """A number below `sides` that looks random and follows from the prompt alone."""
        seen = f"{salt} {self.step} {self.sight.front} {sorted(self.sight.vitals.items())}"
        return coin(sides, seen)

    @property
    def hour(self) -> int:
        """Steps into the day; the first hours of a morning count to the night before it."""
        hour = self.step % _DAY
        return hour + _DAY if hour < _MORNING - _DAY and self.step >= _DAY else hour

    @property
    def night(self) -> bool:
        """Whether zombies are many."""
        return _DUSK <= self.hour < _DAWN

    @property
    def evening(self) -> bool:
        """The hours before a night."""
        return _DUSK - 50 <= self.hour < _DUSK

    @property
    def dawn(self) -> bool:
        """The hours after a night, in which zombies are still about."""
        return self.hour >= _DAWN

    @property
    def left_of_night(self) -> int:
        """Steps until zombies begin to leave."""
        return _DAWN - self.hour

    @property
    def exposed(self) -> bool:
        """Night, and grass near enough for zombies to come from."""
        return self.night and self.sight.distance("grass") <= 4

    def cell(self, direction: str) -> Cell:
        """The neighbouring cell."""
        x, y = DIRECTIONS[direction]
        return self.notes.at[0] + x, self.notes.at[1] + y

    def names(self, direction: str) -> tuple[str, ...]:
        """What the neighbouring cell may be: what is faced, what is reported, what was walked on before."""
        names = self.sight.around[direction]
        front = self.sight.front
        if direction == self.facing and (front in names or (not names and front != "nothing")):
            return (front,)
        if len(names) > 1 and not self.lost and self.cell(direction) in self.notes.trail:
            return tuple(name for name in names if name != "lava") or names
        return names

    def offset(self, name: str) -> Cell | None:
        """(x, y) steps to the nearest thing of that kind, in view or in the notes; None when none is known."""
        thing = self.sight.things.get(name)
        if thing:
            return thing.x, thing.y
        x, y = self.notes.at
        best, best_distance = None, FAR
        for cell, kind in self.notes.marks.items():
            if kind.removesuffix(GUESS) == name:
                distance = abs(cell[0] - x) + abs(cell[1] - y)
                if distance < best_distance:
                    best, best_distance = (cell[0] - x, cell[1] - y), distance
        return best

    def distance(self, name: str) -> int:
        """Steps to the nearest thing of that kind, in view or in the notes; FAR when none is known."""
        offset = self.offset(name)
        return abs(offset[0]) + abs(offset[1]) if offset else FAR

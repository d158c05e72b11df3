"""What one PLAN of the rule-based player of the dungeons knows."""

from dataclasses import dataclass
from functools import cached_property

from worlds.map_reading import STEPS, Place
from worlds.players import coin
from worlds.players.dungeon_notes import Notes
from worlds.players.dungeon_paths import Ground, index
from worlds.players.dungeon_sight import Sight

DANGEROUS = ("floating eye", "blue jelly", "brown mold", "yellow mold", "green mold", "red mold",
             "spotted jelly", "gas spore", "shopkeeper", "watchman", "watch captain", "guard", "priest", "Oracle",
             "nymph", "aligned priest", "quest guardian")  # fmt: skip
"""Creatures it never attacks: touching them harms more than it helps, or they are harmless."""

COUNT = ("2", "0")
"""Digits typed before `search`: twenty turns at once."""
_NEAR = 7
"""Steps within which a creature is company."""


@dataclass
class Situation:
    """One observation, the notes that could be recalled for it, and the action before."""

    sight: Sight
    notes: Notes
    step: int
    sent: str
    """The action sent last; empty at the first step."""
    nudged: bool
    """Whether a notice says that the player repeats itself."""

    @property
    def at(self) -> Place:
        """Where the player is."""
        assert self.sight.at is not None
        return self.sight.at

    @property
    def clock(self) -> int:
        """The game's turn; where the status line shows none, the step."""
        return self.step if self.sight.turn is None else self.sight.turn

    @property
    def full(self) -> bool:
        """Whether the game offers all commands: MiniHack's tasks without a clock offer few."""
        return self.sight.turn is not None

    @cached_property
    def ground(self) -> Ground:
        """The level, with what the notes add."""
        walked = set(self.notes.walked)
        if not self.notes.kept and self.sent in STEPS:  # the step before is all one knows
            dx, dy = STEPS[self.sent]
            walked.add(Place(self.at.x - dx, self.at.y - dy))
        return Ground(self.sight.seen, walked, self._barred())

    @cached_property
    def locked(self) -> list[Place]:
        """Doors known to be locked that are still there."""
        return [door for door in self.notes.locked if self.sight.seen.at(*door) == "+"]

    def _barred(self) -> set[Place]:
        barred = set(self.locked)
        for direction, name in self.sight.seen.beside.items():
            immovable = direction in self.sight.creatures and not self.hostile(name) and not name.startswith("tame ")
            if immovable or name.endswith(" statue"):
                dx, dy = STEPS[direction]
                barred.add(Place(self.at.x + dx, self.at.y + dy))
        return barred

    @cached_property
    def vain(self) -> frozenset[tuple[int, str]]:
        """(place's number, direction) of steps known to do nothing."""
        return frozenset((index(place), action) for place, action in self.notes.vain)

    def hostile(self, name: str) -> bool:
        """Whether a creature of that name is to be fought."""
        if name.startswith(("tame ", "peaceful ")) or any(known in name for known in DANGEROUS):
            return False
        return name not in self.notes.peaceful

    @cached_property
    def threats(self) -> list[str]:
        """Directions of the creatures next to the player that are to be fought."""
        creatures = self.sight.creatures
        return [
            way
            for way, name in creatures.items()
            if self.hostile(name) and (self.at, f"fight {way}") not in self.notes.vain
        ]

    @cached_property
    def company(self) -> bool:
        """Whether something that may be hostile is in view within some steps."""
        if len(self.sight.seen.monsters) <= self.sight.harmless:
            return False
        x, y = self.at
        known = {
            Place(x + STEPS[way][0], y + STEPS[way][1])
            for way, name in self.sight.creatures.items()
            if not self.hostile(name)
        }
        monsters = self.sight.seen.monsters
        return any(at not in known and max(abs(at.x - x), abs(at.y - y)) <= _NEAR for at, _ in monsters)

    def heal(self) -> str:
        """Search twenty turns, where that is safe: wounds heal meanwhile. Empty where it is not."""
        quiet = not self.company and not self.sight.hunger and "You stop searching" not in self.sight.message
        return COUNT[0] if self.full and quiet else ""

    def coin(self, sides: int, salt: str) -> int:
        """A number below `sides` that looks random and follows from the prompt alone."""
        return coin(sides, f"{salt} {self.step} {self.sight.at}")

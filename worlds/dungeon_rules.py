"""The order in which the rule-based player of the dungeons weighs what to do: stay alive, go down, explore, search."""

from collections.abc import Callable

from worlds.dungeon_answers import answer, food
from worlds.dungeon_exploring import cross, descend, explore, force, roam, seek, shake, venture, wander
from worlds.dungeon_paths import EASY
from worlds.dungeon_situation import COUNT, Situation

_PRAYER_EVERY = 800
"""Turns after which the gods answer again, most times."""
_FIRST_PRAYER = 110
"""The turn from which they answer at all: their patience starts at 300, and 200 is enough for who is in need."""
_RETREAT = 20
"""Steps a corridor may be away to withdraw to it."""


def choose(now: Situation) -> str:
    """The action to send."""
    answered = answer(now.sight, now.sent)
    if answered:
        return answered
    if now.full and now.sent in COUNT:
        return "0" if now.sent == "2" else "search"
    if now.sight.at is None:
        return "esc" if now.full else "north"
    return next(filter(None, (rule(now) for rule in _RULES)), "") or wander(now)


def recover(now: Situation) -> str:
    """Pray when life is short and the last prayer long ago; without a note of one, as if there had been none."""
    sight = now.sight
    low = sight.hp < 6 or sight.hp * 7 < sight.max_hp
    if not now.full or not (low or sight.hunger in ("Weak", "Fainting", "Fainted")):
        return ""
    if not low and food(sight.inventory):
        return ""
    last = now.notes.prayed
    if last is None:
        return "pray" if now.clock > _FIRST_PRAYER else ""
    return "pray" if now.clock > last + _PRAYER_EVERY else ""


def flee(now: Situation) -> str:
    """Down the stairs one stands on, when something bites and life is short."""
    weak = now.sight.hp * 3 < now.sight.max_hp
    return "down" if now.full and weak and now.threats and now.at in now.notes.stairs_down else ""


def fight(now: Situation) -> str:
    """Move into what is hostile and adjacent, straight before diagonally."""
    return min(now.threats, key=lambda way: len(way), default="")


def withdraw(now: Situation) -> str:
    """Into a corridor, where only one can bite at a time, when several do."""
    if len(now.threats) < 2 or now.ground.is_narrow(now.ground.start):
        return ""
    way = now.ground.way(now.ground.is_narrow, EASY, now.vain)
    return way.steps[0] if way and len(way.steps) <= _RETREAT else ""


def eat(now: Situation) -> str:
    """Eat when hungry, if there is something."""
    return "eat" if now.full and now.sight.hunger and food(now.sight.inventory) and not now.threats else ""


def rest(now: Situation) -> str:
    """Search twenty turns at a time until wounds have half healed, when nothing is near."""
    return now.heal() if now.sight.hp * 2 < now.sight.max_hp else ""


_RULES: tuple[Callable[[Situation], str], ...] = (
    recover, flee, withdraw, fight, eat, rest, shake, descend, roam, explore, cross, force, venture, seek,
)  # fmt: skip

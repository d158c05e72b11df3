"""How the rule-based player of the dungeons answers what the game asks: one key per step, all of it in the prompt."""

import re

from worlds.map_reading import STEPS, Place
from worlds.players.dungeon_sight import Sight

FOOD = ("lembas", "cram", "food ration", "K-ration", "C-ration", "pancake", "fortune cookie", "candy bar", "cream pie",
        "melon", "orange", "pear", "apple", "banana", "carrot", "gunyoki", "slime mold", "kelp", "lump of royal jelly",
        "tripe", "clove of garlic", "sprig of wolfsbane", "egg", "tin")  # fmt: skip
"""What it eats, the best first; a corpse it never eats."""
_CHOICES = re.compile(r"\[([^\]]*?)(?: or \?\*)?\]")


def answer(sight: Sight, sent: str) -> str:
    """The key that goes on with what was asked; empty where nothing waits for an answer."""
    message = sight.message
    if "In what direction" in message:
        return _direction(sight, sent)
    if "Where do you want to travel to" in message:
        return "down"
    if "staircase down" in message and sent == "down":
        return "wait"
    if "Can't find dungeon feature" in message or "Can't find" in message:
        return "esc"
    if "What do you want to" in message:
        return _item(sight) or no(sight)
    if re.search(r"\[[yn]+q?\]|\[yn", message):
        return _yes_or_no(sight)
    if sight.page:
        return "esc" if sight.turn is not None else ""
    return ""


def no(sight: Sight) -> str:
    """The way to say no: `esc`, and where a task has no such name, the direction whose key is n."""
    return "esc" if sight.turn is not None else "southeast"


def _yes_or_no(sight: Sight) -> str:
    message = sight.message
    if "Improvise" in message:
        return "y"
    if "want to pray" in message or message.startswith("Pay"):
        return "y"
    if "Really attack" in message:
        return no(sight)
    return "n" if sight.turn is not None else "southeast"


def _direction(sight: Sight, sent: str) -> str:
    doors = [way for way, name in sight.seen.beside.items() if "closed door" in name and way in STEPS]
    if sent == "kick" and doors:
        return doors[0]
    lava = lava_in_line(sight)
    if lava:
        return lava
    return doors[0] if doors else no(sight)


def _item(sight: Sight) -> str:
    """The letter of the best thing to eat or to zap among those the game offers."""
    choices = _CHOICES.search(sight.message)
    letters = choices[1] if choices else ""
    offered = {key: name for key, name in sight.inventory.items() if key in letters or "-" in letters}
    if "to eat" in sight.message:
        return food(offered)
    if "to zap" in sight.message:
        return next((key for key, name in offered.items() if "wand" in name), "")
    return ""


def food(inventory: dict[str, str]) -> str:
    """The letter of the best food; empty without any."""
    for kind in FOOD:
        for key, name in inventory.items():
            if kind in name and "corpse" not in name and not (kind == "tin" and "opener" in name):
                return key
    return ""


def lava_in_line(sight: Sight) -> str:
    """The direction in which lava or water lies ahead, over free ground, within six steps."""
    seen = sight.seen
    at = seen.player or _lone(sight)
    if at is None:
        return ""
    for way in ("east", "west", "north", "south"):
        dx, dy = STEPS[way]
        for i in range(1, 7):
            symbol = seen.at(at.x + i * dx, at.y + i * dy)
            if symbol == "}":
                return way
            if symbol not in ".#<":
                break
    return ""


def _lone(sight: Sight) -> Place | None:
    found = sight.seen.find("@")
    return found[0] if len(found) == 1 else None

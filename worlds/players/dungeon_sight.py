"""What a prompt of a world on NetHack's engine shows, read back into facts: map, status, message, question, inventory.

Nothing here remembers or decides; what a text does not hold is absent.
"""

import re
from dataclasses import dataclass
from functools import cached_property

from worlds.map_reading import STEPS, Map, Place, read_map

_MAP = "\nmap:\n"
_SCREEN_LINES = 23
_LEVEL = re.compile(r"\bDlvl:(\d{1,2})\b")
_TURN = re.compile(r"\bT:(\d{1,7})\b")
_HP = re.compile(r"\bHP:(\d{1,5})\((\d{1,5})\)")
_HUNGER = re.compile(r"\b(Hungry|Weak|Faint\w*)\b")
_ITEM = re.compile(r"^([a-zA-Z]): (.+)$", re.MULTILINE)
_HARMLESS = re.compile(r"^(?:tame .*|.* statues? .*)$", re.MULTILINE)
_MORE = "--More--"
"""Written at a line's end it can run over into the next, where nothing else finds it."""
_AND = re.compile(r",? and |, ")
_ASKED = re.compile(r"\? \[|\[yn|^(?:In what direction|Where do you want|What do you want|Pay\b)", re.MULTILINE)


@dataclass(frozen=True)
class Sight:
    """One observation, as much of it as a decision needs."""

    seen: Map
    level: str
    """`D03` for Dlvl 3, `D00` where the status line names no such level."""
    turn: int | None
    """The game's clock; MiniHack's status line shows none."""
    message: str
    hp: int
    max_hp: int
    hunger: str
    """Empty, Hungry, Weak or Faint…"""
    inventory: dict[str, str]
    role: str
    """What the cursor line calls the player."""
    page: bool
    """Whether a menu or a page of text waits, which may lie over the map."""
    harmless: int
    """How many pets and statues are in view, which the map draws as creatures."""

    @property
    def at(self) -> Place | None:
        """Where the player is."""
        return self.seen.player

    @property
    def asked(self) -> bool:
        """Whether the game waits for an answer."""
        return _ASKED.search(self.message) is not None

    @cached_property
    def creatures(self) -> dict[str, str]:
        """Direction -> name of every creature next to the player, pets too, statues not."""
        if self.seen.player is None:
            return {}
        x, y = self.seen.player
        found = {}
        for direction, (dx, dy) in STEPS.items():
            name = self.seen.beside.get(direction, "")
            symbol = self.seen.at(x + dx, y + dy)
            if name and not name.endswith(("statue", "corpse")) and (symbol.isalpha() or symbol in "@&;:'~"):
                found[direction] = name
        return found


def read_sight(text: str) -> Sight | None:
    """The facts of an observation's text (long, then short) in a prompt; None where it shows no map."""
    begin, drawn = text.find("message:\n"), text.find(_MAP)
    if begin < 0 or drawn < begin:
        return None
    lines = text[drawn + len(_MAP) :].split("\n", _SCREEN_LINES)
    if len(lines) <= _SCREEN_LINES:
        return None
    screen = "\n".join(lines[:_SCREEN_LINES])
    seen = read_map(f"{text[begin:drawn]}{_MAP}{screen}\n\n")
    message = text[begin:drawn].partition("message:\n")[2].partition("\n\nlanguage observation:")[0].strip()
    level, turn = _LEVEL.search(screen), _TURN.search(screen)
    hp = _HP.search(screen)
    hunger = _HUNGER.search(lines[_SCREEN_LINES - 1])
    role = re.search(r"cursor:\nYourself an? ([^\n]+)", text)
    return Sight(
        seen=seen,
        level=f"D{int(level[1]):02}" if level else "D00",
        turn=int(turn[1]) if turn else None,
        message=message,
        hp=int(hp[1]) if hp else 1,
        max_hp=int(hp[2]) if hp else 1,
        hunger=hunger[1] if hunger else "",
        inventory=dict(_ITEM.findall(lines[_SCREEN_LINES])),
        role=role[1] if role else "",
        page=seen.covered or _MORE in f"{message[-9:]}{lines[0]}{lines[1]}".replace(" ", ""),
        harmless=sum(1 + len(_AND.findall(line)) for line in _HARMLESS.findall(text[begin:drawn])),
    )

"""What a NetHack player can press: BALROG's names for keys, each with one line of help.

Commands that ask something ("In what direction?", "What do you want to eat? [fg or ?*]") are answered by the next
action: a direction's name, a letter, a digit. The names and keys are in nethack_actions.json; letters and digits, each
its own key, follow them here.

Two things differ from BALROG. It lists six names it then refuses (annotate, overview, teleport, travel, minus, apos):
all six are accepted here. It accepts the two-digit numbers 00 to 99 and breaks when one is played: here a number is
typed digit by digit. What it accepts without listing it (adjust, chat, …) is listed here.
"""

import json
import string
from collections.abc import Container
from functools import cache
from pathlib import Path

from worlds.world import Actions

_DATA = Path(__file__).with_name("nethack_actions.json")

MORE_KEY = 13
"""Shows the next page of a message."""


@cache
def keys() -> dict[str, int]:
    """The key of every name, in the order names are listed."""
    return {name: key for name, key, _ in _table()} | {letter: ord(letter) for letter in _LETTERS}


def actions(default: str, accepted: Container[int] | None = None, first: tuple[str, ...] = ()) -> Actions:
    """The names whose keys are among the `accepted` (all without it), those of `first` before the others."""
    helps = {name: text for name, _, text in _table()} | dict.fromkeys(_LETTERS, "")
    names = [name for name, key in keys().items() if accepted is None or key in accepted]
    return Actions({name: helps[name] for name in (*first, *(name for name in names if name not in first))}, default)


def only(names: tuple[str, ...], default: str) -> Actions:
    """These names and no others."""
    return actions(default, accepted=(), first=names)


_LETTERS = string.ascii_letters + string.digits


@cache
def _table() -> tuple[tuple[str, int, str], ...]:
    return tuple((name, key, text) for name, key, text in json.loads(_DATA.read_text(encoding="utf-8")))

"""BALROG's words for NetHack's glyphs: what each of the 5,976 ids is called, on the whole map and along a ray.

Names of monsters and objects are the game's own tables, read through nle; the other words are in nethack_words.json. An
object is called by its type's own description, not by the one the game shuffled for this episode: that is BALROG's way.
"""

import json
import re
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

_DATA = Path(__file__).with_name("nethack_words.json")


class Words(NamedTuple):
    """What glyph ids are called."""

    text: tuple[str, ...]
    """The word of each id, empty for none, as cursor texts use it."""
    seen: NDArray[np.bool_]
    """Ids that are listed wherever on the map they are."""
    ray: tuple[str, ...]
    """The word of each id on a ray from the player; empty where it is not listed there."""
    stop: tuple[bool, ...]
    """Ids that end a ray."""


@cache
def words() -> Words:
    """The words of all ids, made once per process. ImportError without nle."""
    data = json.loads(_DATA.read_text(encoding="utf-8"))
    text = _full_words(data)
    ray, stop = [""] * len(text), [False] * len(text)
    for i, (word, how) in enumerate(data["features"], start=_feature_start()):
        if how in ("ray", "stop"):
            ray[i], stop[i] = word, how == "stop"
    return Words(tuple(text), np.array([word != "" for word in text]), tuple(ray), tuple(stop))


def _feature_start() -> int:
    from nle import nethack

    return int(nethack.GLYPH_CMAP_OFF)


def _full_words(data: dict[str, Any]) -> list[str]:
    """In the order of the ids, which is the order of the groups below."""
    from nle import nethack

    names = [nethack.permonst(i).mname for i in range(nethack.NUMMONS)]
    found = [
        *names,
        *(f"tame {name}" for name in names),
        "invisible creature",
        *(f"detected {name}" for name in names),
        *(f"{name} corpse" for name in names),
        *(f"ridden {name}" for name in names),
        *_object_words(),
        *(word if how == "seen" else "" for word, how in data["features"]),
        *(data["explosion"] * (nethack.NUM_ZAP - 1)),
        *(word for _ in range(nethack.NUM_ZAP) for word in data["zap"]),
        *(word for _ in names for word in data["swallow"]),
        *data["warning"],
        *(f"{name} statue" for name in names),
    ]
    if len(found) != nethack.MAX_GLYPH:
        raise RuntimeError(f"nle has {nethack.MAX_GLYPH} glyphs, the words are for {len(found)}: install nle 1.3.0.")
    return found


def _object_words() -> list[str]:
    from nle import nethack

    forms: dict[int, Callable[[str, str], str]] = {
        nethack.ARMOR_CLASS: lambda name, look: look or name,
        nethack.TOOL_CLASS: lambda name, look: look or name,
        nethack.RING_CLASS: lambda name, look: f"{look} ring",
        nethack.POTION_CLASS: lambda name, look: f"{look} potion",
        nethack.SPBOOK_CLASS: lambda name, look: f"{look} spellbook",
        nethack.WAND_CLASS: lambda name, look: f"{look} wand",
        nethack.AMULET_CLASS: lambda name, look: look if "Amulet" in look else f"{look} amulet",
        nethack.FOOD_CLASS: lambda name, look: name + look,
        nethack.SCROLL_CLASS: lambda name, look: f"scroll labeled {look}",
        nethack.GEM_CLASS: lambda name, look: name if look in name else f"{look} {name}",
        nethack.VENOM_CLASS: lambda name, look: f"splash of {name}",
    }
    found = []
    for i in range(nethack.NUM_OBJECTS):
        kind, described = ord(nethack.objclass(i).oc_class), nethack.objdescr.from_idx(i)
        name, look = described.oc_name or "", described.oc_descr or ""
        found.append(forms[kind](name, look) if kind in forms else name)
    return found


_PLURALS = (
    (r"(boots|shoes|scales|lenses|bars)$", r"\1"),
    (r"^can of grease$", "cans of grease"),
    (r"^Master of Thieves$", "Masters of Thieves"),
    (r"^ice$", "area of ice"),
    (r"^lava$", "area of lava"),
    (r"^(boom|shield|swallow|scroll|worthless piece|unknown creature)(?= )", r"\1s"),
    (r"(?<![aeiou])y$", "ies"),
    (r"(z|x|sh|ss)$", r"\1es"),
    (r"ff?$", "ves"),
    (r"s$", "ses"),
    (r"$", "s"),
)
"""(what it matches, what takes its place), first match wins. No irregular plurals of English: watchman, watchmans."""


@cache
def plural(word: str) -> str:
    """BALROG's plural of a word.

    >>> plural("dwarf"), plural("newt corpse"), plural("scroll labeled NR 9"), plural("low boots")
    ('dwarves', 'newt corpses', 'scrolls labeled NR 9', 'low boots')
    """
    for pattern, instead in _PLURALS:
        changed, matches = re.subn(pattern, instead, word, count=1)
        if matches:
            return changed
    return word

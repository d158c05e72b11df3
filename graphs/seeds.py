"""Seeds drawn by chance: always the same for the same words, and none that is taken."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Collection

LEAST, BEYOND = 100_000, 2**31
"""Drawn seeds are far from those that people and protocols name."""


def draw_seeds(words: str, count: int, taken: Collection[int]) -> list[int]:
    """So many seeds in ascending order; `words` say what for, such as "0/v1.a2"."""
    chance = random.Random(int.from_bytes(hashlib.sha256(words.encode()).digest(), "big"))
    drawn: set[int] = set()
    while len(drawn) < count:
        seed = chance.randrange(LEAST, BEYOND)
        if seed not in taken:
            drawn.add(seed)
    return sorted(drawn)

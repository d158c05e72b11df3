"""NetHack's observations as text, equal to BALROG's hybrid ones: message, surroundings, cursor, map; inventory.

Three wordings of distances: `numeric`, the default, says how many steps they are; `balrog` has BALROG's words; `paper`
has the paper's numbers, which do not fit BALROG's words and stand in for them in messages, map and inventory too.
"""

import re
from enum import StrEnum
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from worlds.nethack_screen import screen_text, top_message
from worlds.nethack_surroundings import BANDS, DIRECTIONS, surroundings, under_cursor
from worlds.world import Observation


class Wording(StrEnum):
    """How distances are told."""

    NUMERIC = "numeric"
    BALROG = "balrog"
    PAPER = "paper"


NUMERIC_BANDS = ("20+ steps away", "6-19 steps away", "3-5 steps away", "2 steps away", "1 step away")
"""What `BANDS` are in steps, diagonal ones included."""

_PAPER: dict[str, str] = {
    **dict(
        zip(
            BANDS,
            (
                *("9+ steps away", "5-8 steps away", "3-4 steps away", "2 steps away"),
                "1 step away (directly reachable)",
            ),
            strict=True,
        )
    ),
    **{
        name: f"between {name.removesuffix(end)} and {end}"
        for name in DIRECTIONS
        for end in ("northeast", "southeast", "southwest", "northwest")
        if name.endswith(end) and name != end
    },
}
_PAPER_WORDS = re.compile(rf"\b({'|'.join(_PAPER)})\b")


class Screen(NamedTuple):
    """What the game shows at one moment: nle's arrays, C-contiguous."""

    glyphs: NDArray[np.int16]
    """Shape (21, 79)."""
    blstats: NDArray[np.int64]
    """Shape (27,): the bottom lines' figures, from which only the player's column and row are taken here."""
    tty_chars: NDArray[np.uint8]
    """Shape (24, 80): the terminal, latin-1."""
    tty_cursor: NDArray[np.uint8]
    """(row, column)."""
    inv_strs: NDArray[np.uint8]
    """Shape (55, 80): a name per item, each ended by a zero byte."""
    inv_letters: NDArray[np.uint8]
    """Shape (55,), zero where there is no item."""


def observation(screen: Screen, wording: Wording = Wording.NUMERIC, message: str | None = None) -> Observation:
    """The text of a moment; `message` stands in for the screen's own where pages were joined (`joined`)."""
    bands = NUMERIC_BANDS if wording is Wording.NUMERIC else BANDS
    x, y = int(screen.blstats[0]), int(screen.blstats[1])
    row, column = screen.tty_cursor.tolist()
    text = screen_text(screen.tty_chars)
    if message is None:
        message = top_message(text)
    grid = "".join([text[start : start + 80] + "\n" for start in range(80, len(text), 80)])
    long = (
        f"message:\n{message}\n\n"
        f"language observation:\n{surroundings(screen.glyphs, x, y, bands)}\n\n"
        f"cursor:\n{under_cursor(screen.glyphs, x, y, (row, column), bands)}\n(x={column}, y={row})\n\n"
        f"map:\n{grid}\n"
    )
    short = f"inventory:\n{inventory(screen)}\n"
    if wording is Wording.PAPER:
        long, short = _PAPER_WORDS.sub(_on_paper, long), _PAPER_WORDS.sub(_on_paper, short)
    return Observation(long=long, short=short)


def _on_paper(found: re.Match[str]) -> str:
    return _PAPER[found[0]]


def inventory(screen: Screen) -> str:
    """A line per item, "a: a +1 long sword (weapon in hand)"."""
    letters = screen.inv_letters.tobytes().partition(b"\0")[0].decode("latin-1")
    width = screen.inv_strs.shape[1]
    names = screen.inv_strs[: len(letters)].tobytes().decode("latin-1")
    items = [names[start : start + width].partition("\0")[0] for start in range(0, len(names), width)]
    return "\n".join([f"{letter}: {item}" for letter, item in zip(letters, items, strict=True)])

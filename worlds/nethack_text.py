"""NetHack's observations as text, equal to BALROG's hybrid ones: message, surroundings, cursor, map; inventory.

The message is read from the top of the terminal, over as many rows as it takes; pages are joined into one message.

Three wordings of distances: `numeric`, the default, gives the number of steps; `balrog` has BALROG's words; `paper`
has the paper's numbers, which do not fit BALROG's words and replace them in messages, map and inventory too.
"""

from __future__ import annotations

import re
from enum import StrEnum
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from worlds.nethack_surroundings import BANDS, DIRECTIONS, surroundings, under_cursor
from worlds.world import Observation

WIDTH, HEIGHT = 80, 24
MORE = "--More--"
"""The end of a page: the game waits for a key."""

_BLANK = " \x1a"


def screen_text(tty_chars: NDArray[np.uint8]) -> str:
    """The terminal's 24 rows of 80 characters as one string of 1,920, latin-1."""
    return tty_chars.tobytes().decode("latin-1")


def top_message(text: str) -> str:
    """The message on a screen (`screen_text`), its rows joined by newlines; empty if there is none.

    Rows are taken up to the one that ends a page or a menu. Without such a row only the first is a message. Where only
    the first row is blank, as on some last screens of a game, every row is read one character early, and what precedes
    the first is U+0000: BALROG does so, and so do its published observations.
    """
    first, second = trimmed(text[:WIDTH]), trimmed(text[WIDTH : 2 * WIDTH])
    if not first and not second:
        return ""
    dead = "Points" in second or "list!" in second
    indent = WIDTH - len(text[:WIDTH].lstrip(" "))
    early = 0
    if indent == WIDTH:
        text, indent, early = "\0" + text, 0, 1
    message = ""
    blank = 0
    for start in range(0, WIDTH * HEIGHT, WIDTH):
        row = trimmed(text[start + indent : start + early + WIDTH])
        if not row:
            blank += 1
            if dead and blank > 1:
                return message
            continue
        message += row
        if _ends_page(row):
            return message
        message += "\n"
        blank = 0
    return first


def _ends_page(row: str) -> bool:
    if MORE in row or "(end)" in row:
        return True
    at = row.find(" of ")
    return at >= 2 and row[at - 2] == "(" and row[at + 5 : at + 6] == ")"  # "(1 of 2)", figures of one digit


def trimmed(row: str) -> str:
    """A row without the blanks at its ends; empty too when all it has is its very last character."""
    kept = row.lstrip(_BLANK)
    return "" if len(kept) == 1 and len(row) > 0 else kept.rstrip(_BLANK)


def joined(message: str, following: str) -> str:
    """The message of a page and that of the page after it as one."""
    return message.replace(MORE, "\n") + following


class Wording(StrEnum):
    """How distances are worded."""

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
    """What the game shows: nle's arrays, C-contiguous."""

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
    """The text of a screen; `message` replaces the screen's own where pages were joined (`joined`)."""
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

"""What NetHack's terminal says: the message at its top, over as many rows as it takes, and pages joined into one."""

import numpy as np
from numpy.typing import NDArray

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
    said = ""
    blank = 0
    for start in range(0, WIDTH * HEIGHT, WIDTH):
        row = trimmed(text[start + indent : start + early + WIDTH])
        if not row:
            blank += 1
            if dead and blank > 1:
                return said
            continue
        said += row
        if _ends_page(row):
            return said
        said += "\n"
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

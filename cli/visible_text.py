"""Text that models, servers and worlds wrote, made safe to print: nothing in it can steer the terminal.

Control characters (and with them every escape sequence), bidirectional overrides, invisible and unassigned characters
are shown in place of being sent. Markup of our own libraries is no concern here: what this returns goes into
`rich.text.Text`, which reads none.
"""

from __future__ import annotations

import unicodedata

MOST = 4_000
"""Characters shown of one text by default: more than a screen holds."""

MARKS = 2
"""Combining marks that may follow one character; writing systems need no more, a pile of them covers other lines."""

_DROPPED = {"\ufe0e", "\ufe0f"}
"""Emoji style selectors, harmless and common; terminals disagree about the width of what bears them."""


def visible(text: str, most: int = MOST) -> str:
    """The first `most` characters, tabs as spaces, lines kept, all that is not printable shown: ␛, <U+202E>."""
    cut = text[:most]
    if not (cut.isascii() and cut.isprintable()):
        cut = _shown(cut.replace("\r\n", "\n"))
    return cut if len(text) <= most else cut + "…"


def one_line(text: str, most: int) -> str:
    """The same on one line of about `most` characters: white space of any kind becomes one space."""
    head = text[: 4 * most]
    line = visible(" ".join(head.split()), most)
    return line if len(head) == len(text) or line.endswith("…") else line + "…"


def _shown(text: str) -> str:
    shown: list[str] = []
    marks = MARKS  # a mark needs a character to sit on
    for character in text:
        if character.isascii():
            marks = 0
            shown.append(character if character.isprintable() or character == "\n" else _named(character))
            if character == "\n":
                marks = MARKS
        elif unicodedata.category(character) in ("Mn", "Me"):
            marks += 1
            if character not in _DROPPED:
                shown.append(character if marks <= MARKS else _named(character))
        else:
            marks = 0
            shown.append(character if character.isprintable() else _named(character))
    return "".join(shown)


def _named(character: str) -> str:
    code = ord(character)
    if character == "\t":
        return "    "
    if code < 0x20:
        return chr(0x2400 + code)  # Unicode's pictures of control characters
    if code == 0x7F:
        return "␡"
    if unicodedata.category(character) == "Zs":
        return " "
    return f"<U+{code:04X}>"

"""Texts of a trace as a reviewer is shown them: worlds and models wrote these, and none may pass for ours.

A quoted line starts with a bar, so that no text of a trace can forge a heading. Control characters and halves of
characters, which providers refuse, are shown as \\\\u001b.
"""

from __future__ import annotations

import re

_UNSEEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff]")


def readable(text: str) -> str:
    """The text with what cannot be seen, or steers what shows it, written as an escape. Lines and tabs stay."""
    return _UNSEEN.sub(lambda found: f"\\u{ord(found.group()):04x}", text)


def quoted(text: str) -> str:
    """The text with a bar before each line."""
    return "\n".join(f"| {line}" for line in readable(text).split("\n"))


def one_line(text: str, most: int = 160) -> str:
    """The text in quotation marks on one line of about `most` characters; what is left out is counted."""
    line = " ".join(readable(text[: 4 * most]).split())
    if len(line) <= most and len(text) <= 4 * most:
        return f'"{line}"'
    return f'"{line[:most]}…" ({len(text):,} characters)'


def around(text: str, words: str, most: int = 160) -> str:
    """One line of about `most` characters around the first place where `words` stand, A-Z in either case."""
    at = text.lower().find(words.lower()) if words else 0
    start = max(0, at - most // 3)
    shown = one_line(text[start : start + most], most)[1:-1]
    before, after = "…" if start else "", "…" if start + most < len(text) else ""
    return f'"{before}{shown}{after}"'

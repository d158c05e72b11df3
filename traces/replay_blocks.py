"""The pieces of a replay page: each holds a stretch of an episode, and is unpacked only when it is looked at."""

from __future__ import annotations

import zlib
from base64 import b64encode
from collections.abc import Iterator
from typing import Any, Protocol

from traces.plain_json import dump


class Stream(Protocol):
    """One kind of data of an episode, piece by piece."""

    def blocks(self) -> Iterator[bytes]:
        """Yield the pieces in order; once."""
        ...

    def head(self) -> dict[str, Any]:
        """Return what the page has to know before it unpacks any piece. To be called once all pieces were taken."""
        ...


def packed(value: Any) -> bytes:
    """Return plain data as a piece: JSON, deflated."""
    deflate = zlib.compressobj(6, zlib.DEFLATED, -15)
    return deflate.compress(dump(value)) + deflate.flush()


def written(piece: bytes) -> str:
    """Return a piece as it is in the page: letters, digits, `+`, `/` and `=`, which cannot end a script block."""
    return b64encode(piece).decode()


class TextTable:
    """The texts of one piece, each kept once, as lines that are kept once.

    A text is a list of differences between the numbers of its lines: what is read again and again, such as a growing
    list of notes, is written nearly the same way each time, and deflates well.
    """

    def __init__(self) -> None:
        self._lines: dict[str, int] = {}
        self._numbers: dict[str, int] = {}
        self._texts: list[list[int]] = []
        self.size = 0
        """Characters of the lines kept."""

    def add(self, text: str) -> int:
        """Return the number of a text in this piece."""
        number = self._numbers.get(text)
        if number is None:
            number = self._numbers[text] = len(self._texts)
            before, differences = 0, []
            for line in text.split("\n"):
                at = self._lines.get(line)
                if at is None:
                    at = self._lines[line] = len(self._lines)
                    self.size += len(line)
                differences.append(at - before)
                before = at
            self._texts.append(differences)
        return number

    def plain(self) -> dict[str, Any]:
        """Return the table as plain data: lines, and the texts made of them."""
        return {"lines": list(self._lines), "texts": self._texts}

"""A text cut down by leaving parts out, that still knows which bytes of the original each part of it is.

Nothing can be added: what a `Cut` reads is a concatenation of pieces of the original, so a training example made of
cuts holds no word that the model did not write.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

Span = tuple[int, int]
"""Start and end in the original: characters in a `Cut`, bytes of its UTF-8 form in a certificate."""


@dataclass(frozen=True, slots=True)
class Cut:
    """An original text and the spans of it that are left, in order, in characters."""

    original: str
    spans: tuple[Span, ...]

    @classmethod
    def whole(cls, text: str) -> Cut:
        """All of a text."""
        return cls(text, ((0, len(text)),) if text else ())

    @property
    def text(self) -> str:
        """What is left."""
        return "".join(self.original[start:end] for start, end in self.spans)

    def without(self, start: int, end: int) -> Cut:
        """Leave out the characters `start` to `end` of what is left so far."""
        kept: list[Span] = []
        at = 0  # where this span begins in what is left so far
        for first, last in self.spans:
            length = last - first
            for low, high in ((0, min(max(start - at, 0), length)), (min(max(end - at, 0), length), length)):
                if low < high:
                    kept.append((first + low, first + high))
            at += length
        return Cut(self.original, _joined(kept))

    def byte_spans(self) -> list[list[int]]:
        """The spans as byte positions in the original's UTF-8 form, for a certificate."""
        found: list[list[int]] = []
        at, counted = 0, 0  # characters passed, and their bytes
        for span in self.spans:
            pair = []
            for position in span:
                counted += len(self.original[at:position].encode())
                at = position
                pair.append(counted)
            found.append(pair)
        return found


def cut_bytes(original: str, spans: Any) -> str | None:
    """Cut a text anew by byte spans; None where they are no spans of it, in order and without overlap.

    `spans` may be anything that a file held.
    """
    if not isinstance(spans, list) or not all(map(_is_span, spans)):
        return None
    data = original.encode()
    parts: list[bytes] = []
    before = 0
    for span in spans:
        if not before <= span[0] < span[1] <= len(data):
            return None
        parts.append(data[span[0] : span[1]])
        before = span[1]
    try:
        return b"".join(parts).decode()
    except UnicodeDecodeError:
        return None


def _is_span(found: Any) -> bool:
    return isinstance(found, list) and len(found) == 2 and all(type(position) is int for position in found)


def _joined(spans: Sequence[Span]) -> tuple[Span, ...]:
    joined: list[Span] = []
    for span in spans:
        if joined and joined[-1][1] == span[0]:
            joined[-1] = (joined[-1][0], span[1])
        else:
            joined.append(span)
    return tuple(joined)

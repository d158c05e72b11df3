"""How large a notebook may grow and how much of it one recall may show."""

from __future__ import annotations

from dataclasses import dataclass, fields

SMALLEST_RESULT = 2_000
"""A recall needs this many characters for its heading and at least one cut line."""

LONGEST_NAME = 255
"""Bytes of the longest name common file systems take."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of one notebook; NotebookMisuse for a figure under 1, or `result_chars` under `SMALLEST_RESULT`."""

    max_files: int = 100
    """Every prompt lists every file: a hundred names are about a thousand tokens."""
    max_file_bytes: int = 8 * 1024 * 1024
    """An 80-byte line for each of the 100,000 steps of the longest episode."""
    max_file_lines: int = 200_000
    """Two lines for each of those steps; bounds memory when the lines are empty."""
    max_total_bytes: int = 32 * 1024 * 1024
    """Four files at their limit; a notebook takes about four and a half times its text in memory."""
    max_name_bytes: int = 120
    """Under every file system's 255, with room for a person to read it in a list."""
    max_depth: int = 3
    """Folders and the file itself: `levels/mines/notes.md` is the deepest sensible notebook."""
    search_lines: int = 1_000
    """Matches shown by a search: the paper's figure (its v0 shows 100)."""
    read_lines: int = 1_000
    """Lines shown by a read or a tail: the same as a search."""
    result_chars: int = 16_000
    """About 4,000 tokens: a few recalls fit beside the prompt in a 32k window, whatever the lines hold."""

    def __post_init__(self) -> None:
        for field in fields(self):
            smallest = SMALLEST_RESULT if field.name == "result_chars" else 1
            if getattr(self, field.name) < smallest:
                raise NotebookMisuse(f"Limits.{field.name} must be at least {smallest}.")
        if self.max_name_bytes > LONGEST_NAME:
            raise NotebookMisuse(f"Limits.max_name_bytes must be at most {LONGEST_NAME}.")


class NotebookMisuse(ValueError):
    """The caller's error: limits, places, revisions or starting files that cannot be used."""

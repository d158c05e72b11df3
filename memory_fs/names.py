"""What a notebook takes: its limits, and the names and texts within them that a model may write."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass, fields

from memory_fs.results import Refused, RejectionCode, quoted

SMALLEST_RESULT = 2_000
"""Characters that a recall needs for its heading and at least one cut line."""

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
    """About 4,000 tokens: a few recalls and the prompt fit into a 32k window, whatever the lines hold."""

    def __post_init__(self) -> None:
        for field in fields(self):
            smallest = SMALLEST_RESULT if field.name == "result_chars" else 1
            if getattr(self, field.name) < smallest:
                raise NotebookMisuse(f"Limits.{field.name} must be at least {smallest}.")
        if self.max_name_bytes > LONGEST_NAME:
            raise NotebookMisuse(f"Limits.max_name_bytes must be at most {LONGEST_NAME}.")


class NotebookMisuse(ValueError):
    """The caller's error: limits, places, revisions or starting files that cannot be used."""


FORBIDDEN = frozenset('\\:*?"<>|')
"""Not allowed in names on some systems a run folder may be copied to; `|` also separates arguments of tags."""

DEVICES = frozenset(
    ["con", "prn", "aux", "nul", "conin$", "conout$", "clock$"]
    + [f"{port}{digit}" for port in ("com", "lpt") for digit in "0123456789¹²³"]
)
"""Names that open a device on Windows, whatever follows the first dot."""

UNFIT = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")
"""Control characters other than newline and tab, and halves of surrogate pairs, which UTF-8 cannot hold."""


def clean_name(raw: str, limits: Limits) -> str:
    """Return the relative path, in NFC and without `./`, that `raw` names; raise `Refused` for anything unsafe."""
    if len(raw) > 4 * limits.max_name_bytes + 100:  # no normal form brings it back under the limit
        raise Refused(RejectionCode.NAME_TOO_LONG, f"A file name has at most {limits.max_name_bytes} bytes.")
    name = unicodedata.normalize("NFC", raw.strip())
    if not name:
        raise Refused(RejectionCode.EMPTY_NAME, "A file name is needed, such as notes.md.")
    if name.startswith(("/", "~")) or name[1:3] in (":/", ":\\"):
        raise Refused(RejectionCode.ABSOLUTE_NAME, f"{quoted(raw)} is absolute; use a relative name such as notes.md.")
    if not name.isprintable() or not FORBIDDEN.isdisjoint(name):
        raise Refused(
            RejectionCode.BAD_CHARACTER,
            f"{quoted(raw)} has a character no file name may have; use letters, digits, '-', '_', '.' and '/'.",
        )
    parts = [part for part in name.split("/") if part != "."]
    name = "/".join(parts)
    for part in parts:
        _check_part(part, raw)
    if not parts:
        raise Refused(RejectionCode.EMPTY_NAME, f"{quoted(raw)} names no file; use a name such as notes.md.")
    if len(name.encode()) > limits.max_name_bytes:
        raise Refused(RejectionCode.NAME_TOO_LONG, f"{quoted(raw)} is too long; at most {limits.max_name_bytes} bytes.")
    if len(parts) > limits.max_depth:
        raise Refused(
            RejectionCode.NAME_TOO_DEEP, f"{quoted(raw)} is too deep; at most {limits.max_depth - 1} folders."
        )
    return name


def _check_part(part: str, raw: str) -> None:
    """Refuse a folder or file name that could leave the folder, hide in it or open something else."""
    if part == "..":
        raise Refused(RejectionCode.PARENT_FOLDER, f"{quoted(raw)} leaves the notebook; '..' is not allowed.")
    if not part:
        raise Refused(RejectionCode.BAD_FOLDER, f"{quoted(raw)} has an empty folder or file name.")
    if part.startswith("."):
        raise Refused(RejectionCode.HIDDEN_NAME, f"{quoted(raw)} is hidden; no name may start with '.'.")
    if part != part.strip() or part.endswith("."):
        raise Refused(
            RejectionCode.BAD_FOLDER, f"{quoted(raw)}: no name may start or end with a space or end with '.'."
        )
    if part.split(".", 1)[0].rstrip().casefold() in DEVICES:
        raise Refused(RejectionCode.DEVICE_NAME, f"{quoted(raw)} is a device name; choose another.")


def check_vacant(name: str, taken: Iterable[str]) -> None:
    """Refuse a new file whose name differs from another only by case, or whose folder is a file."""
    folded = name.casefold()
    for other in taken:
        other_folded = other.casefold()
        if other_folded == folded:
            raise Refused(RejectionCode.NAME_TAKEN, f"{name} differs from {other} only by case; use {other}.")
        if other_folded.startswith(folded + "/") or folded.startswith(other_folded + "/"):
            raise Refused(RejectionCode.NAME_TAKEN, f"{name} cannot exist beside {other}: one would be a folder.")


def check_text(text: str, limits: Limits) -> None:
    """Raise `Refused` for a text that no file may hold."""
    if len(text) > limits.max_file_bytes:
        raise Refused(RejectionCode.FILE_FULL, f"The text is too long; a file holds {limits.max_file_bytes} bytes.")
    unfit = UNFIT.search(text)
    if unfit is None:
        return
    code = ord(unfit.group())
    where = f"U+{code:04X} at character {unfit.start() + 1}"
    if code >= 0xD800:
        raise Refused(RejectionCode.NOT_UNICODE, f"The text holds half a character ({where}); leave it out.")
    raise Refused(RejectionCode.CONTROL_CHARACTER, f"The text holds a control character ({where}); leave it out.")


def check_room(name: str, lines: int, size: int, total: int, limits: Limits, *, grown: int) -> None:
    """Refuse a file of so many lines and bytes, or files that have `grown` to so many bytes in `total`."""
    if lines > limits.max_file_lines or size > limits.max_file_bytes:
        raise Refused(
            RejectionCode.FILE_FULL,
            f"{name} would have {lines} lines and {size} bytes; a file holds {limits.max_file_lines} lines and "
            f"{limits.max_file_bytes} bytes. Rewrite it, shorter, or go on in another file.",
        )
    if grown > 0 and total > limits.max_total_bytes:
        raise Refused(
            RejectionCode.NOTEBOOK_FULL,
            f"The files would have {total} bytes; together they hold {limits.max_total_bytes}. "
            "Rewrite one of them, shorter.",
        )


def keyed_line(key: str, text: str, limits: Limits) -> tuple[str, str]:
    """Return the key and its one line `key: text`; line breaks in the text become spaces."""
    check_text(key, limits)
    check_text(text, limits)
    key = key.strip()
    if not key or ": " in key or "\n" in key:
        raise Refused(RejectionCode.BAD_KEY, "A key is a short text on one line without ': ' in it, such as 3,4.")
    return key, f"{key}: {text.strip()}".replace("\n", " ")

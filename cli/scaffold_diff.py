"""What differs between two scaffold folders, as a unified diff that is safe to print.

A model wrote one of them, perhaps both: links are not followed, special files not opened, large files not read whole.
"""

from __future__ import annotations

import os
import stat
from difflib import unified_diff
from pathlib import Path

from cli.visible_text import visible

FILE_BYTES = 200_000
"""Of a file more is not compared: a scaffold's are a few thousand bytes."""
FILES = 500
LINE = 1_000
"""Characters shown of a line."""


def scaffold_diff(before: Path, after: Path) -> list[str]:
    """The lines of the diff, file after file, made visible; none where nothing differs."""
    old, new = _texts(before), _texts(after)
    lines: list[str] = []
    for name in sorted(old.keys() | new.keys()):
        was, now = old.get(name, []), new.get(name, [])
        found = list(unified_diff(was, now, f"parent/{name}", name, lineterm=""))
        if not found and (name not in old or name not in new):
            found = [f"+++ {name} (empty)" if name in new else f"--- parent/{name} (empty)"]
        lines += [visible(line, LINE).replace("\n", " ") for line in found]
    return lines


def _texts(folder: Path) -> dict[str, list[str]]:
    """The lines of every file, by relative name; what is not plain text is one line that says what it is."""
    texts: dict[str, list[str]] = {}
    for where, folders, files in os.walk(folder):
        folders[:] = sorted(one for one in folders if not one.startswith(".") and one != "__pycache__")
        links = [one for one in folders if (Path(where) / one).is_symlink()]  # os.walk does not go into them
        for name in sorted((*files, *links)):
            path = Path(where) / name
            if not name.startswith(".") and len(texts) < FILES:
                texts[path.relative_to(folder).as_posix()] = _lines(path)
    return texts


def _lines(path: Path) -> list[str]:
    status = path.lstat()
    if not stat.S_ISREG(status.st_mode):
        return [f"({'a link to ' + str(path.readlink()) if path.is_symlink() else 'no plain file'})"]
    if status.st_size > FILE_BYTES:
        return [f"({status.st_size:,} bytes: too large to compare)"]
    *lines, last = path.read_text(encoding="utf-8", errors="replace").split("\n")
    return [*lines, last, "\\ No newline at end of file"] if last else lines

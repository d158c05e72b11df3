"""Boxoban's levels, which MiniHack plays but does not bring: where they are kept, and which one a seed means.

They are Google DeepMind's (https://github.com/google-deepmind/boxoban-levels), text files of levels in two sets:

    boxoban-levels/hard/000.txt …          boxoban-levels/medium/train/000.txt …

They are kept in a folder of the user's: AUTOMEM_DATA if it is set, else $XDG_DATA_HOME/automem, else
~/.local/share/automem. `worlds.boxoban_install` puts them there.
"""

import os
import random
import re
from bisect import bisect_right
from functools import lru_cache
from itertools import accumulate
from pathlib import Path

from worlds.registry import MissingEngine

SETS = {"hard": "hard", "medium": "medium/train"}
"""Folder of each set."""

SOURCE = "https://github.com/google-deepmind/boxoban-levels/archive/refs/heads/master.zip"
"""Where the published levels are."""

_ROW = re.compile(r"[# .$@]+")


class MissingLevels(MissingEngine):
    """The levels are not installed; the message names the command that installs them."""


class BadLevels(ValueError):
    """A text, a folder or an archive has no Boxoban levels, or broken ones."""


def levels_folder() -> Path:
    """Where this user's Boxoban levels are, or will be."""
    home = os.environ.get("AUTOMEM_DATA")
    if home:
        return Path(home) / "boxoban-levels"
    share = os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share"
    return Path(share) / "automem" / "boxoban-levels"


def level_files(which: str) -> list[Path]:
    """The files of a set (a key of SETS), by name. MissingLevels where there are none."""
    folder = levels_folder() / SETS[which]
    files = sorted(folder.glob("*.txt"))
    if not files:
        raise MissingLevels(
            f"Boxoban's levels are not in {folder}; install them with: automem worlds boxoban --from {SOURCE} "
            "(or --from a folder or an archive that has them)."
        )
    return files


def level_of(which: str, seed: int) -> str:
    """The level of a set that `seed` means: rows of characters. MissingLevels where there are none.

    It is the one Python's `random.choice` takes from all levels right after `random.seed(seed)`, as in MiniHack, with
    the files in the order of their names; the process's own random numbers are left alone.
    """
    files = level_files(which)
    ends = list(accumulate(_count(path, path.stat().st_mtime_ns) for path in files))
    at = random.Random(seed).choice(range(ends[-1]))
    i = bisect_right(ends, at)
    return read_levels(files[i].read_text(encoding="ascii"))[at - (ends[i - 1] if i else 0)]


def read_levels(text: str) -> list[str]:
    """The levels of a file: before each a line "; number", after it an empty line. BadLevels for anything else."""
    levels = []
    for number, block in enumerate(part for part in text.replace("\r", "").split("\n\n") if part.strip("\n")):
        head, *rows = block.strip("\n").split("\n")
        if not head.startswith(";") or not all(map(_ROW.fullmatch, rows)) or "".join(rows).count("@") != 1:
            raise BadLevels(f"level {number} is not '; number', then rows of # . $ and spaces with one @ in them")
        levels.append("\n".join(rows))
    return levels


@lru_cache(maxsize=1_024)  # the published sets have 454 files, 50 MB in all
def _count(path: Path, changed: int) -> int:
    return path.read_bytes().count(b";")

"""Boxoban's levels, which MiniHack plays but does not include: where they are kept, and which one a seed selects.

They are Google DeepMind's (https://github.com/google-deepmind/boxoban-levels), text files of levels in two sets:

    boxoban-levels/hard/000.txt …          boxoban-levels/medium/train/000.txt …

They are kept in a folder of the user's: AUTOMEM_DATA if it is set, else $XDG_DATA_HOME/automem, else
~/.local/share/automem. `install` puts them there, from a folder, an archive or a URL.
"""

import os
import random
import re
import shutil
import tarfile
import tempfile
import zipfile
from bisect import bisect_right
from collections.abc import Iterator
from functools import lru_cache
from itertools import accumulate
from pathlib import Path
from urllib.request import urlopen

from worlds.registry import BadData, MissingEngine

SETS = {"hard": "hard", "medium": "medium/train"}
"""Folder of each set."""

SOURCE = "https://github.com/google-deepmind/boxoban-levels/archive/refs/heads/master.zip"
"""Where the published levels are."""

_ROW = re.compile(r"[# .$@]+")
_WANTED = re.compile(r"(?:^|/)((?:hard|medium/train)/[\w-]+\.txt)$")
_MOST_BYTES = 1 << 30
"""Of levels, and of a download; the published ones have 50 MB."""
_TIMEOUT_S = 60


class MissingLevels(MissingEngine):
    """The levels are not installed; the message names the command that installs them."""


class BadLevels(BadData):
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
    """The level of a set that `seed` selects: rows of characters. MissingLevels where there are none.

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


def install(source: str) -> list[str]:
    """Put the levels of a folder, an archive (.zip, .tar, .tar.gz) or a URL of one in place; what to report, by line.

    Only level files are taken, wherever in it the folders hard and medium/train are; a set that is not in it stays as
    it was. Nothing changes if this fails: BadLevels for what has no levels or broken ones, OSError.
    """
    target = levels_folder()
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=".boxoban-") as name:
        scratch = Path(name)
        path = _download(source, scratch / "download") if "://" in source else Path(source).expanduser()
        counts = _unpack(path, scratch / "levels", source)
        target.mkdir(exist_ok=True)
        for which in counts:
            top = which.split("/")[0]
            shutil.rmtree(target / top, ignore_errors=True)
            (scratch / "levels" / top).replace(target / top)
    return [*(f"{name}: {count:,} levels" for name, count in sorted(counts.items())), f"installed in {target}"]


def _download(url: str, path: Path) -> Path:
    if not url.startswith(("https://", "http://")):
        raise BadLevels(f"{url} is no web address: give https://…, a folder or an archive.")
    with urlopen(url, timeout=_TIMEOUT_S) as answer, path.open("wb") as file:
        size = 0
        while part := answer.read(1 << 20):
            size += len(part)
            if size > _MOST_BYTES:
                raise BadLevels(f"{url} sends more than {_MOST_BYTES:,} bytes.")
            file.write(part)
    return path


def _unpack(path: Path, into: Path, source: str) -> dict[str, int]:
    counts: dict[str, int] = {}
    size = 0
    for name, content in _members(path, source):
        found = _WANTED.search(name)
        if found is None:
            continue
        size += len(content)
        if size > _MOST_BYTES:
            raise BadLevels(f"{source} has more than {_MOST_BYTES:,} bytes of levels.")
        try:
            levels = read_levels(content.decode("ascii"))
        except (BadLevels, UnicodeDecodeError) as error:
            raise BadLevels(f"{source}, {name}: {error}") from error
        place = into / found[1]
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(content)
        which = next(which for which, folder in SETS.items() if found[1].startswith(f"{folder}/"))
        counts[which] = counts.get(which, 0) + len(levels)
    if not counts:
        raise BadLevels(f"{source} has no levels: expected files like hard/000.txt and medium/train/000.txt in it.")
    return counts


def _members(path: Path, source: str) -> Iterator[tuple[str, bytes]]:
    """Names and contents of the text files in a folder or an archive."""
    if path.is_dir():
        for file in sorted(path.rglob("*.txt")):
            yield file.relative_to(path.parent).as_posix(), file.read_bytes()
    elif zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            for item in archive.infolist():
                if item.filename.endswith(".txt") and item.file_size <= _MOST_BYTES:
                    yield item.filename, archive.read(item)
    elif path.is_file() and tarfile.is_tarfile(path):
        with tarfile.open(path) as archive:
            for entry in archive:
                opened = archive.extractfile(entry) if entry.isfile() and entry.name.endswith(".txt") else None
                if opened is not None and entry.size <= _MOST_BYTES:
                    yield entry.name, opened.read()
    elif path.exists():
        raise BadLevels(f"{source} is neither a folder nor a .zip, .tar or .tar.gz archive.")
    else:
        raise BadLevels(f"{source} does not exist.")

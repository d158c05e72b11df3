"""Installs Boxoban's levels from a folder, an archive or a URL into the user's data folder."""

import re
import shutil
import tarfile
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from urllib.request import urlopen

from worlds.boxoban import SETS, BadLevels, levels_folder, read_levels

_WANTED = re.compile(r"(?:^|/)((?:hard|medium/train)/[\w-]+\.txt)$")
_MOST_BYTES = 1 << 30
"""Of levels, and of a download; the published ones have 50 MB."""
_TIMEOUT_S = 60


def install(source: str) -> dict[str, int]:
    """Put the levels of a folder, an archive (.zip, .tar, .tar.gz) or a URL of one in place: how many of each set.

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
    return counts


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

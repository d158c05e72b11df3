"""The notebook's files on disk. No link is followed out of their folder."""

from __future__ import annotations

import errno
import os
import shutil
import stat
import weakref
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from memory_fs.journal import NotebookFailure, write_all
from memory_fs.page import Page, Patch
from memory_fs.results import Refused, RejectionCode

ODD = frozenset({errno.ELOOP, errno.EISDIR, errno.ENOTDIR, errno.ENXIO, errno.EEXIST, errno.EMLINK})
"""Error numbers of opening a link, folder, pipe or socket instead of a file."""

FILE = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


class Disk:
    """One folder of plain files; what a person changed there is moved to another before it is overwritten."""

    def __init__(self, root: Path, found: Path) -> None:
        """Open or create the folder; NotebookFailure when that fails."""
        self.root = root
        self._found = found
        try:
            root.mkdir(parents=True, exist_ok=True)
            self._fd = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError as error:
            raise NotebookFailure(f"The folder {root} cannot be opened: {error}.") from error
        self.close = weakref.finalize(self, os.close, self._fd)

    def open(self, name: str) -> int:
        """Open a plain file for writing, made when missing; `Refused` when something else is there."""
        try:
            return self._open(name)
        except OSError as error:
            if error.errno in ODD:
                raise Refused(
                    RejectionCode.NOT_A_FILE, f"{name} is not a plain file on disk; use another name."
                ) from error
            raise self._failure(name, error) from error

    def patch(self, name: str, fd: int, size: int, patch: Patch, page: Page) -> None:
        """Bring an open file of expected `size` to the page's text; of another size, it is kept in `found` first."""
        try:
            actual = os.fstat(fd).st_size
            if actual != size:
                if actual:  # or it was only deleted
                    self._kept(name).write_bytes(os.pread(fd, actual, 0))
                patch = Patch(0, page.text().encode(), patch.size)
            write_all(fd, patch.data, patch.offset)
            if actual > patch.size:
                os.ftruncate(fd, patch.size)
        except OSError as error:
            raise self._failure(name, error) from error

    def settle(self, pages: Mapping[str, Page], before: Mapping[str, str]) -> None:
        """Make the folder hold exactly these pages, and keep what a person left there.

        `before` holds the files of the last change as they were before it; a change cut short leaves those, or a part.
        """
        try:
            self._clear(self.root, "", pages, before)
            for name, page in pages.items():
                text = page.text()
                self._settle_file(name, text.encode(), before.get(name, text).encode())
        except OSError as error:
            raise self._failure(str(self.root), error) from error

    def _open(self, name: str) -> int:
        *folders, last = name.encode().split(b"/")
        with folder_below(self._fd, folders, make=True) as folder:
            fd = os.open(last, FILE, 0o644, dir_fd=folder)
        if not _is_plain(os.fstat(fd)):
            os.close(fd)
            raise OSError(errno.EMLINK, "not a plain file")
        return fd

    def _settle_file(self, name: str, text: bytes, before: bytes) -> None:
        fd = self._open(name)
        try:
            there = os.pread(fd, os.fstat(fd).st_size, 0)
            if there == text:
                return
            if there and not _cut_short(there, text, before):
                self._kept(name).write_bytes(there)
            write_all(fd, text, 0)
            os.ftruncate(fd, len(text))
        finally:
            os.close(fd)

    def _clear(self, folder: Path, prefix: str, pages: Mapping[str, Page], before: Mapping[str, str]) -> None:
        """Remove what is not a file of the notebook; hidden files are a person's own and stay."""
        with os.scandir(folder) as entries:
            for entry in list(entries):
                name = prefix + entry.name
                if entry.name.startswith("."):
                    continue
                if entry.is_dir(follow_symlinks=False) and any(_is_in(other, name) for other in (*pages, *before)):
                    self._clear(Path(entry), name + "/", pages, before)
                    if not any(_is_in(other, name) for other in pages):
                        self._remove(entry, name, before)
                elif name not in pages or not _is_plain(entry.stat(follow_symlinks=False)):
                    self._remove(entry, name, before)

    def _remove(self, entry: os.DirEntry[str], name: str, before: Mapping[str, str]) -> None:
        """Delete what holds nothing of a person's; move anything else to `found`."""
        path = Path(entry)
        if entry.is_dir(follow_symlinks=False):
            if _is_hollow(path):
                shutil.rmtree(path)
                return
        elif _is_plain(facts := entry.stat(follow_symlinks=False)):
            text = before.get(name, "").encode()
            if facts.st_size in (0, len(text)) and path.read_bytes() in (b"", text):
                path.unlink()
                return
        shutil.move(path, self._kept(name))

    def _kept(self, name: str) -> Path:
        """Return a new path for a version of `name` that is not a revision of the notebook."""
        number = 1
        while (self._found / f"{number:04}").exists():
            number += 1
        path = self._found / f"{number:04}" / name
        path.parent.mkdir(parents=True)
        return path

    def _failure(self, name: str, error: OSError) -> NotebookFailure:
        return NotebookFailure(f"{name} in {self.root} cannot be written: {error.strerror}. Reopen to go on.")


@contextmanager
def folder_below(root: int, parts: Sequence[str | bytes], *, make: bool = False) -> Iterator[int]:
    """A descriptor of the folder `parts` below the folder `root` (a descriptor), closed afterwards.

    Each folder on the way is opened without following links, and the next is opened relative to it, so that no link
    made meanwhile leads outside. `make`: create missing ones. OSError where a part is not a plain folder.
    """
    folder = root
    try:
        for part in parts:
            below = _folder(part, folder, make)
            if folder != root:
                os.close(folder)
            folder = below
        yield folder
    finally:
        if folder != root:
            os.close(folder)


def _folder(part: str | bytes, above: int, make: bool) -> int:
    try:
        return os.open(part, FOLDER, dir_fd=above)
    except FileNotFoundError:
        if not make:
            raise
        with suppress(FileExistsError):
            os.mkdir(part, dir_fd=above)
        return os.open(part, FOLDER, dir_fd=above)


def is_vacant(root: Path) -> bool:
    """Whether there is no such folder, or one without files; NotebookFailure when it cannot be read."""
    try:
        return not any(root.iterdir())
    except FileNotFoundError:
        return True
    except OSError as error:
        raise NotebookFailure(f"The folder {root} cannot be opened: {error}.") from error


def _is_plain(facts: os.stat_result) -> bool:
    """Whether this is a plain file with one name: a hard link would share its bytes with a file elsewhere."""
    return stat.S_ISREG(facts.st_mode) and facts.st_nlink == 1


def _is_hollow(folder: Path, depth: int = 64) -> bool:
    """Whether a folder holds only empty files and such folders, as an unfinished record leaves it."""
    with os.scandir(folder) as entries:
        return depth > 0 and all(
            _is_hollow(Path(entry), depth - 1)
            if entry.is_dir(follow_symlinks=False)
            else _is_plain(facts := entry.stat(follow_symlinks=False)) and not facts.st_size
            for entry in entries
        )


def _is_in(name: str, folder: str) -> bool:
    return name.startswith(folder + "/")


def _cut_short(there: bytes, after: bytes, before: bytes) -> bool:
    """Whether `there` is `before` overwritten from the front by a part of `after`, as a killed write leaves it."""
    low, high = 0, min(len(there), len(after))
    while low < high:
        middle = (low + high + 1) // 2
        if there[:middle] == after[:middle]:
            low = middle
        else:
            high = middle - 1
    return there[low:] == before[low:]

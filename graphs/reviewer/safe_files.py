"""Reads and writes files below a folder by names that a model chose, without ever following a link out of it.

Each folder of a path is opened without following links, and the next is looked up in it: a link planted or swapped
between a check and its use cannot lead outside. Only plain files without other hard links are
read or written.
"""

from __future__ import annotations

import errno
import os
import secrets
import stat
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from memory_fs.disk import FOLDER, folder_below

_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


class NotAccessible(Exception):
    """A model named a path that does not exist or must not be followed. The message is a clause, "is a folder"."""


@contextmanager
def folder(root: Path, parts: Sequence[str], *, make: bool = False) -> Iterator[int]:
    """A descriptor of the folder `parts` below `root`, closed afterwards. NotAccessible unless all are folders."""
    with ExitStack() as opened:
        try:
            top = os.open(root, FOLDER)
            opened.callback(os.close, top)
            descriptor = opened.enter_context(folder_below(top, parts, make=make))
        except OSError as error:
            raise _meaning(str(error.filename), error) from error
        yield descriptor


def read(root: Path, parts: Sequence[str], most: int) -> bytes:
    """The content of a plain file of at most `most` bytes. NotAccessible for anything else."""
    with folder(root, parts[:-1]) as above:
        _plain(parts[-1], above)
        try:
            descriptor = os.open(parts[-1], _FILE, dir_fd=above)
        except OSError as error:
            raise _meaning(parts[-1], error) from error
        with os.fdopen(descriptor, "rb") as file:
            found = os.fstat(descriptor)
            _check(parts[-1], found)
            if found.st_size > most:
                raise NotAccessible(f"has {found.st_size:,} bytes, more than the {most:,} that can be read this way")
            return file.read(most)


def write(root: Path, parts: Sequence[str], content: bytes) -> None:
    """Put a plain file there, whole or not at all. NotAccessible where anything but a plain file is in its place."""
    with folder(root, parts[:-1], make=True) as above:
        with suppress(FileNotFoundError):
            _check(parts[-1], os.stat(parts[-1], dir_fd=above, follow_symlinks=False))
        beside = f".{secrets.token_hex(8)}.part"  # hidden: listings of a scaffold skip it
        descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644, dir_fd=above)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(content)
            os.replace(beside, parts[-1], src_dir_fd=above, dst_dir_fd=above)
        except BaseException:
            os.unlink(beside, dir_fd=above)
            raise


def delete(root: Path, parts: Sequence[str]) -> None:
    """Remove a plain file, and the folders that this leaves empty. NotAccessible for anything else."""
    with folder(root, parts[:-1]) as above:
        _plain(parts[-1], above)
        os.unlink(parts[-1], dir_fd=above)
    for depth in range(len(parts) - 1, 0, -1):
        with folder(root, parts[: depth - 1]) as above:
            try:
                os.rmdir(parts[depth - 1], dir_fd=above)
            except OSError:  # not empty
                return


def entries(root: Path, parts: Sequence[str]) -> Iterator[tuple[str, int | None]]:
    """The visible plain files and folders of a folder, in order: name, and size in bytes (None for a folder)."""
    with folder(root, parts) as descriptor:
        for name in sorted(os.listdir(descriptor)):  # noqa: PTH208 - a descriptor has no path to trust
            found = os.stat(name, dir_fd=descriptor, follow_symlinks=False)
            if name.startswith(".") or name == "__pycache__":
                continue
            if stat.S_ISDIR(found.st_mode):
                yield name, None
            elif stat.S_ISREG(found.st_mode):
                yield name, found.st_size


def is_folder(root: Path, parts: Sequence[str]) -> bool:
    """Whether a plain folder is there."""
    try:
        with folder(root, parts):
            return True
    except (NotAccessible, OSError):
        return False


def _plain(name: str, above: int) -> None:
    try:
        found = os.stat(name, dir_fd=above, follow_symlinks=False)
    except OSError as error:
        raise _meaning(name, error) from error
    _check(name, found)


def _check(name: str, found: os.stat_result) -> None:
    if stat.S_ISDIR(found.st_mode):
        raise NotAccessible("is a folder")
    if stat.S_ISLNK(found.st_mode):
        raise NotAccessible(f"leads elsewhere ({name} is a link)")
    if not stat.S_ISREG(found.st_mode):
        raise NotAccessible("is no plain file")
    if found.st_nlink > 1:
        raise NotAccessible("is a file that has another name too (a hard link)")


def _meaning(name: str, error: OSError) -> Exception:
    """NotAccessible for what the model may have caused; the error itself where the machine failed."""
    if error.errno == errno.ENOENT:
        return NotAccessible("is not there")
    if error.errno in (errno.ELOOP, errno.ENOTDIR):
        return NotAccessible(f"leads elsewhere ({name} is a link, or no folder)")
    if error.errno in (errno.ENXIO, errno.EACCES, errno.EPERM):
        return NotAccessible("cannot be opened")
    return error

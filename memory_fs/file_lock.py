"""The lock between processes: on an open file, released by the system when its holder ends, however it ends."""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_UNSUPPORTED = {errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.ENOLCK}
"""Answers of a file system that has no locks, such as some network mounts."""


class InUse(RuntimeError):
    """Another run, of this process or of another one, holds the lock; one sentence: what, and what to do."""

    def __init__(self, what: Path) -> None:
        super().__init__(f"{what} is in use by another run: wait for its end.")


def lock(descriptor: int, what: Path, *, wait: bool = False) -> None:
    """Lock an open, writable file until it is closed. InUse if it is locked already and this is not to `wait`.

    On a file system without locks it does nothing: the work goes on, unprotected against a second run. NFS locks only
    files that are open for writing. `what`: the file or folder that the sentence names.
    """
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except BlockingIOError:
        raise InUse(what) from None
    except OSError as error:
        if error.errno not in _UNSUPPORTED:
            raise


@contextmanager
def locked(path: Path, what: Path, *, wait: bool = False) -> Iterator[None]:
    """Hold the lock of the file `path`, created if missing: see `lock`. OSError where it cannot be opened."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        lock(descriptor, what, wait=wait)
        yield
    finally:
        os.close(descriptor)

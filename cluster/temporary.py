"""A worker's temporary folder, and what killed workers left of theirs.

Each folder holds a file that its worker keeps locked: the system releases it however the worker ends, so a folder whose
file can be locked is no longer used. Process ids would not show that: containers that share a folder number their own.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import stat
import tempfile
from pathlib import Path

PREFIX, LOCK = "automem-worker-", "lock"


def own_folder() -> Path:
    """A new folder, kept until this process ends or removes it."""
    while True:
        place = Path(tempfile.mkdtemp(prefix=PREFIX))
        with contextlib.suppress(FileNotFoundError):
            descriptor = os.open(place / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)  # open until the end
            with contextlib.suppress(OSError):  # a file system without locks
                fcntl.flock(descriptor, fcntl.LOCK_EX)
            if (place / LOCK).exists():  # else another process found it before it was locked
                return place
            os.close(descriptor)


def remove_leftovers() -> None:
    """Remove the folders of this user's workers that no longer run. No link is followed."""
    for place in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        with contextlib.suppress(OSError):
            found = place.lstat()
            if stat.S_ISDIR(found.st_mode) and found.st_uid == os.geteuid():
                _remove_if_left(place)


def _remove_if_left(place: Path) -> None:
    """Remove a folder unless its worker runs; OSError where that cannot be said."""
    descriptor = os.open(place / LOCK, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        shutil.rmtree(place, ignore_errors=True)
    finally:
        os.close(descriptor)

"""Who plays: locks that are held, and episodes that change."""

from __future__ import annotations

import time
from contextlib import suppress
from pathlib import Path

from traces import EpisodeFolder

PLAYING_S = 120.0
"""An episode whose files changed so lately is being played, where the system does not say who holds its lock."""
Held = frozenset[int] | None
"""Inodes of the files that a process holds a lock of; None where the system does not say."""


def locked_files() -> Held:
    """What is locked now.

    An episode that is played has its journal locked, a run its run.json or lock. Trying to lock one of them would get
    in the player's way.
    """
    try:
        lines = Path("/proc/locks").read_text(encoding="ascii").splitlines()
        return frozenset(int(line.split()[5].rpartition(":")[2]) for line in lines if " FLOCK " in line)
    except (OSError, ValueError, IndexError):
        return None


def is_locked(file: Path, held: Held) -> bool:
    """Whether a process holds the lock of a file, as far as that is known."""
    with suppress(OSError):
        return held is not None and file.stat().st_ino in held
    return False


def is_played(folder: EpisodeFolder, held: Held) -> bool:
    """Whether somebody is playing an episode."""
    if is_locked(folder.journal, held):
        return True
    with suppress(OSError):
        no_lock = held is None or not folder.journal.exists()
        return no_lock and time.time() - folder.steps.stat().st_mtime < PLAYING_S
    return False

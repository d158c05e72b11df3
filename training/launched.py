"""Which process this is, of those that `accelerate launch` started to train together; without it, the only one."""

from __future__ import annotations

import os


def processes() -> int:
    """How many train together."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def is_main() -> bool:
    """Whether this is the one that writes and speaks."""
    return int(os.environ.get("RANK", "0")) == 0

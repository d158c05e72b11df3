"""How much a test tries: enough to find the faults it has found; several times as much with AUTOMEM_TESTS=thorough."""

from __future__ import annotations

import os

THOROUGH = os.environ.get("AUTOMEM_TESTS") == "thorough"
"""Set by `make thorough`."""


def effort(quick: int, thorough: int) -> int:
    """How many examples, kills or seeds."""
    return thorough if THOROUGH else quick

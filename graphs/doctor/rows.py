"""A row of the doctor's table."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeVar

T = TypeVar("T")
U = TypeVar("U")
State = Literal["ok", "warning", "fault"]


@dataclass(frozen=True, slots=True)
class Row:
    """One thing looked at. A fault keeps a run from working; a warning makes it slower, dearer or less repeatable."""

    name: str
    state: State
    found: str
    advice: str = ""
    """What to do; empty for ok."""


def ok(name: str, found: str) -> Row:
    """A row that needs nothing done."""
    return Row(name, "ok", found)


def within(seconds: float, look: Callable[[], T], otherwise: U) -> T | U:
    """What `look` returns, or `otherwise` if that takes longer.

    It runs in a thread of its own, which is left behind then: looking up a host's name has no time limit.
    """
    found: list[T] = []
    looking = threading.Thread(target=lambda: found.append(look()), daemon=True)
    looking.start()
    looking.join(seconds)
    return found[0] if found else otherwise

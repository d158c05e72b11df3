"""An observation without its clock: a text with a turn counter never repeats, though nothing else changes.

A world that shows a clock says so: `info["clock"]` of its steps is a regular expression of what in its text only tells
how late it is. Steps of other worlds, and of traces older than that, have none: their texts stay as they are.
"""

import re
from collections.abc import Mapping
from typing import Any

Observation = Mapping[str, str]


def clock_of(info: Mapping[str, Any]) -> str:
    """Return the clock of the world that gave this info; empty if it shows none."""
    return str(info.get("clock", ""))


def timeless(observation: Observation, clock: str) -> Observation:
    """Return the observation's texts without what `clock` matches."""
    return {part: re.sub(clock, "", text) for part, text in observation.items()} if clock else observation

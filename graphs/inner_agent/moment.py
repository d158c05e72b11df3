"""Where an episode stands between two steps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from worlds import Observation


@dataclass(frozen=True, slots=True)
class Moment:
    """Where the episode stands: what the world shows now and what led here."""

    step: int
    """The step about to be played, from 1."""
    observation: Observation
    info: dict[str, Any]
    previous: Observation | None = None
    action: str | None = None
    """The action that led here, as it was sent."""
    complaints: tuple[str, ...] = ()
    """What to tell the model of its last output: no valid action in it, something that could not be read or done."""
    reward: float = 0.0
    episode_return: float = 0.0
    terminated: bool = False
    truncated: bool = False

    @property
    def over(self) -> bool:
        """Whether the episode has ended."""
        return self.terminated or self.truncated


def plain(observation: Observation) -> dict[str, str]:
    """The observation as the trace keeps it."""
    return {"long": observation["long"], "short": observation["short"]}

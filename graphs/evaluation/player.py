"""Who plays the episodes of this process's evaluations: the process itself, or the workers that a command has started.

One interface, asked wherever episodes are played: whether all is there that they need, and to play one to its end.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Protocol

from graphs.evaluation.episode import EpisodePart, Progress, play_episode
from graphs.inner_agent.branches import Living
from graphs.settings import EpisodeSettings
from graphs.spending import Spending
from traces import EpisodeFolder, EpisodeResult


class Player(Protocol):
    """Plays episodes, in this process or elsewhere."""

    @property
    def workers(self) -> str:
        """Who plays, for a line of progress, such as "2 workers"; empty for this process."""

    def check(self, settings: EpisodeSettings, tasks: Sequence[str]) -> None:
        """Raise our errors where what is checked in this process is missing elsewhere; nothing is written."""

    async def play(
        self,
        settings: EpisodeSettings,
        folder: EpisodeFolder,
        report: Callable[[Progress], None],
        run: Spending,
        part: EpisodePart | None = None,
        living: Living | None = None,
    ) -> EpisodeResult:
        """Play an episode to its end, as `episode.play_episode` does, with all that it writes in `folder`.

        `living` is for this process alone. A cancelled call returns once the episode is no longer played.
        """


class _ThisProcess:
    """Plays in this process."""

    workers = ""

    play = staticmethod(play_episode)

    def check(self, settings: EpisodeSettings, tasks: Sequence[str]) -> None:
        """Everything is checked in this process already."""


THIS_PROCESS: Player = _ThisProcess()
_PLAYERS = [THIS_PROCESS]
"""The last one plays."""


def player() -> Player:
    """Who plays."""
    return _PLAYERS[-1]


@contextmanager
def played_by(other: Player) -> Iterator[None]:
    """Within this block, `other` plays the episodes of every evaluation of this process."""
    _PLAYERS.append(other)
    try:
        yield
    finally:
        _PLAYERS.pop()

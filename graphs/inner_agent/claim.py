"""One run at a time plays an episode: the others are refused in one sentence instead of spoiling its trace."""

from __future__ import annotations

import threading
import time
import uuid

from graphs.inner_agent.context import SettingsError


class Busy(SettingsError):
    """Two runs want to play one episode at once."""


class Claim:
    """Which run is playing an episode."""

    def __init__(self, episode: str, patience_s: float) -> None:
        """`patience_s`: seconds after which a run that has not been heard of no longer counts."""
        self.run: str | None = None
        """Token of the run that is playing; None between runs."""
        self._episode = episode
        self._patience_s = patience_s
        self._lock = threading.Lock()
        self._heard = 0.0
        self._thread: str | None = None

    def take(self, run: str | None, thread: str | None = None) -> None:
        """Let the run with this token (a new one if None) play on. Busy if another run is playing.

        `thread`: the server's thread that the run is on, if any. A server plays the runs of a thread one after the
        other: another of the same thread means that the one before is over, cancelled between two nodes perhaps.
        """
        with self._lock:
            now = time.monotonic()
            over = thread is not None and thread == self._thread
            if self.run is not None and run != self.run and not over and now - self._heard < self._patience_s:
                raise Busy(
                    f"Another run is playing {self._episode}: wait until it has ended, or start a new thread "
                    "for another episode."
                )
            self.run = run or uuid.uuid4().hex
            self._thread = thread
            self._heard = now

    def release(self) -> None:
        """The run has ended; another may play on."""
        self.run = None

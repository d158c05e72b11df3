"""Which requests are being answered, so that work in the background, which has time, gives way to them."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

PAUSE_S = 0.3
"""Seconds without a request after which no other one is expected at once: a page asks for piece after piece."""
GIVE_WAY_S = 2.0
"""Seconds that work in the background waits at most, before it goes on with a little more."""


class Traffic:
    """Counts the requests that somebody waits for. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._now = 0
        self._last = 0.0

    @contextmanager
    def request(self) -> Iterator[None]:
        """For as long as a request is being answered."""
        with self._lock:
            self._now += 1
        try:
            yield
        finally:
            with self._lock:
                self._now -= 1
                self._last = time.monotonic()

    def give_way(self, stopped: threading.Event) -> bool:
        """Wait until requests pause, or until work in the background is to end or is waited for itself.

        False where they did not pause for GIVE_WAY_S.
        """
        until = time.monotonic() + GIVE_WAY_S
        while self._now or time.monotonic() - self._last < PAUSE_S:
            if stopped.wait(0.02):
                return True
            if time.monotonic() > until:
                return False
        return True

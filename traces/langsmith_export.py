"""Sends episodes to LangSmith while they are played, from a thread of its own that reads their traces.

Play only says "one more step is in the trace": it hands over no data, waits for nothing, and notices nothing where the
server is away. What could not be sent when the process ends is told in one line; `automem langsmith push RUN` sends it.
"""

import atexit
import logging
import threading
import time
from dataclasses import dataclass, field
from functools import partial

from traces.folders import EpisodeFolder, TraceFailure
from traces.langsmith_courier import Courier, Sent, SentFile
from traces.langsmith_episode import Choice, EpisodeSource
from traces.langsmith_facts import run_folder
from traces.langsmith_times import TimesWriter
from traces.langsmith_wire import LangSmithFailure, Wire, tracing_is_wanted
from traces.records import EpisodeResult, StepRecord
from traces.results import read_result

logger = logging.getLogger(__name__)

EXIT_S = 4.0
"""How long the end of the process may wait for the last steps to arrive."""
GATHER_S = 0.5
"""Steps of that time go in one request."""
FIRST_WAIT_S, LONGEST_WAIT_S = 1.0, 30.0
"""Before the server is tried again, doubled each time."""


@dataclass(slots=True, eq=False)
class LiveEpisode:
    """One episode that is being played. Its methods cost a few microseconds and never fail."""

    folder: EpisodeFolder
    choice: Choice
    known: int
    """Steps that are in the trace."""
    exporter: "Exporter"
    times: TimesWriter = field(init=False)
    ended: str | None = None
    """The status it ended with, once it has."""
    closed: bool = False
    sent: int = 0
    told: str | None = None
    """The status its end was told with."""
    source: EpisodeSource | None = None
    file: SentFile | None = None
    ending: bool = False
    """Whether its end is loaded."""

    def __post_init__(self) -> None:
        self.times = TimesWriter(self.folder)

    def played(self, record: StepRecord) -> None:
        """Say that a step has been written to the trace."""
        self.times.played(record, time.time_ns() // 1000)
        self.known = record.step
        self.exporter.wake()

    def end(self, result: EpisodeResult) -> None:
        """Say that the episode's result has been written."""
        self.ended = result.status
        self.exporter.wake()

    def close(self) -> None:
        """Say that nobody plays it any more."""
        self.closed = True
        self.exporter.wake()

    @property
    def pending(self) -> bool:
        """Whether there is something to send."""
        return self.sent < self.known or self.told != self.ended


class Exporter:
    """The sender of a process. Its thread starts with the first episode and never holds the process up."""

    def __init__(self, wire: Wire | None = None) -> None:
        self._wire = wire or Wire()
        self._courier = Courier(self._wire)
        self._episodes: list[LiveEpisode] = []
        self._lock = threading.Lock()
        self._work, self._closing = threading.Event(), threading.Event()
        self._thread: threading.Thread | None = None
        self._opened = self._gave_up = self._closed = False
        self._deadline = 0.0
        self._trouble: LangSmithFailure | None = None

    def episode(self, folder: EpisodeFolder, choice: Choice, steps: int) -> LiveEpisode:
        """Begin to send an episode, of which `steps` steps are in the trace already."""
        live = LiveEpisode(folder, choice, steps, self)
        with self._lock:
            if not self._gave_up:
                self._episodes.append(live)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="langsmith", daemon=True)
                self._thread.start()
        return live

    def wake(self) -> None:
        """Look for what is to be sent."""
        if not self._work.is_set():
            self._work.set()

    def begin_to_close(self, timeout: float = EXIT_S) -> None:
        """Send what there is within that many seconds, and nothing after it; `close` waits for it."""
        if not self._closing.is_set():
            self._deadline = time.monotonic() + timeout
            self._closing.set()
            self._work.set()

    def close(self, timeout: float = EXIT_S) -> None:
        """Send what there is, for at most that many seconds, and say what was not sent. Nothing is sent after it."""
        self.begin_to_close(timeout)
        if self._closed or self._thread is None:
            return
        self._closed = True
        self._thread.join(max(0.0, self._deadline - time.monotonic()))
        if self._thread.is_alive() and self._trouble is None:
            self._trouble = LangSmithFailure(f"LangSmith at {self._wire.url} is too slow")
        late = [live for live in self._episodes if live.pending]
        for live in self._episodes:
            self._note(live)
        if late and not self._gave_up:
            self._tell(late)

    def _tell(self, late: list[LiveEpisode]) -> None:
        runs = sorted({str(run_folder(live.folder).path) for live in late})
        why = f" ({str(self._trouble).rstrip('.')})" if self._trouble else ""
        more = f" and {len(runs) - 1} more" if len(runs) > 1 else ""
        steps = sum(live.known - live.sent for live in late)
        logger.warning(
            f"LangSmith: {steps} steps were not sent{why}: automem langsmith push {runs[0]}{more} sends them."
        )

    # In the thread

    def _run(self) -> None:
        with self._wire:
            self._send_on()

    def _send_on(self) -> None:
        wait = FIRST_WAIT_S
        while True:
            self._work.wait()
            self._closing.wait(GATHER_S)
            self._work.clear()
            last = self._closing.is_set()
            try:
                self._send()
                self._trouble, wait = None, FIRST_WAIT_S
            except LangSmithFailure as failure:
                self._trouble = failure
                if failure.lasting:
                    self._gave_up = True
                    logger.warning(f"LangSmith: {failure} Nothing is sent; automem langsmith push sends a run later.")
                    return
                self._work.set()
                if not last:
                    self._closing.wait(max(wait, failure.wait_s))
                wait = min(2 * wait, LONGEST_WAIT_S)
            if last:
                return

    def _send(self) -> None:
        if not self._opened:
            self._wire.open()
            self._opened = True
        self._check_time()
        self._courier.send()  # what an earlier try left
        for live in list(self._episodes):
            self._check_time()
            try:
                self._load(live)
            except TraceFailure as failure:
                logger.warning(f"LangSmith: {live.folder.path} is sent no further: {failure}")
                self._drop(live)
        self._courier.send()
        for live in list(self._episodes):
            if live.closed and not live.pending:
                self._drop(live)

    def _check_time(self) -> None:
        """LangSmithFailure once the process waits for us no more: what we say was not sent is not sent after all."""
        if self._closing.is_set() and time.monotonic() > self._deadline:
            raise LangSmithFailure(f"LangSmith at {self._wire.url} is too slow.")

    def _load(self, live: LiveEpisode) -> None:
        """Load the steps of an episode that were not loaded before, and its end."""
        if live.source is None:
            live.file = SentFile(live.folder, self._wire, live.choice)
            sent = live.file.read()
            live.sent, live.told = sent.steps, sent.ended if live.ended is not None else None
            live.source = EpisodeSource(live.folder, live.choice, sent.steps)
        for shipment in live.source.steps():
            self._courier.take(shipment, partial(_arrived, live, shipment.step))
        if live.ended is not None and live.told != live.ended and not live.ending:
            result = read_result(live.folder)
            if result is not None and result.status == live.ended and result.steps == len(live.source):
                live.ending = True
                self._courier.take(live.source.end(result), partial(_told, live, live.ended))
            else:
                live.ended = live.told  # it is being played on already

    def _drop(self, live: LiveEpisode) -> None:
        with self._lock:
            self._episodes.remove(live)
        self._note(live)
        if live.source is not None:
            live.source.close()

    def _note(self, live: LiveEpisode) -> None:
        """Leave with the episode how far it was sent, so that a push later sends only the rest."""
        if live.file is None:
            return
        try:
            live.file.write(Sent(live.sent, live.told))
        except TraceFailure as failure:
            logger.warning(f"LangSmith: how far {live.folder.path} was sent could not be noted: {failure}")


def _arrived(live: LiveEpisode, step: int) -> None:
    live.sent = max(live.sent, step)


def _told(live: LiveEpisode, status: str) -> None:
    live.told = status


def begin_to_close() -> None:
    """Begin to send what is left, before the process ends; its end then waits only for what remains of EXIT_S."""
    for exporter in _EXPORTER:
        exporter.begin_to_close()


_EXPORTER: list[Exporter] = []
"""The one of this process, once an episode is traced."""
_BEGINNING = threading.Lock()


def live_episode(folder: EpisodeFolder, choice: Choice, steps: int) -> LiveEpisode | None:
    """Begin to send an episode if the environment asks for it (LANGSMITH_TRACING=true); else do nothing, None."""
    if not tracing_is_wanted():
        return None
    with _BEGINNING:
        if not _EXPORTER:
            _EXPORTER.append(Exporter())
            atexit.register(_EXPORTER[0].close)
    return _EXPORTER[0].episode(folder, choice, steps)

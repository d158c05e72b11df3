"""Sends episodes to LangSmith while they are played, from a thread of its own that reads their traces.

Play only says that one more step is in the trace: it hands over no data and waits for nothing, also where the server
is away. A warning at the end of the process says what was not sent and what the server refused; `automem langsmith
push RUN` sends both.
"""

import atexit
import logging
import threading
import time
from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass, field
from functools import partial

from traces.folders import EpisodeFolder, TraceFailure
from traces.langsmith_client import LangSmithClient, LangSmithFailure, tracing_is_wanted
from traces.langsmith_episode import Choice, EpisodeSource, StepRanges
from traces.langsmith_facts import TimesWriter, run_folder
from traces.langsmith_push import Batch, Progress, ProgressFile
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
    """Steps that have arrived or were refused."""
    end_sent: str | None = None
    """The status its end was sent with."""
    end_refused: bool = False
    refused: StepRanges = field(default_factory=StepRanges)
    source: EpisodeSource | None = None
    file: ProgressFile | None = None
    ending: bool = False
    """Whether its end is on its way."""

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
        """Say that it is not played on."""
        self.closed = True
        self.exporter.wake()

    @property
    def pending(self) -> bool:
        """Whether there is something to send."""
        return self.sent < self.known or self.end_sent != self.ended


class Exporter:
    """The sender of a process. Its thread starts with the first episode and never holds the process up."""

    def __init__(self, client: LangSmithClient | None = None) -> None:
        self._client = client or LangSmithClient()
        self._batch = Batch(self._client)
        self._episodes: list[LiveEpisode] = []
        self._lock = threading.Lock()
        self._work, self._closing = threading.Event(), threading.Event()
        self._thread: threading.Thread | None = None
        self._opened = self._gave_up = self._closed = False
        self._deadline = 0.0
        self._trouble: LangSmithFailure | None = None
        self._refused: Counter[str] = Counter()
        """Refused steps by run."""
        self._why_refused = ""

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
            self._trouble = LangSmithFailure(f"LangSmith at {self._client.url} is too slow")
        late = [live for live in self._episodes if live.pending]
        for live in self._episodes:
            self._note(live)
        if late and not self._gave_up:
            steps = sum(live.known - live.sent for live in late)
            why = f" ({str(self._trouble).rstrip('.')})" if self._trouble else ""
            runs = {str(run_folder(live.folder).path) for live in late}
            logger.warning(f"LangSmith: {steps} steps were not sent{why}: {_advice(runs)} sends them.")
        if self._refused:
            steps, why = self._refused.total(), self._why_refused.rstrip(".")
            logger.warning(f"LangSmith: {steps} steps were refused ({why}): {_advice(self._refused)} sends them again.")

    # In the thread

    def _run(self) -> None:
        with self._client:
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
            self._client.open()
            self._opened = True
        self._check_time()
        self._batch.send()  # what an earlier try left
        for live in list(self._episodes):
            self._check_time()
            try:
                self._load(live)
            except TraceFailure as failure:
                logger.warning(f"LangSmith: {live.folder.path} is sent no further: {failure}")
                self._drop(live)
        self._batch.send()
        for live in list(self._episodes):
            if live.closed and not live.pending:
                self._drop(live)

    def _check_time(self) -> None:
        """Raise LangSmithFailure once the process waits no longer: what is reported as not sent is not sent later."""
        if self._closing.is_set() and time.monotonic() > self._deadline:
            raise LangSmithFailure(f"LangSmith at {self._client.url} is too slow.")

    def _load(self, live: LiveEpisode) -> None:
        """Take up the steps of an episode that are new in its trace, and its end."""
        if live.source is None:
            live.file = ProgressFile(live.folder, self._client, live.choice)
            before = live.file.read()
            live.sent, live.refused = before.steps, before.refused
            live.end_sent = before.ended if live.ended is not None else None
            live.source = EpisodeSource(live.folder, live.choice, before.steps)
        for outgoing in live.source.steps():
            step = self._client.encode(outgoing.runs, outgoing.feedback)
            self._batch.add(step, partial(self._step_sent, live, outgoing.step))
            self._batch.send_full()
        if live.ended is not None and live.end_sent != live.ended and not live.ending:
            result = read_result(live.folder)
            if result is not None and result.status == live.ended and result.steps == len(live.source):
                live.ending = True
                end = live.source.end(result)
                step = self._client.encode(end.runs, end.feedback)
                self._batch.add(step, partial(self._end_sent, live, live.ended))
            else:
                live.ended = live.end_sent  # it is being played on already

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
            ended = None if live.end_refused else live.end_sent
            live.file.write(Progress(live.sent, ended, live.refused))
        except TraceFailure as failure:
            logger.warning(f"LangSmith: how far {live.folder.path} was sent could not be noted: {failure}")

    def _step_sent(self, live: LiveEpisode, step: int, refused: str | None) -> None:
        live.sent = step
        if refused:
            live.refused.add(step)
            self._count_refused(live, refused)

    def _end_sent(self, live: LiveEpisode, status: str, refused: str | None) -> None:
        live.end_sent, live.end_refused = status, bool(refused)
        if refused:
            self._count_refused(live, refused)

    def _count_refused(self, live: LiveEpisode, why: str) -> None:
        self._refused[str(run_folder(live.folder).path)] += 1
        self._why_refused = self._why_refused or why


def _advice(runs: Collection[str]) -> str:
    more = f" and {len(runs) - 1} more" if len(runs) > 1 else ""
    return f"automem langsmith push {min(runs)}{more}"


def begin_to_close() -> None:
    """Begin to send what is left, before the process ends; its end then waits only for what remains of EXIT_S."""
    for exporter in _EXPORTER:
        exporter.begin_to_close()


def close() -> None:
    """Wait for what is left to be sent, and say what was not; once in a process, the next times it does nothing."""
    for exporter in _EXPORTER:
        exporter.close()


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

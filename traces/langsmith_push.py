"""Sends a run's episodes to LangSmith after they were played, in bounded memory; broken off, it goes on from there."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

from traces.folders import EpisodeFolder, RunFolder
from traces.langsmith_courier import Courier, Sent, SentFile
from traces.langsmith_episode import Choice, EpisodeSource
from traces.langsmith_wire import LangSmithFailure, Wire
from traces.records import EpisodeResult
from traces.results import read_result

TRIES = 6
LONGEST_S = 60.0
"""Of a wait between two tries."""


@dataclass(slots=True)
class Pushed:
    """What a push did."""

    episodes: int = 0
    steps: int = 0
    """Sent now; steps that were left out by sampling count as well."""
    before: int = 0
    """Steps sent by an earlier push, or live."""
    damaged: list[str] = field(default_factory=list)
    """What is wrong with the files of episodes that were left out for it."""
    refused: list[str] = field(default_factory=list)
    """What the server said of steps that it would not take."""


def push(
    run: RunFolder,
    wire: Wire,
    choice: Choice,
    report: Callable[[EpisodeFolder, int, int], None],
    wait: Callable[[float], None] = time.sleep,
) -> Pushed:
    """Send what of a run has not been sent; `report` is told of the episode, the steps sent and those there are.

    Episodes whose files are damaged are left out. LangSmithFailure where the server stays away; TraceFailure and
    TraceDamaged where a trace cannot be read.
    """
    done = Pushed()
    steadily = _Steadily(wait)
    steadily.do(wire.open)
    for folder in run.episodes():
        result = read_result(folder, content=True)  # before its steps: what is being played ends after them
        if result is not None and result.status == "damaged" and result.failure is not None:
            done.damaged.append(result.failure.sentence)
        elif folder.steps.exists():
            _push_episode(folder, result, wire, choice, done, steadily, report)
            done.episodes += 1
    return done


def _push_episode(
    folder: EpisodeFolder,
    result: EpisodeResult | None,
    wire: Wire,
    choice: Choice,
    done: Pushed,
    steadily: "_Steadily",
    report: Callable[[EpisodeFolder, int, int], None],
) -> None:
    file = SentFile(folder, wire, choice)
    before = file.read()
    courier = Courier(wire)
    at = written = before.steps
    source = EpisodeSource(folder, choice, before.steps)

    def arrived(step: int) -> None:
        nonlocal at
        at = max(at, step)

    try:
        done.before += min(before.steps, len(source))
        for shipment in source.steps():
            steadily.do(partial(courier.take, shipment, partial(arrived, shipment.step)), courier.send)
            if at > written:
                file.write(Sent(at))
                written = at
                report(folder, at, len(source))
        if result is not None and result.steps == len(source) and (before.ended != result.status or at > before.steps):
            steadily.do(partial(courier.take, source.end(result), lambda: None), courier.send)
        steadily.do(courier.send)
        done.steps += len(source) - min(before.steps, len(source))
        file.write(Sent(len(source), result.status if result else None))
        report(folder, len(source), len(source))
    finally:
        done.refused += courier.refused
        source.close()


class _Steadily:
    """Tries again where the server is away for a moment."""

    def __init__(self, wait: Callable[[float], None]) -> None:
        self._wait = wait

    def do(self, first: Callable[[], None], again: Callable[[], None] | None = None) -> None:
        """Do `first`, and where that failed, `again` (the same, if not given). LangSmithFailure after TRIES tries."""
        work = first
        for number in range(1, TRIES + 1):
            try:
                work()
                return
            except LangSmithFailure as failure:
                if failure.lasting or number == TRIES:
                    raise
                self._wait(min(max(failure.wait_s, 2.0**number / 2), LONGEST_S))
                work = again or first

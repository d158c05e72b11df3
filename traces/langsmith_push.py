"""Sends episodes to LangSmith after they were played, in bounded memory; interrupted, it continues from there.

Also what live export (langsmith_export.py) shares with it: steps gathered into requests, and the file that says how
far an episode has been sent and which of its steps the server refused.
"""

import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from tenacity import RetryCallState, Retrying, retry_if_exception, stop_after_attempt

from traces.folders import EpisodeFolder, RunFolder
from traces.langsmith_client import AlreadyThere, EncodedStep, LangSmithClient, LangSmithFailure, RequestRefused
from traces.langsmith_episode import Choice, EpisodeSource, StepRanges
from traces.plain_json import read_file, write_file
from traces.records import EpisodeResult
from traces.results import read_result

ATTEMPTS = 6
LONGEST_S = 60.0
"""Of a wait between two attempts."""
BATCH_BYTES = 2_000_000
"""A request is sent once it holds that much, or as many runs as the server takes in one: some ten steps."""

Done = Callable[[str | None], None]
"""Called once a step has arrived (None), or was refused for good: what the server said."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far an episode has been sent to one project."""

    steps: int = 0
    ended: str | None = None
    """The status its end was sent with, if it was."""
    refused: StepRanges = field(default_factory=StepRanges)
    """Of these steps, those that the server refused: they are not there, and a push sends them again."""


class ProgressFile:
    """langsmith.json in an episode's folder: how far it has been sent, by address, project and choice."""

    def __init__(self, folder: EpisodeFolder, client: LangSmithClient, choice: Choice) -> None:
        self._path: Path = folder.path / "langsmith.json"
        hidden = f" without {','.join(sorted(choice.hide))}" if choice.hide else ""
        sampled = f" sample {choice.sample:g}" if choice.sample < 1 else ""
        self._key = f"{client.url} {client.project}{sampled}{hidden}"

    def read(self) -> Progress:
        """Return what was sent; nothing where there is no file. Raises TraceFailure or TraceDamaged."""
        known = self._all().get(self._key, {})
        return Progress(int(known.get("steps", 0)), known.get("ended"), StepRanges(known.get("refused", ())))

    def write(self, progress: Progress) -> None:
        """Write what was sent. Raises TraceFailure."""
        known: dict[str, Any] = {"steps": progress.steps, "ended": progress.ended}
        if progress.refused:
            known["refused"] = progress.refused.ranges
        write_file(self._path, {**self._all(), self._key: known})

    def _all(self) -> dict[str, Any]:
        found = read_file(self._path) if self._path.exists() else {}
        return found if isinstance(found, dict) else {}


class Batch:
    """Gathers steps into requests. Where sending raises LangSmithFailure the steps stay: send again."""

    def __init__(self, client: LangSmithClient) -> None:
        self._client = client
        self._steps: list[tuple[EncodedStep, Done]] = []

    def add(self, step: EncodedStep, done: Done) -> None:
        """Add a step."""
        self._steps.append((step, done))

    def send_full(self) -> None:
        """Send while there is enough for a request."""
        while self._is_full():
            self._send_some()

    def send(self) -> None:
        """Send everything."""
        while self._steps:
            self._send_some()

    def _is_full(self) -> bool:
        operations = sum(step.operations for step, _ in self._steps)
        return operations > self._client.operations or sum(step.size for step, _ in self._steps) >= BATCH_BYTES

    def _send_some(self) -> None:
        """Send as many of the first steps as fit in one request; one step alone may need several."""
        count, operations = 0, 0
        for step, _ in self._steps:
            operations += step.operations
            if count and operations > self._client.operations:
                break
            count += 1
        if count == 1:
            self._send_one()
            return
        try:
            self._post([step for step, _ in self._steps[:count]])
        except RequestRefused:  # because of one of them: find which
            for _ in range(count):
                self._send_one()
        else:
            self._finish(count)

    def _send_one(self) -> None:
        try:
            self._post([self._steps[0][0]])
        except AlreadyThere:
            self._finish(1)
        except RequestRefused as refused:
            self._finish(1, str(refused))
        else:
            self._finish(1)

    def _finish(self, count: int, refused: str | None = None) -> None:
        for _, done in self._steps[:count]:
            done(refused)
        del self._steps[:count]

    def _post(self, steps: Sequence[EncodedStep]) -> None:
        runs = [run for step in steps for run in step.runs]
        feedback = [one for step in steps for one in step.feedback]
        limit = self._client.operations
        if len(runs) + len(feedback) <= limit:
            if runs or feedback:  # steps that were not sampled have neither
                self._client.send(runs, feedback)
            return
        parts: list[tuple[list[bytes], list[bytes]]] = [
            (runs[start : start + limit], []) for start in range(0, len(runs), limit)
        ]
        parts += [([], feedback[start : start + limit]) for start in range(0, len(feedback), limit)]
        for part in parts:  # of one step: what is there already is no reason to leave the rest out
            with suppress(AlreadyThere):
                self._client.send(*part)


@dataclass(slots=True)
class Pushed:
    """What a push did."""

    episodes: int = 0
    steps: int = 0
    """Sent now; steps that were left out by sampling count as well."""
    before: int = 0
    """Steps sent by an earlier push, or live."""
    damaged: list[str] = field(default_factory=list)
    """What is wrong with the files of episodes that were left out because of it."""
    refused: int = 0
    """Steps that the server refused now."""
    why: str = ""
    """What the server said of the first of them."""


Report = Callable[[EpisodeFolder, int, int], None]


def push(
    run: RunFolder, client: LangSmithClient, choice: Choice, report: Report, wait: Callable[[float], None] = time.sleep
) -> Pushed:
    """Send what of a run is not there; `report` gets the episode, the steps sent and those it has.

    Steps that the server refused earlier are sent again. Episodes whose files are damaged are left out.
    LangSmithFailure where the server stays away; TraceFailure and TraceDamaged where a trace cannot be read.
    """
    done = Pushed()
    retrying = _retrying(wait)
    retrying(client.open)
    for folder in run.episodes():
        result = read_result(folder, content=True)  # before its steps: what is being played ends after them
        if result is not None and result.status == "damaged" and result.failure is not None:
            done.damaged.append(result.failure.sentence)
        elif folder.steps.exists():
            _EpisodePush(folder, result, client, choice, done, retrying, report).send()
            done.episodes += 1
    return done


def _retrying(wait: Callable[[float], None]) -> Retrying:
    """Return what makes ATTEMPTS attempts where the server is away for seconds."""

    def seconds(state: RetryCallState) -> float:
        failure = state.outcome.exception() if state.outcome else None
        asked = failure.wait_s if isinstance(failure, LangSmithFailure) else 0.0
        return min(max(asked, 2.0**state.attempt_number / 2), LONGEST_S)

    passing = retry_if_exception(lambda error: isinstance(error, LangSmithFailure) and not error.lasting)
    return Retrying(stop=stop_after_attempt(ATTEMPTS), wait=seconds, retry=passing, sleep=wait, reraise=True)


@dataclass(slots=True)
class _EpisodePush:
    """One episode on its way."""

    folder: EpisodeFolder
    result: EpisodeResult | None
    client: LangSmithClient
    choice: Choice
    done: Pushed
    retrying: Retrying
    report: Report
    at: int = 0
    """The last step that was dealt with."""
    refused: StepRanges = field(default_factory=StepRanges)
    """Refused now."""

    def send(self) -> None:
        """Send what is not there."""
        file = ProgressFile(self.folder, self.client, self.choice)
        before = file.read()
        batch = Batch(self.client)
        ended = before.ended
        written = 0
        source = EpisodeSource(self.folder, self.choice, before.steps, before.refused)

        def end_sent(status: str, refused: str | None) -> None:
            nonlocal ended
            ended = None if refused else status
            self._count(refused)

        try:
            self.done.before += min(before.steps, len(source)) - len(before.refused)
            for outgoing in source.steps():
                step = self.client.encode(outgoing.runs, outgoing.feedback)
                batch.add(step, partial(self._step_sent, outgoing.step))
                self.retrying(batch.send_full)
                if self.at > written:
                    written = self.at
                    file.write(self._progress(before, before.ended))
                    self.report(self.folder, max(self.at, before.steps), len(source))
            self.retrying(batch.send)
            result = self.result
            if result is not None and result.steps == len(source) and (ended != result.status or self.at):
                end = source.end(result)
                batch.add(self.client.encode(end.runs, end.feedback), partial(end_sent, result.status))
                self.retrying(batch.send)
            self.done.steps += len(source) - min(before.steps, len(source)) + len(before.refused) - len(self.refused)
            self.at = len(source)
            file.write(self._progress(before, ended))
            self.report(self.folder, len(source), len(source))
        finally:
            source.close()

    def _step_sent(self, step: int, refused: str | None) -> None:
        self.at = step
        self._count(refused)
        if refused:
            self.refused.add(step)

    def _count(self, refused: str | None) -> None:
        if refused:
            self.done.refused += 1
            self.done.why = self.done.why or refused

    def _progress(self, before: Progress, ended: str | None) -> Progress:
        left = StepRanges([*self.refused.ranges, *before.refused.after(self.at)])
        return Progress(max(self.at, before.steps), ended, left)

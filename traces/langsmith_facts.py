"""Which episode, played by whom and when: what every run of it bears in LangSmith, read from its folders alone.

A trace holds how long steps took, not when they were played, so that the same seed gives the same bytes. LangSmith
wants times, and takes a run sent twice for one run only if its times are the same too. So a step begins where the one
before it ended; an episode that is traced live leaves beside its trace where that would be wrong (times.jsonl: one line
where it was resumed, and wherever play had paused), and one that was not begins with its run.
"""

import hashlib
from collections import deque
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import orjson

from traces.folders import EpisodeFolder, RunFolder, TraceDamaged, disk_failure
from traces.records import StepRecord
from traces.run_file import read_run

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_DRIFT_US = 1_000_000
"""Microseconds that the computed time may differ from the clock's before a line corrects it."""
_CHUNK = 1 << 16


def run_folder(folder: EpisodeFolder) -> RunFolder:
    """Return the run that an episode's folder RUN/episodes/WORLD/TASK/seed-N belongs to."""
    return RunFolder(folder.path.resolve().parents[3])


def run_name(run: RunFolder) -> str:
    """Return what a run is called in LangSmith: its folder's name, and a digest, since others may have the same name.

    It stays when the folder is moved, not when it is renamed. TraceFailure where there is no run.json.
    """
    try:
        digest = hashlib.blake2b(run.run.read_bytes(), digest_size=4).hexdigest()
    except OSError as error:
        raise disk_failure("read", run.run, error) from error
    return f"{run.path.resolve().name}-{digest}"


@dataclass(frozen=True, slots=True)
class EpisodeFacts:
    """Which episode, and who played it with what."""

    run: str
    world: str
    task: str
    seed: int
    attempt: int
    began: int
    """When its run began, in microseconds since 1970."""
    scaffold: str
    """Such as WORLD/v3."""
    scaffold_digest: str
    model: str
    gameplay_model: str | None
    temperature: float | None
    max_tokens: int | None
    sampler: dict[str, float]
    """Which tokens were drawn from, as far as the run said."""
    metadata: dict[str, Any] = field(init=False)
    """What every run bears."""

    def __post_init__(self) -> None:
        metadata = {
            "thread_id": self.thread,
            "run": self.run,
            "world": self.world,
            "task": self.task,
            "seed": self.seed,
            "attempt": self.attempt,
            "scaffold": self.scaffold,
            "scaffold_version": self.version,
            "scaffold_digest": self.scaffold_digest,
            "memory_model": self.model,
            "gameplay_model": self.gameplay_model or self.model,
        }
        object.__setattr__(self, "metadata", metadata)

    @classmethod
    def read(cls, folder: EpisodeFolder) -> "EpisodeFacts":
        """Return the facts of an episode. TraceFailure or TraceDamaged where its run.json does not hold them."""
        run = run_folder(folder)
        world, task, seed = folder.path.resolve().parts[-3:]
        name, recorded = run_name(run), read_run(run)
        try:
            settings = recorded["configuration"]["settings"]  # type: ignore[index]  # missing: the same sentence
            return cls(
                run=name,
                world=world,
                task=task,
                seed=int(seed.removeprefix("seed-")),
                attempt=folder.attempt,
                began=microseconds(recorded["started"]),  # type: ignore[index]
                scaffold="/".join(Path(settings["scaffold"]).parts[-2:]),
                scaffold_digest=recorded["configuration"]["scaffold_digest"],  # type: ignore[index]
                model=settings["model"],
                gameplay_model=settings.get("gameplay_model"),
                temperature=settings.get("temperature"),
                max_tokens=settings.get("max_tokens"),
                sampler=settings.get("sampler") or {},
            )
        except (KeyError, TypeError, ValueError) as error:
            raise TraceDamaged(f"{run.run} does not say how {folder.path} was played ({error!r})") from error

    @property
    def episode(self) -> str:
        """Its name for people."""
        return f"{self.world}/{self.task} seed {self.seed}"

    @property
    def thread(self) -> str:
        """The thread in LangSmith that its steps form."""
        again = f"/attempt-{self.attempt}" if self.attempt > 1 else ""
        return f"{self.run}/{self.world}/{self.task}/seed-{self.seed}{again}"

    @property
    def version(self) -> str:
        """The scaffold's version, such as v3."""
        return self.scaffold.rsplit("/", 1)[-1]

    def candidate(self, step: int, routine: str) -> str:
        """Return the id of a memory decision, as `training.source.CandidateId` writes it."""
        return f"{self.world}/{self.task}/seed-{self.seed}/step-{step}/{routine}"


def iso(microseconds: int) -> str:
    """Return a time, in microseconds since 1970, as ISO 8601 in UTC."""
    return (_EPOCH + timedelta(microseconds=microseconds)).isoformat(timespec="microseconds")


def microseconds(text: str) -> int:
    """Return the microseconds since 1970 of an ISO 8601 time."""
    return (datetime.fromisoformat(text) - _EPOCH) // timedelta(microseconds=1)


def took(seconds: float) -> int:
    """Return recorded seconds as microseconds."""
    return round(seconds * 1e6)


def times_file(folder: EpisodeFolder) -> Path:
    """Return the file of an episode's corrections."""
    return folder.path / "times.jsonl"


class StepTimes:
    """When the steps of an episode began, asked in order, in bounded memory."""

    def __init__(self, folder: EpisodeFolder, run_began: int) -> None:
        self._now = run_began
        self._path = times_file(folder)
        self._read = 0
        self._corrections: deque[tuple[int, int]] = deque()

    def begin(self, record: StepRecord) -> int:
        """Return when the next step began, in microseconds since 1970."""
        while (self._corrections or self._found_more()) and self._corrections[0][0] <= record.step:
            _, self._now = self._corrections.popleft()
        began, self._now = self._now, self._now + took(record.latency_s)
        return began

    @property
    def now(self) -> int:
        """Where the last step asked about ended."""
        return self._now

    def _found_more(self) -> bool:
        """Read the next corrections, also those written meanwhile; whether there are any."""
        try:
            if self._path.stat().st_size <= self._read:
                return False
            with self._path.open("rb") as file:
                file.seek(self._read)
                whole, end, _ = file.read(_CHUNK).rpartition(b"\n")
        except OSError:
            return False
        self._read += len(whole) + len(end)
        self._corrections.extend(found for line in whole.split(b"\n") if (found := _correction(line)) is not None)
        return bool(self._corrections)


class TimesWriter:
    """Notes the steps of an episode as they are played, and writes a line where the computed time would be wrong."""

    def __init__(self, folder: EpisodeFolder) -> None:
        self._path = times_file(folder)
        self._expected: int | None = None

    def played(self, record: StepRecord, now: int) -> None:
        """Note a step that ended `now` (microseconds since 1970). Where the disk refuses, times are only less exact."""
        began = now - took(record.latency_s)
        if self._expected is None or abs(began - self._expected) > _DRIFT_US:
            self._expected = began
            try:
                with self._path.open("ab") as file:  # begun with a line end: a torn line before it stays alone
                    file.write(b"\n" + orjson.dumps({"step": record.step, "began": iso(began)}) + b"\n")
            except OSError:
                return
        self._expected += took(record.latency_s)


def _correction(line: bytes) -> tuple[int, int] | None:
    """Return the step and the time of a line; None for an empty or torn one."""
    try:
        found = orjson.loads(line)
        return int(found["step"]), microseconds(found["began"])
    except (ValueError, KeyError, TypeError):
        return None

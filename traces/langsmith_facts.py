"""What every run of an episode says of it in LangSmith: read from the folders alone, so that it is always the same."""

import hashlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from traces.folders import EpisodeFolder, RunFolder, TraceDamaged, disk_failure
from traces.langsmith_times import microseconds
from traces.run_file import read_run


def run_folder(folder: EpisodeFolder) -> RunFolder:
    """Return the run that an episode's folder RUN/episodes/WORLD/TASK/seed-N belongs to."""
    return RunFolder(folder.path.resolve().parents[3])


def run_name(run: RunFolder) -> str:
    """Return what a run is called in LangSmith: its folder's name, and a digest that tells it from its namesakes.

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
    metadata: dict[str, Any] = field(init=False)
    """What every run bears."""

    def __post_init__(self) -> None:
        told = {
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
        object.__setattr__(self, "metadata", told)

    @classmethod
    def read(cls, folder: EpisodeFolder) -> "EpisodeFacts":
        """Return the facts of an episode. TraceFailure or TraceDamaged where its run.json does not tell them."""
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
            )
        except (KeyError, TypeError, ValueError) as error:
            raise TraceDamaged(f"{run.run} does not tell how {folder.path} was played ({error!r})") from error

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

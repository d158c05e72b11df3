"""Where the files of a run lie, and the two ways the room can fail.

runs/NAME/run.json, summary.json, and per episode episodes/WORLD/TASK/seed-N/ with steps.jsonl.zst, journal.jsonl,
memory/, and at its end episode.json (finished), failure.json (failed) or limited.json (stopped at a ceiling).
"""

import errno
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path


class TraceFailure(RuntimeError):
    """The machine failed a trace (disk full, not writable, file gone); one sentence: what, where, what to do."""


class TraceDamaged(TraceFailure):
    """A file of a trace does not say what its format promises; the sentence names file and line."""


_ADVICE = {
    errno.ENOSPC: "the disk is full: free some space, then resume the episode",
    errno.EDQUOT: "the disk quota is used up: free some space, then resume the episode",
    errno.EACCES: "this user may not write there: change the permissions or choose another folder",
    errno.EPERM: "this user may not write there: change the permissions or choose another folder",
    errno.EROFS: "the file system is read-only: choose another folder",
    errno.EEXIST: "there is a file where a folder is needed: move it or choose another folder",
    errno.ENOTDIR: "there is a file where a folder is needed: move it or choose another folder",
    errno.ENOENT: "it does not exist: check the path",
}


def disk_failure(doing: str, path: Path, error: OSError) -> TraceFailure:
    """Return the failure to raise from `error`; `doing` completes "cannot ..."."""
    advice = _ADVICE.get(error.errno or 0, error.strerror or str(error))
    return TraceFailure(f"cannot {doing} {path}: {advice}")


@contextmanager
def disk_failures() -> Iterator[None]:
    """TraceFailure in place of an OSError of the disk, for work whose own functions do not translate every one."""
    try:
        yield
    except OSError as error:
        if error.errno is None or error.filename is None:
            raise  # no file's: a network's or a process's, which has other words
        raise disk_failure("use", Path(os.fsdecode(error.filename)), error) from error


def _component(name: str, what: str) -> str:
    if not name or name in {".", ".."} or any(c in "/\\" or ord(c) < 32 for c in name):
        raise ValueError(
            f"{what} {name!r} cannot name a folder of a run: use a name without slashes or control characters"
        )
    return name


@dataclass(frozen=True, slots=True)
class EpisodeFolder:
    """One episode's folder, episodes/WORLD/TASK/seed-N, whether it exists yet or not."""

    path: Path

    @property
    def steps(self) -> Path:
        """The trace: a line per step, plain JSON, compressed (see frames.py)."""
        return self.path / "steps.jsonl.zst"

    @property
    def result(self) -> Path:
        """The result; its presence means the episode finished."""
        return self.path / "episode.json"

    @property
    def failure(self) -> Path:
        """The result of an attempt that failed and has not been resumed."""
        return self.path / "failure.json"

    @property
    def limited(self) -> Path:
        """The result of an attempt that a ceiling stopped and that has not been resumed."""
        return self.path / "limited.json"

    @property
    def memory(self) -> Path:
        """The notebook's files."""
        return self.path / "memory"

    @property
    def journal(self) -> Path:
        """The notebook's history."""
        return self.path / "journal.jsonl"

    @property
    def effects(self) -> Path:
        """What its memory operations did, where that was measured (see effects.py)."""
        return self.path / "effects.jsonl"

    @property
    def attempt(self) -> int:
        """The number of the present attempt: 1, and one more for each attempt set aside."""
        return self._next("attempt-", "")

    def is_finished(self) -> bool:
        """Say whether the episode has its result."""
        return self.result.exists()

    def require_present_format(self) -> None:
        """Raise TraceDamaged where the trace is one of format 1, as releases before format 2 wrote it."""
        old = self.path / "steps.jsonl"
        if old.exists() and not self.steps.exists():
            raise TraceDamaged(f"{old} has format 1, not 2: read it with the version that wrote it")

    def create(self) -> None:
        """Make the folder. Raises TraceFailure."""
        try:
            self.path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise disk_failure("make the folder", self.path, error) from error

    def set_failure_aside(self) -> Path | None:
        """Rename failure.json to failure-N.json (limited.json likewise): the episode goes on. The new path."""
        moved = None
        for path in (self.limited, self.failure):
            if path.exists():
                number = self._next(f"{path.stem}-", ".json")
                moved = self._move(path, self.path / f"{path.stem}-{number}.json")
        return moved

    def set_attempt_aside(self) -> Path | None:
        """Move everything of the present attempt, unchanged, to attempt-N/ so that the next starts clean."""
        earlier = {f"attempt-{number}" for number in range(1, self.attempt)}
        try:
            here = [entry for entry in self.path.iterdir() if entry.name not in earlier]
        except FileNotFoundError:
            return None
        if not here:
            return None
        target = EpisodeFolder(self.path / f"attempt-{self.attempt}")
        target.create()
        for entry in here:
            self._move(entry, target.path / entry.name)
        return target.path

    def _next(self, before: str, after: str) -> int:
        number = 1
        while (self.path / f"{before}{number}{after}").exists():
            number += 1
        return number

    @staticmethod
    def _move(source: Path, target: Path) -> Path:
        try:
            return source.rename(target)
        except OSError as error:
            raise disk_failure(f"move {source} to", target, error) from error


_SEED = re.compile(r"seed-(0|-?[1-9][0-9]*)")
"""The name of an episode's folder: each seed has exactly one, so that a copy beside it cannot count twice."""


@dataclass(frozen=True, slots=True)
class RunFolder:
    """One run's folder, whether it exists yet or not."""

    path: Path

    @property
    def run(self) -> Path:
        """Configuration, versions and host."""
        return self.path / "run.json"

    @property
    def summary(self) -> Path:
        """The scores, written when all episodes ended."""
        return self.path / "summary.json"

    def episode(self, world: str, task: str, seed: int) -> EpisodeFolder:
        """Return the folder of one episode. Raises ValueError where world or task cannot name a folder."""
        names = _component(world, "world"), _component(task, "task"), f"seed-{seed}"
        return EpisodeFolder(self.path.joinpath("episodes", *names))

    def episodes(self) -> Iterator[EpisodeFolder]:
        """Yield the folders of all episodes begun, by world, task and seed."""
        found = (path for path in self.path.glob("episodes/*/*/seed-*") if _SEED.fullmatch(path.name))
        for path in sorted(found, key=lambda p: (p.parts[-3:-1], len(p.name), p.name)):
            yield EpisodeFolder(path)

    def strays(self) -> list[Path]:
        """Return what lies beside episodes under another name than theirs, such as a copy; it is no episode."""
        return sorted(path for path in self.path.glob("episodes/*/*/*") if not _SEED.fullmatch(path.name))

"""Where the files of a search lie: its run folder, and the folder of each attempt."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from graphs.loop_run import LoopFolder
from traces import RunFolder


@dataclass(frozen=True, slots=True)
class AttemptFolder:
    """One attempt's folder, attempts/v1.a1 or, for a continuation, attempts/v1.a1.c1."""

    path: Path

    @property
    def candidate(self) -> Path:
        """The working copy, a scaffold folder: all that the reviewer may write, with `notes`."""
        return self.path / "candidate"

    @property
    def notes(self) -> Path:
        """The reviewer's analysis."""
        return self.path / "notes"

    @property
    def transcript(self) -> Path:
        """The reviewer's conversation, one message per line."""
        return self.path / "review.jsonl"

    @property
    def reviews(self) -> Path:
        """One entry for each time the reviewer was asked and has finished."""
        return self.path / "reviews.json"

    @property
    def check(self) -> Path:
        """What each check found, with the digest of what it looked at."""
        return self.path / "check.json"

    @property
    def probe(self) -> Path:
        """Run folders of the short episodes of the check, one per check."""
        return self.path / "probe"

    @property
    def answers(self) -> Path:
        """What a person answered when asked for approval."""
        return self.path / "approval.json"

    @property
    def evaluation(self) -> RunFolder:
        """The candidate on the gate seeds."""
        return RunFolder(self.path / "evaluation")

    def fresh(self, who: str) -> RunFolder:
        """The "incumbent" or the "candidate" on the seeds drawn for this attempt."""
        return RunFolder(self.path / "fresh" / who)

    @property
    def verdict(self) -> Path:
        """The gate's verdict."""
        return self.path / "verdict.json"

    def runs(self) -> list[RunFolder]:
        """Everything that was played for it. Its candidate's files are not looked at: a reviewer wrote those."""
        found = [path for pattern in ("probe/*", "fresh/*") for path in sorted(self.path.glob(pattern))]
        return [run for run in (self.evaluation, *map(RunFolder, found)) if run.run.exists()]


@dataclass(frozen=True, slots=True)
class SearchFolder(LoopFolder):
    """The run folder of a search. Its run.json is called evolve.json."""

    @property
    def run(self) -> Path:
        """Settings, versions and host of the search."""
        return self.path / "evolve.json"

    def version(self, number: int) -> Path:
        """The scaffold folder of an accepted version; 0 is the start."""
        return self.path / "versions" / f"v{number}"

    @property
    def start(self) -> RunFolder:
        """The start on the gate seeds."""
        return RunFolder(self.path / "evaluations" / "v0")

    def attempt(self, name: str) -> AttemptFolder:
        """The folder of an attempt."""
        return AttemptFolder(self.path / "attempts" / name)

    def control(self, name: str) -> AttemptFolder:
        """The control arm of an attempt: the incumbent in the candidate's place, with other samples."""
        return AttemptFolder(self.path / "controls" / name)

    def holdout(self, number: int) -> RunFolder:
        """A version on the hold-out seeds."""
        return RunFolder(self.path / "holdout" / f"v{number}")

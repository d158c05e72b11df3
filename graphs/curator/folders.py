"""Where the files of a run of loop 2 lie: its run folder, and the folder of each iteration."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from graphs.loop_run import LoopFolder
from traces import RunFolder
from training.ledger import FILE as LEDGER

LETTERS = "ab"
"""Names of an iteration's trainings: a recipe has one or two configurations."""


@dataclass(frozen=True, slots=True)
class IterationFolder:
    """One iteration's folder, iterations/N; `graphs.curator.workspace` lists the curator's own files in it."""

    path: Path

    @property
    def selected(self) -> Path:
        """The selection, id and reason."""
        return self.path / "selection" / "selected.jsonl"

    @property
    def transcript(self) -> Path:
        """The curator's conversation."""
        return self.path / "curator.jsonl"

    @property
    def curations(self) -> Path:
        """How each round of the curator ended."""
        return self.path / "curations.json"

    @property
    def dataset(self) -> Path:
        """What is trained on; postprocess.json beside it."""
        return self.path / "dataset.jsonl"

    @property
    def certified(self) -> Path:
        """What each round's certification found."""
        return self.path / "certified.json"

    @property
    def answers(self) -> Path:
        """What a person answered when asked for approval."""
        return self.path / "approval.json"

    @property
    def adapters(self) -> Path:
        """The trainings' output folders."""
        return self.path / "adapters"

    def adapter(self, letter: str) -> Path:
        """The output folder of a training."""
        return self.adapters / letter

    def evaluation(self, letter: str) -> RunFolder:
        """Its specialist, with the gameplay model, on the validation seeds."""
        return RunFolder(self.path / "evaluations" / letter)


@dataclass(frozen=True, slots=True)
class SpecializationFolder(LoopFolder):
    """The run folder of loop 2. Its run.json is called specialize.json."""

    @property
    def run(self) -> Path:
        """Settings, versions and host."""
        return self.path / "specialize.json"

    @property
    def ledger(self) -> Path:
        """One line per training, and per control."""
        return self.path / LEDGER

    @property
    def collect(self) -> RunFolder:
        """The training episodes."""
        return RunFolder(self.path / "collect")

    @property
    def candidates(self) -> Path:
        """Features of every candidate; in a folder of its own, which a policy's code may read."""
        return self.path / "candidates" / "candidates.jsonl"

    def iteration(self, number: int) -> IterationFolder:
        """The folder of an iteration, from 1."""
        return IterationFolder(self.path / "iterations" / str(number))

    def datasets(self) -> list[Path]:
        """What its iterations have trained on or will, the newest last."""
        found = self.path.glob("iterations/*/dataset.jsonl")
        return sorted(found, key=lambda path: int(path.parent.name) if path.parent.name.isdecimal() else 0)

    @property
    def baseline(self) -> RunFolder:
        """The untrained base in the specialist's place, through the same handoff, on the validation seeds."""
        return RunFolder(self.path / "controls" / "base-handoff")

    @property
    def random_turns(self) -> IterationFolder:
        """The control that is trained on turns chosen by chance."""
        return IterationFolder(self.path / "controls" / "random-turns")

    @property
    def answers(self) -> Path:
        """What a person answered when asked about the final table."""
        return self.path / "approval.json"

    def final(self, who: str) -> RunFolder:
        """A player of the final table on the final seeds."""
        return RunFolder(self.path / "final" / who)

    @property
    def table(self) -> Path:
        """The final table."""
        return self.path / "final" / "table.json"

    @property
    def specialist_server(self) -> Path:
        """The output of the server that a merged specialist has last played on; its weights, while it does."""
        return self.path / "specialist-server"

    def evaluations(self) -> list[RunFolder]:
        """Everything that was played, or copied to learn from."""
        found = [
            self.collect.path,
            self.baseline.path,
            *self.path.glob("iterations/*/evaluations/*"),
            *self.path.glob("final/*"),
        ]
        return [run for run in map(RunFolder, found) if run.run.exists()]

    def transcripts(self) -> list[Path]:
        """All conversations of the curator."""
        return sorted(self.path.glob("iterations/*/curator.jsonl"))

    def trainings(self) -> list[Path]:
        """The output folders of all trainings, those that were set aside too."""
        patterns = ("iterations/*/adapters*/*", "controls/random-turns/adapters/*")
        return sorted(path for pattern in patterns for path in self.path.glob(pattern) if path.is_dir())

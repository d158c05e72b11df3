"""A lab folder, RUN-lab by default: which run's operations are measured in it, its sweeps, and what has begun.

```
LAB/lab.json                                  the run that is measured, by its path from here
LAB/sweep-KIND-HORIZON.json                   a sweep: its samples and operations, and whether it has ended
LAB/sweep-KIND-HORIZON.lock                   locked while the sweep goes on
LAB/WORLD/TASK/seed-N/STEP.INDEX/CHANGE/recording.json    which recording of the episode its samples belong to
LAB/WORLD/TASK/seed-N/STEP.INDEX/CHANGE/HORIZON-steps/sample-NN/ARM/    a run folder of one episode
```
Effects are kept beside the episodes that they are about (`traces.effects`).
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from graphs.settings import SettingsError
from lab.operations import Change
from traces import EpisodeFolder, RunFolder, TraceDamaged
from traces.effects import Effect, read_effects
from traces.plain_json import read_file, write_file

FILE = "lab.json"
_SWEEP = re.compile(r"sweep-(writes|recalls)-(\d+)\.json")

Key = tuple[str, str, int]
"""An operation's number, the change of it and the horizon."""


@dataclass(frozen=True, slots=True)
class Sweep:
    """A sweep as its file holds it."""

    samples: int
    operations: int = 0
    """That it measures, those included that are measured already; 0 where it is not known."""
    left_out: int = 0
    """Operations that cannot be changed."""
    ended: bool = False
    minutes: float = 0.0
    """That it was played, by all commands that went on with it."""


@dataclass(frozen=True, slots=True)
class StartedChange:
    """A change of an operation of which a sample has begun."""

    world: str
    task: str
    seed: int
    operation: str
    """STEP.INDEX."""
    change: str
    """Name of the change, `Change.name`."""
    horizon: int
    path: Path

    @property
    def key(self) -> Key:
        """Of its effect."""
        return self.operation, "file" if self.change.startswith("file-") else self.change, self.horizon

    def folder(self, sample: int, arm: str) -> EpisodeFolder:
        """The episode of an arm."""
        run = RunFolder(self.path / f"sample-{sample:02d}" / arm)
        return run.episode(self.world, self.task, self.seed)


@dataclass(frozen=True, slots=True)
class LabFolder:
    """The folder at `path`, which may not be there yet."""

    path: Path

    @property
    def file(self) -> Path:
        """Says which run is measured."""
        return self.path / FILE

    def run(self) -> RunFolder:
        """The run that is measured; its folder may have been moved. TraceFailure or TraceDamaged."""
        found = read_file(self.file)
        relative = found.get("run") if isinstance(found, dict) else None
        if not isinstance(relative, str):
            raise TraceDamaged(f"{self.file} does not name the run that is measured: restore it from a backup")
        return RunFolder(Path(os.path.normpath(self.path.resolve() / relative)))

    def begin(self, run: RunFolder) -> None:
        """Note which run is measured here. SettingsError where another one is; TraceFailure or TraceDamaged."""
        if self.file.exists():
            known = self.run()
            if known.path == run.path.resolve():
                return
            if known.path.exists():
                raise SettingsError(f"{self.path} holds measurements of {known.path}: give another `out`.")
        write_file(self.file, {"run": os.path.relpath(run.path.resolve(), self.path.resolve())})

    def sweep_file(self, kind: str, horizon: int) -> Path:
        """The file of a sweep of "writes" or "recalls"."""
        return self.path / f"sweep-{kind}-{horizon}.json"

    def sweep(self, kind: str, horizon: int) -> Sweep | None:
        """What its file holds; None where it has not begun. TraceFailure or TraceDamaged."""
        file = self.sweep_file(kind, horizon)
        return _sweep(file) if file.exists() else None

    def sweeps(self) -> Iterator[tuple[str, int, Path, Sweep]]:
        """Yield of each sweep its kind, horizon, lock and content. TraceFailure or TraceDamaged."""
        for file in sorted(self.path.iterdir()):
            if found := _SWEEP.fullmatch(file.name):
                yield found[1], int(found[2]), lock_of(file), _sweep(file)

    def started(self) -> Iterator[StartedChange]:
        """Yield every change that has begun. Links are not followed."""
        for path in _below(self.path, 6):
            world, task, seed, operation, change, steps = path.relative_to(self.path).parts
            horizon = re.fullmatch(r"(\d{1,9})-steps", steps)
            number = re.fullmatch(r"seed-(-?\d{1,18})", seed)
            if horizon and number:
                yield StartedChange(world, task, int(number[1]), operation, change, int(horizon[1]), path)


def lock_of(sweep: Path) -> Path:
    """The file whose lock a sweep holds while it goes on: its own file is replaced when it is written."""
    return sweep.with_suffix(".lock")


def newest_effects(folder: EpisodeFolder) -> dict[Key, Effect]:
    """Return the newest effect of each change that was measured of an episode. TraceFailure or TraceDamaged."""
    return {_key(one): one for one in read_effects(folder)}


def write_sweep(file: Path, sweep: Sweep) -> None:
    """Keep how far a sweep is. TraceFailure for a disk error."""
    write_file(file, asdict(sweep))


def _key(one: Effect) -> Key:
    change = "file" if one.change == "file" else Change(text=one.text).name
    return f"{one.step}.{one.index}", change, one.horizon


def _sweep(file: Path) -> Sweep:
    found = read_file(file)
    try:
        return Sweep(**found)
    except TypeError:
        raise TraceDamaged(f"{file} does not hold a sweep: remove it, and begin the sweep again") from None


def _below(folder: Path, depth: int) -> Iterator[Path]:
    """The folders so many levels below another, by name."""
    with os.scandir(folder) as entries:
        inner = sorted(Path(one.path) for one in entries if one.is_dir(follow_symlinks=False))
    for one in inner:
        yield from (one,) if depth == 1 else _below(one, depth - 1)

"""What a worker needs to play an episode without the head's files: packed on the head, unpacked on the worker.

Shared by all episodes of a run: its run.json, the scaffold, the price table (`Package`). Of each episode: the files of
its folder, and those of the other episode that its control arm is opened with (`Assignment`). The notebook's files are
made from its journal when the worker opens it.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from graphs.evaluation.episode import EpisodePart
from graphs.inner_agent.arms import episode_needed
from graphs.settings import EpisodeSettings
from graphs.spending import Amounts
from scaffolds import SHIPPED
from scaffolds.folder import resolve, scaffold_files
from traces import EpisodeFolder, RunFolder
from traces.plain_json import read_file, write_file

Files = Mapping[str, bytes]
"""Contents by relative POSIX name."""
PASSED_ON = ("_API_KEY", "_API_BASE", "_BASE_URL")
PASSED_ON_BEGINNING = ("AUTOMEM_", "LANGSMITH_", "LANGCHAIN_")
"""Ends and beginnings of the environment variables that workers are given: keys, addresses, tracing."""


@dataclass(frozen=True, kw_only=True)
class Package:
    """What the episodes of a run have in common."""

    key: str
    settings: EpisodeSettings
    """Of any of its episodes, with the head's paths."""
    run: str
    """The run folder on the head, absolute."""
    run_json: bytes | None
    """None where it is not written yet: the package is only checked."""
    scaffold: Files | None
    """None for one that this repository ships."""
    prices: bytes | None
    others: bytes | None
    """The run.json of the run that the arm shuffled answers from."""
    shared: bool
    """The worker reads and writes the head's own paths."""


@dataclass(frozen=True, kw_only=True)
class Assignment:
    """An episode for a worker."""

    number: int
    package: str
    """Its key."""
    task: str
    seed: int
    files: Files
    """Of the episode's folder."""
    attempts: int
    """Attempts set aside."""
    needed: Files
    """Files of another episode, relative to its run folder."""
    budget: int
    """Which run's spending it counts to."""
    part: EpisodePart | None
    counted: Amounts
    """What the head has counted for it already, at workers that are gone."""


def pack(settings: EpisodeSettings, run: Path | None, *, shared: bool) -> Package:
    """Pack what the episodes with such settings have in common; `run`: their run folder, once it is written."""
    common = dataclasses.replace(settings, task="", seed=0)
    folder = RunFolder(run) if run is not None else None
    scaffold = resolve(settings.scaffold)
    own = not shared and not scaffold.is_relative_to(SHIPPED)
    others = RunFolder(Path(settings.others)).run if settings.others else None
    return Package(
        key=hashlib.sha256(repr((common, str(run))).encode()).hexdigest(),
        settings=dataclasses.replace(settings, scaffold=_portable(scaffold, shared=shared)),
        run=str(run.absolute()) if run is not None else "",
        run_json=folder.run.read_bytes() if folder is not None else None,
        scaffold={name: path.read_bytes() for name, path in scaffold_files(scaffold).items()} if own else None,
        prices=Path(settings.prices).read_bytes() if settings.prices else None,
        others=others.read_bytes() if others is not None and others.exists() else None,
        shared=shared,
    )


def _portable(scaffold: Path, *, shared: bool) -> str:
    """A scaffold's name where it is shipped, else its last two folders, which name it in results; or the whole path."""
    if scaffold.is_relative_to(SHIPPED):
        return scaffold.relative_to(SHIPPED).as_posix()
    return str(scaffold) if shared else "/".join(scaffold.parts[-2:])


def pack_episode(
    number: int,
    package: Package,
    settings: EpisodeSettings,
    folder: EpisodeFolder,
    *,
    budget: int,
    part: EpisodePart | None,
    counted: Amounts,
) -> Assignment:
    """Pack an episode as it is in its folder now."""
    needed = None if package.shared else episode_needed(settings, folder)
    return Assignment(
        number=number,
        package=package.key,
        task=settings.task,
        seed=settings.seed,
        files={} if package.shared else _read(folder.path),
        attempts=folder.attempt - 1,
        needed=_read(needed.path, needed.path.parents[3]) if needed is not None else {},
        budget=budget,
        part=part,
        counted=counted,
    )


def _read(folder: Path, relative_to: Path | None = None) -> dict[str, bytes]:
    """The files in a folder, not those below it."""
    if not folder.exists():
        return {}
    found = sorted(path for path in folder.iterdir() if path.is_file() and path.suffix != ".tmp")
    return {path.relative_to(relative_to or folder).as_posix(): path.read_bytes() for path in found}


class Unpacked:
    """A package on a worker: the local run folder, and the settings with local paths."""

    def __init__(self, package: Package, place: Path) -> None:
        self.package = package
        self.run = RunFolder(place / "run")
        self._place = place
        self._settings = self._local_settings()
        self.noted = 0
        """Notes that the head has sent."""
        if package.run_json is not None:
            self._begin(json.loads(package.run_json))

    def settings(self, task: str, seed: int) -> EpisodeSettings:
        """Those of an episode."""
        return dataclasses.replace(self._settings, task=task, seed=seed)

    def episode(self, assignment: Assignment) -> EpisodeFolder:
        """The local folder of an episode, filled with what was sent."""
        settings = self._settings
        folder = self.run.episode(settings.world, assignment.task, assignment.seed)
        if self.package.shared:
            return folder
        folder.create()
        for number in range(1, assignment.attempts + 1):
            (folder.path / f"attempt-{number}").mkdir(exist_ok=True)
        _write(folder.path, assignment.files)
        _write(Path(str(settings.others)) if settings.others else self.run.path, assignment.needed)
        return folder

    @property
    def notes(self) -> list[str]:
        """What a person should know of the run, by its local run.json."""
        return list(read_file(self.run.run).get("notes", []))

    def on_head(self, sentence: str) -> str:
        """A sentence that names local files, with the names they have on the head."""
        for local in (str(self.run.path), str(self.run.path.resolve())):
            sentence = sentence.replace(local, self.package.run)
        return sentence

    def _local_settings(self) -> EpisodeSettings:
        package, changes = self.package, {}
        if package.scaffold is not None:
            scaffold = self._place / "scaffold" / package.settings.scaffold
            _write(scaffold, package.scaffold)
            changes["scaffold"] = str(scaffold)
        if package.prices is not None:
            _write(self._place, {"prices.toml": package.prices})
            changes["prices"] = str(self._place / "prices.toml")
        if package.others is not None and not package.shared:
            _write(self._place / "others", {"run.json": package.others})
            changes["others"] = str(self._place / "others")
        return dataclasses.replace(package.settings, **changes)  # type: ignore[arg-type]

    def _begin(self, run: dict[str, Any]) -> None:
        """Write run.json with the local paths. In a shared run only it is local: workers cannot share its notes."""
        self.noted = len(run.get("notes", []))
        if self._settings.others:
            run["configuration"]["settings"]["others"] = self._settings.others
        write_file(self.run.run, run)
        if self.package.shared:
            episodes = Path(self.package.run) / "episodes"
            episodes.mkdir(exist_ok=True)  # a link that leads nowhere cannot be filled
            (self.run.path / "episodes").symlink_to(episodes)


def _write(folder: Path, files: Files) -> None:
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def environment() -> dict[str, str]:
    """The environment variables that workers are given: what models and tracing are called with."""
    return {
        name: value
        for name, value in os.environ.items()
        if name.endswith(PASSED_ON) or name.startswith(PASSED_ON_BEGINNING)
    }


@cache
def code_digest() -> str:
    """The digest of the program's own source: workers of another one would play otherwise."""
    found = hashlib.sha256()
    for path in _sources():
        found.update(path.name.encode() + path.read_bytes())
    return found.hexdigest()


def _sources() -> Iterator[Path]:
    root = Path(__file__).resolve().parents[1]
    for room in ("chat_models", "cluster", "graphs", "memory_fs", "scaffolds", "tools", "traces", "worlds"):
        yield from sorted((root / room).rglob("*.py"))

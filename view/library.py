"""The runs below a folder: where they are, how a page names them, and that nothing outside of the folder is read."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from urllib.parse import quote

from graphs.settings import SettingsError
from traces import EpisodeFolder, RunFolder

Kind = Literal["evaluation", "search", "specialist", "controls", "counterfactuals"]
KINDS: dict[str, Kind] = {
    "evolve.json": "search",
    "specialize.json": "specialist",
    "controls.json": "controls",
    "lab.json": "counterfactuals",
    "run.json": "evaluation",
}
"""The file by which each kind of run is known."""

PORT = 8321
"""On which a server answers unless another port is given."""
DEPTH = 8
"""Folders between the one that is shown and a run: a fresh evaluation of an attempt of a search has five."""
INSIDE = {"episodes", "memory", "versions", "candidate", "candidates", "notes", "adapters", "selection", "figures"}
"""Folders of a run that hold no runs."""


class NotThere(LookupError):
    """What a page asks for is not in the folder, or no longer; the sentence says so."""


class ShownRun(RunFolder):
    """A run folder without episodes that are links, or whose files are: nothing is read outside of the folder."""

    __slots__ = ()

    def episodes(self) -> Iterator[EpisodeFolder]:
        """Yield the folders of all episodes begun, by world, task and seed."""
        for folder in RunFolder(self.path).episodes():
            if not _linked(folder):
                yield folder


def _linked(folder: EpisodeFolder) -> bool:
    """Whether an episode's folder, one of the three above it, or one of its files is a link."""
    files = (folder.steps, folder.journal, folder.result, folder.failure, folder.limited, folder.effects)
    return any(map(os.path.islink, (folder.path, *folder.path.parents[:3], *files)))


@dataclass(frozen=True, slots=True)
class Found:
    """A run, a comparison of control arms, or a lab folder."""

    name: str
    """Its path below the folder that is shown, as addresses of the page write it."""
    path: Path
    kind: Kind
    within: str
    """Name of the search, specialist's run or comparison that it is a part of; empty for none."""


class Library:
    """The runs below `root`; a folder that is itself a run is shown alone, by its own name."""

    def __init__(self, root: Path) -> None:
        """SettingsError where `root` is no folder."""
        if not root.is_dir():
            raise SettingsError(f"{root} is no folder: name one that holds runs, such as runs.")
        self.root = root.resolve()
        self._base = self.root.parent if kind_of(self.root) else self.root

    def runs(self) -> list[Found]:
        """All runs that are there now, a run before its parts. Links are not followed."""
        found: list[Found] = []
        self._look(self.root, "", DEPTH, found)
        return found

    def path(self, name: str) -> Path:
        """The folder of a run by its name. NotThere for a name that leads elsewhere, or through a link."""
        path = self._contained(self._base, name, "run")
        if not path.is_relative_to(self.root) or kind_of(path) is None:
            raise NotThere(f"There is no run {name!r} below {self.root}; it may have been moved or deleted.")
        if (link := linked_file(path)) is not None:
            raise NotThere(f"The run {name!r} holds a link, {link!r}, which is not followed.")
        return path

    def run(self, name: str) -> ShownRun:
        """The same as a run folder."""
        return ShownRun(self.path(name))

    def episode(self, run: str, world: str, task: str, seed: str) -> EpisodeFolder:
        """An episode of a run. NotThere where it is not, or one of its files is a link that leads out of the folder."""
        folder = EpisodeFolder(self._contained(self.path(run), f"episodes/{world}/{task}/{seed}", "episode"))
        if _linked(folder):
            raise NotThere(f"The episode {seed} of {run} holds a link, which is not followed.")
        if not folder.path.is_dir():
            raise NotThere(f"There is no episode {world}/{task}/{seed} of {run}; it may have been moved or deleted.")
        return folder

    def name(self, path: Path) -> str:
        """The name of a run's folder; one that is no UTF-8 is shown with signs replaced, and leads nowhere."""
        return path.relative_to(self._base).as_posix().encode(errors="replace").decode()

    def _contained(self, base: Path, name: str, what: str) -> Path:
        parts = name.split("/")
        if any(part in ("", ".", "..") or not part.isprintable() or "\\" in part for part in parts):
            raise NotThere(f"{name[:200]!r} is no name of a {what}.")
        at = base
        for part in parts:
            at /= part
            if at.is_symlink():
                raise NotThere(f"The {what} {name!r} lies behind a link, which is not followed.")
        return at

    def _look(self, folder: Path, within: str, depth: int, found: list[Found]) -> None:
        kind = kind_of(folder)
        inner = within
        if kind is not None:
            one = Found(self.name(folder), folder, kind, within)
            found.append(one)
            inner = one.name if kind != "evaluation" else within
        if depth and kind != "counterfactuals":  # each sample's arms are of interest through its page alone
            for entry in _folders(folder):
                if entry.name not in INSIDE or kind is None:
                    self._look(Path(entry.path), inner, depth - 1, found)


def episode_address(run: Path, world: str, task: str, seed: int) -> str:
    """Where an episode of a run is shown: see `run_address`."""
    return f"{run_address(run)}/episodes/{quote(world)}/{quote(task)}/seed-{seed}"


def run_address(run: Path) -> str:
    """Where a run is shown by a server, started without options, of the folder that it lies in.

    A run that is a part of another is named by its path in that one.
    """
    path = run.resolve()
    # An evaluation has no parts: a run.json above is another's.
    whole = next((folder for folder in reversed(path.parents) if kind_of(folder) not in (None, "evaluation")), path)
    return f"http://127.0.0.1:{PORT}/run/{'/'.join(map(quote, path.relative_to(whole.parent).parts))}"


def kind_of(folder: Path) -> Kind | None:
    """What kind of run a folder holds; None for none."""
    return next((kind for file, kind in KINDS.items() if (folder / file).is_file()), None)


def linked_file(folder: Path) -> str | None:
    """The name of a file of a run that is a link, and may lead out of the folder that is shown; None for none."""
    with suppress(OSError), os.scandir(folder) as entries:
        return next((one.name for one in entries if one.is_symlink() and not one.is_dir()), None)
    return None


def _folders(folder: Path) -> Iterator[os.DirEntry[str]]:
    """Its folders by name, without links and hidden ones; none where it cannot be read or has just been deleted."""
    try:
        with os.scandir(folder) as entries:
            kept = [one for one in entries if not one.name.startswith(".") and one.is_dir(follow_symlinks=False)]
    except OSError:
        return iter(())
    return iter(sorted(kept, key=lambda one: one.name))

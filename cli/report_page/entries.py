"""The rows of ours: one for each evaluation, asked for by itself or part of a search or a specialist's run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from graphs.curator.folders import SpecializationFolder
from graphs.reviewer.folders import SearchFolder
from graphs.reviewer.lineage import LineageRecord
from graphs.reviewer.lineage import read as read_lineage
from graphs.reviewer.search import Search
from graphs.settings import SettingsError
from traces import RunFolder
from traces.plain_json import read_file
from traces.report_data import Played, Score, read_played, seed_words, short_model, who
from view.library import run_address

FINALISTS = ("base-handoff", "specialist", "random-turns", "both-roles")
"""Folders under final/ in the order to be shown; the base first, for it is what the others are compared with."""


Scripted = Literal["all", "part", "none"]


@dataclass(frozen=True, slots=True)
class Entry:
    """One row: who played what, and how it went."""

    name: str
    run: str
    """Of the folder it belongs to, as the report was given it."""
    world: str
    player: str
    """Honestly: a scripted one says that it is no language model."""
    about: tuple[str, ...]
    """What else distinguishes it: scaffold, notebook, seeds, steps."""
    score: Score
    played: Played | None
    """None where only a search's lineage names it."""
    on_protocol: bool = False
    """On the paper's protocol, all of it."""
    scripted: Scripted = "none"
    """Whether rules played, no language model: all of it, or one of the two parts."""
    against: str = ""
    """Name of a control in the same run that it is compared with, too."""

    @property
    def address(self) -> str:
        """Where automem view shows its episodes; empty where there are none."""
        return run_address(self.played.run.path) if self.played else ""


@dataclass(frozen=True, slots=True)
class Run:
    """One of the folders the report was asked for, with its rows."""

    name: str
    path: Path
    entries: tuple[Entry, ...]
    search: Search | None = None
    specialization: SpecializationFolder | None = None


def read_runs(paths: Sequence[Path]) -> list[Run]:
    """Read them. Raises SettingsError for what is no run, TraceFailure or TraceDamaged for what cannot be read."""
    resolved = [path.resolve() for path in paths]
    if twice := [path for path, full in zip(paths, resolved, strict=True) if resolved.count(full) > 1]:
        raise SettingsError(f"The run {twice[0]} is named twice.")
    names = [path.name for path in resolved]
    return [
        _read(path, name if names.count(name) == 1 else f"{name} ({number})")
        for number, (path, name) in enumerate(zip(paths, names, strict=True), 1)
    ]


def _read(path: Path, name: str) -> Run:
    if SearchFolder(path).run.exists():
        search = Search.read(path)
        return Run(name, path, tuple(_of_search(search, name)), search=search)
    if (folder := SpecializationFolder(path)).run.exists():
        return Run(name, path, tuple(_of_specialization(folder, name)), specialization=folder)
    played = read_played(RunFolder(path))
    if not played:
        raise SettingsError(
            f"{path} is no run: a run folder holds run.json (automem eval), evolve.json (automem evolve) or "
            "specialize.json (automem specialize)."
        )
    several = len(played) > 1
    return Run(name, path, tuple(_entry(f"{name}: {one.world}" if several else name, name, one) for one in played))


def _of_search(search: Search, name: str) -> list[Entry]:
    """The start and every version that was kept, on the gate seeds and, where played there, on the hold-out seeds."""
    found = []
    for record in read_lineage(search.folder.path):
        if record.mean is None or not (record.kind == "holdout" or record.version is not None):
            continue
        version = f"v{record.version}" if record.kind != "holdout" else f"{record.parent}"
        seeds = "hold-out seeds" if record.kind == "holdout" else "gate seeds"
        chosen = " (chosen on them)" if record.kind == "attempt" else ""
        found.append(_recorded(search, record, f"{name} {version}, {seeds}", name, seeds + chosen))
    return found


def _recorded(search: Search, record: LineageRecord, name: str, run: str, about: str) -> Entry:
    folder = RunFolder(search.folder.path / record.evaluation) if record.evaluation else None
    if folder is not None and (played := read_played(folder)):
        entry = _entry(name, run, played[0])
        return replace(entry, about=(about, *entry.about))
    mean, error = 100 * (record.mean or 0.0), 100 * (record.standard_error or 0.0)
    player, scripted = _players([(search.model, search.context.gameplay_model)])
    lost = "as the lineage says, failures as 0; the episodes are not here"
    score = Score(mean, error, mean, error, record.episodes)
    return Entry(name, run, search.world, player, (about, lost), score, None, scripted=scripted)


def _of_specialization(folder: SpecializationFolder, name: str) -> list[Entry]:
    """The final seeds' players; before they are played, the untrained base on the validation seeds."""
    finals = [(f"{name} {player}", folder.final(player), "final seeds") for player in FINALISTS]
    found = [(label, run, seeds) for label, run, seeds in finals if run.run.exists()]
    if not found:
        found = [(f"{name} base-handoff", folder.baseline, "validation seeds")]
    entries = [(_entry(label, name, one), seeds) for label, run, seeds in found for one in read_played(run)]
    control = f"{name} random-turns"  # what choosing the turns did
    return [
        replace(entry, about=(seeds, *entry.about), against=control if entry.name == f"{name} specialist" else "")
        for entry, seeds in entries
    ]


def _entry(name: str, run: str, played: Played) -> Entry:
    settings = played.configuration.get("settings")
    settings = settings if isinstance(settings, dict) else {}
    models = list(dict.fromkeys((one.model, one.gameplay_model) for one in played.results))
    player, scripted = _players(models or [(str(settings.get("model", "?")), settings.get("gameplay_model"))])
    scaffolds = sorted({one.scaffold for one in played.results if one.scaffold})
    steps = played.configuration.get("effective_max_steps") or settings.get("max_steps")
    seeds = f"seeds {seed_words(seed for _, seed in played.planned) or '–'}"
    about = [f"scaffold {', '.join(scaffolds)}"] if scaffolds else []
    if settings.get("notebook", "on") != "on":
        about.append(f"notebook {settings['notebook']}")
    if settings.get("handoff", "auto") != "auto":
        about.append(f"handoff {settings['handoff']}")
    about.append(f"{seeds} × {steps:,} steps" if isinstance(steps, int) else seeds)
    return Entry(
        name,
        run,
        played.world,
        player,
        tuple(about),
        played.score,
        played,
        on_protocol=played.configuration.get("protocol") == "paper" and not played.missing,
        scripted=scripted,
    )


def _players(models: Sequence[tuple[str, str | None]]) -> tuple[str, Scripted]:
    """Who played, in words: the memory model and, where there are two, the gameplay model."""
    words = [who(short_model(memory), play and short_model(play)) for memory, play in models]
    parts = [spec == "scripted" for pair in models for spec in pair if spec]
    return "; ".join(words), "all" if all(parts) else "part" if any(parts) else "none"


def final_table(folder: SpecializationFolder) -> dict[str, object]:
    """What the run of loop 2 wrote of its final seeds; empty before it did. TraceFailure or TraceDamaged."""
    found = read_file(folder.table) if folder.table.exists() else {}
    return found if isinstance(found, dict) else {}

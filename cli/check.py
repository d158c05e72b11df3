"""automem check: hold all files of a run against each other, and repair a copy as far as replaying can."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from cli.visible_text import one_line
from graphs.curator.folders import SpecializationFolder
from graphs.curator.run import Specialization
from graphs.curator.verification import specialization_faults
from graphs.evaluation.verification import repair_run, run_faults
from graphs.reviewer.folders import SearchFolder
from graphs.reviewer.search import Search
from graphs.reviewer.verification import search_faults
from graphs.settings import SettingsError
from memory_fs.results import plural
from traces import RunFolder, TraceDamaged
from traces.folders import disk_failure
from traces.plain_json import dump
from traces.verification import Fault


def check(
    run: Annotated[Path, typer.Argument(help="Run folder of automem eval, play, fork, evolve or specialize.")],
    repair: Annotated[
        bool, typer.Option("--repair", help="Repair a copy, RUN-repaired, by replaying; the run itself is not changed.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object, for programs.")] = False,
) -> None:
    """Verify a run's traces, journals, notebooks, results, summary and records against each other; 1 if damaged."""
    faults = faults_of(run)
    done: list[Fault] = []
    copy = None
    if repair and any(one.damage for one in faults):
        copy = _copied(run)
        done = _repaired(copy)
        faults_left = faults_of(copy)
    else:
        faults_left = faults
    damaged = any(one.damage for one in faults_left)
    if as_json:
        found = {"run": str(run), "damaged": any(one.damage for one in faults), "faults": _plain(run, faults)}
        if copy is not None:
            found |= {"copy": str(copy), "copy_damaged": damaged, "repairs": _plain(copy, done)}
        typer.echo(dump(found).decode())
    else:
        _show(run, faults)
        if copy is not None:
            _show_repair(copy, done, faults_left)
    if damaged:
        raise typer.Exit(1)


def faults_of(path: Path) -> list[Fault]:
    """What is wrong with a run of any kind. SettingsError where there is none, TraceFailure for a bad disk."""
    search, loop, run = SearchFolder(path), SpecializationFolder(path), RunFolder(path)
    try:
        if search.run.exists():
            return list(search_faults(Search.read(path)))
        if loop.run.exists():
            return list(specialization_faults(Specialization.read(path)))
    except (SettingsError, TraceDamaged) as error:
        settings = search.run if search.run.exists() else loop.run
        rest = [fault for one in _evaluations(path) for fault in run_faults(one)]
        return [Fault(settings, str(error)), *rest]
    if not run.run.exists() and not any(True for _ in run.episodes()):
        raise SettingsError(f"{path} is no run: it holds neither run.json, evolve.json nor specialize.json.")
    return list(run_faults(run))


def _evaluations(path: Path) -> list[RunFolder]:
    """The evaluations in a run of any kind: every folder with episodes in it."""
    return [RunFolder(folder.parent) for folder in sorted(path.rglob("episodes")) if folder.is_dir()]


def _copied(run: Path) -> Path:
    """A copy of the run beside it. SettingsError if there is one already, TraceFailure for a bad disk."""
    copy = run.resolve().with_name(f"{run.resolve().name}-repaired")
    if copy.exists():
        raise SettingsError(f"{copy} exists already: move it away, it may be an earlier repair.")
    try:
        shutil.copytree(run, copy, symlinks=True)
    except OSError as error:
        raise disk_failure("write the copy", copy, error) from error
    return copy


def _repaired(copy: Path) -> list[Fault]:
    return [done for run in _evaluations(copy) for done in repair_run(run)]


def _show(run: Path, faults: Sequence[Fault]) -> None:
    _table(run, faults)
    damage = sum(one.damage for one in faults)
    rest = len(faults) - damage
    notes = f"; {plural(rest, 'note')}" if rest else ""
    typer.echo((f"damaged: {plural(damage, 'fault')}" if damage else f"{run} is whole") + notes)


def _show_repair(copy: Path, done: Sequence[Fault], left: Sequence[Fault]) -> None:
    typer.echo(f"\nrepaired copy: {copy}")
    _table(copy, done)
    damage = [one for one in left if one.damage]
    typer.echo("still damaged in the copy:" if damage else "the copy is whole")
    _table(copy, damage)


def _table(run: Path, faults: Sequence[Fault]) -> None:
    if not faults:
        return
    table = Table(show_edge=False, pad_edge=False)
    table.add_column("where", overflow="fold")
    table.add_column("what", overflow="fold")
    for one in faults:
        style = "red" if one.damage else "dim"
        table.add_row(Text(one_line(_where(run, one), 300), style), Text(one_line(one.what, 500), style))
    Console().print(table)


def _where(run: Path, fault: Fault) -> str:
    """The file, from the run on."""
    path, base = fault.file.absolute(), run.absolute()
    return str(path.relative_to(base)) if path.is_relative_to(base) else str(fault.file)


def _plain(run: Path, faults: Sequence[Fault]) -> list[dict[str, object]]:
    return [{"file": _where(run, one), "what": one.what, "damage": one.damage} for one in faults]

"""Random damage to the files of a run, one at a time and put right afterwards, and what its readers then make of it."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from cli.report_page.entries import Run, final_table, read_runs
from cli.report_page.loops import figures_at_odds
from graphs.reviewer.lineage import read as read_lineage
from graphs.settings import SettingsError
from traces import TraceFailure
from training import TrainingError
from training.ledger import read as read_ledger

NUMBER = re.compile(rb"(?<![\w.])-?\d+(?:\.\d+)?(?:e-?\d+)?(?![\w.])")
READ = (".json", ".jsonl", ".md", ".toml", ".txt")


def files_of(run: Path) -> list[Path]:
    """The files of a run that any reader of scores looks at, largest share of them the episodes'."""
    skipped = ("checkpoints", "adapters", "probe")
    found = (path for path in sorted(run.rglob("*")) if path.is_file() and path.suffix in READ)
    return [path for path in found if not any(part.startswith(skipped) for part in path.relative_to(run).parts)]


@contextmanager
def damaged(files: list[Path], rng: random.Random) -> Iterator[str]:
    """Damage a file (two, where contents are exchanged) in one of the ways a disk, a crash or a hand does."""
    path = rng.choice(files)
    other = rng.choice([one for one in files if one.name == path.name])
    kept = {one: one.read_bytes() for one in (path, other)}
    way = rng.choice(("flip", "cut", "delete line", "swap lines", "edit figure", "edit figure", "delete", "swap files"))
    data = kept[path]
    if way == "swap files":
        path.write_bytes(kept[other])
        other.write_bytes(data)
    elif way == "delete":
        path.unlink()
    else:
        path.write_bytes(changed(data, way, rng))
    try:
        yield f"{way}: {path}"
    finally:
        for one, before in kept.items():
            one.write_bytes(before)


def changed(data: bytes, way: str, rng: random.Random) -> bytes:
    """The bytes after one damage."""
    lines = data.splitlines(keepends=True)
    if way == "flip" and data:
        at = rng.randrange(len(data))
        return data[:at] + bytes([data[at] ^ 1 << rng.randrange(8)]) + data[at + 1 :]
    if way == "cut" and data:
        return data[: rng.randrange(len(data))]
    if way == "delete line" and lines:
        del lines[rng.randrange(len(lines))]
    if way == "swap lines" and lines:
        one, two = rng.randrange(len(lines)), rng.randrange(len(lines))
        lines[one], lines[two] = lines[two], lines[one]
    if way == "edit figure" and (found := list(NUMBER.finditer(data))):
        figure = rng.choice(found)
        value = rng.choice((b"0", b"1", b"0.99", b"2", b"17"))
        return data[: figure.start()] + value + data[figure.end() :]
    return b"".join(lines)


def reported(path: Path) -> tuple[Any, list[str]]:
    """The scores that a report shows of a run, and what it says is wrong; None where it says it cannot be read."""
    try:
        (run,) = read_runs([path])
        return _scores(run), _said(run)
    except (SettingsError, TraceFailure, TrainingError) as error:
        return None, [str(error)]


def _scores(run: Run) -> Any:
    scores: list[Any] = sorted((one.name, asdict(one.score)) for one in run.entries)
    scores += [sorted(one.played.progressions.items()) for one in run.entries if one.played]
    if run.search is not None:
        records = sorted(
            (one for one in read_lineage(run.path) if one.kind != "end"), key=lambda one: (one.kind, one.name)
        )
        scores += [(one.name, one.kind, one.version, one.mean, one.standard_error, one.episodes) for one in records]
        scores += [(one.verdict or {}).get("mean_difference") for one in records]
    if run.specialization is not None:
        entries = sorted(read_ledger(run.specialization.ledger), key=lambda one: one.run)
        scores += [(one.run, one.role, one.progression) for one in entries]
        table: Any = final_table(run.specialization)
        scores += [table.get("winner"), *({**row, "measures": None} for row in table.get("rows", ()))]
    return scores


def _said(run: Run) -> list[str]:
    said = [f"{one.name}: damaged" for one in run.entries if one.played and one.played.damaged]
    said += [f"{one.name}: missing" for one in run.entries if one.played and one.played.missing]
    return said + [fault.what for fault in figures_at_odds(run)]

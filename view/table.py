"""The table of runs: a row for each, read again only where its files have changed."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

from graphs.curator.folders import SpecializationFolder
from graphs.evaluation.statistics import standard_error
from graphs.reviewer.folders import SearchFolder
from graphs.reviewer.lineage import best
from graphs.reviewer.lineage import read as read_lineage
from graphs.run_lock import LOCK
from graphs.settings import OUR_ERRORS
from traces import TraceDamaged, TraceFailure
from traces.plain_json import read_file
from traces.report_data import Pair, Played, read_played, short_model, who
from traces.run_file import read_run
from traces.under_way import Counting
from training import TrainingError
from training.ledger import read as read_ledger
from view.lab import controls_row, lab_row
from view.labels import FILE as LABELS
from view.labels import read_labels
from view.library import Found, Library, NotThere, ShownRun
from view.playing import Held, is_locked, is_played, locked_files

Row = dict[str, Any]
"""One row, plain data. What is not known, or not there, is None."""

FRESH_S = 1.0
"""Seconds for which the table is not looked at again, however many pages ask."""
CLOSED_S = 20.0
"""Seconds after which a run that has ended is looked at again, though neither its files nor its locks changed."""
UNREADABLE = (TraceFailure, TrainingError, *OUR_ERRORS, OSError, KeyError, TypeError, ValueError, AttributeError)
"""What reading a run raises that is damaged, half written or of another version: a row of the table says so."""


@dataclass(frozen=True, slots=True)
class _Looking:
    """What the readers of all kinds are given."""

    library: Library
    counting: Counting
    held: Held


class Table:
    """The rows of a library. Thread-safe."""

    def __init__(self, library: Library) -> None:
        self._library = library
        self._lock = threading.Lock()
        self._counting = Counting()
        self._kept: dict[str, tuple[Any, float, list[Row]]] = {}
        self._rows: list[Row] = []
        self._read = 0.0

    def rows(self) -> list[Row]:
        """All rows, those of a run before those of its parts."""
        with self._lock:
            if time.monotonic() - self._read > FRESH_S:
                found = self._library.runs()
                held = locked_files()
                self._rows = [row for one in found for row in self._of(one, held)]
                self._kept = {one.name: self._kept[one.name] for one in found}
                self._read = time.monotonic()
            return self._rows

    def close(self) -> None:
        """Read no further."""
        self._counting.close()

    def changed(self) -> None:
        """Look again at the next request: something was written through the page."""
        with self._lock:
            self._read, self._kept = 0.0, {}

    def _of(self, one: Found, held: Held) -> list[Row]:
        signature, now = _signature(one.path, held), time.monotonic()
        kept = self._kept.get(one.name)
        if kept is not None and kept[0] == signature and now < kept[1]:
            return kept[2]
        looking = _Looking(self._library, self._counting, held)
        try:
            self._library.path(one.name)
            rows = [_completed(row, one) for row in _READERS[one.kind](one, looking)]
        except NotThere as refused:
            rows = [_row({"state": "unreadable", "problem": str(refused)}, one)]
        except UNREADABLE as error:
            rows = [_completed({"state": "unreadable", "problem": _sentence(error)}, one)]
        closed = all(row["state"] == "ended" for row in rows) and one.kind != "counterfactuals"
        self._kept[one.name] = signature, now + (CLOSED_S if closed else 0.0), rows
        return rows


def with_baseline(rows: list[Row], name: str) -> list[Row]:
    """The rows with their paired difference to the one of this id, in percentage points, and without their pairs.

    Only rows of the same world that share tasks and seeds with it have one.
    """
    base = next((row for row in rows if row["id"] == name), None)
    shown = []
    for row in rows:
        own = {key: value for key, value in row.items() if key != "pairs"}
        if base is not None and row is not base and row["world"] == base["world"]:
            own["difference"] = difference(base["pairs"], row["pairs"])
        shown.append(own)
    return shown


def difference(before: Mapping[str, float], after: Mapping[str, float]) -> dict[str, float] | None:
    """Mean, standard error and number of the differences of the pairs that both have; None where there are none."""
    gains = [100 * (after[pair] - before[pair]) for pair in before.keys() & after.keys()]
    if not gains:
        return None
    return {
        "mean": fmean(gains),
        "se": standard_error(gains),
        "n": len(gains),
        "better": sum(gain > 0 for gain in gains),
        "worse": sum(gain < 0 for gain in gains),
    }


def _completed(row: Row, one: Found) -> Row:
    return _row({**read_labels(one.path), "changed": _newest(one.path)} | row, one)


def _row(known: Row, one: Found) -> Row:
    whole: Row = dict.fromkeys((*COLUMNS, "changed")) | {"tags": [], "note": ""}
    named = {"id": one.name, "run": one.name, "kind": one.kind, "within": one.within, "pairs": {}, "state": "ended"}
    return whole | named | known


COLUMNS = (
    *("world", "tasks", "scaffold", "model", "notebook", "mean", "se", "mean_zeros", "difference", "planned"),
    *("finished", "failed", "limited", "damaged", "under_way", "missing_action", "steps", "calls", "prompt", "tokens"),
    *("completion", "cached", "dollars", "dollars_so_far", "seconds", "started", "problem", "about", "effects"),
)


def _evaluation(one: Found, looking: _Looking) -> Iterator[Row]:
    played = read_played(ShownRun(one.path), looking.counting)
    for each in played:
        row = _of_played(each, one, looking.held)
        yield row | ({"id": f"{one.name} ({each.world})"} if len(played) > 1 else {})
    if not played:
        state = "playing" if is_locked(one.path / "run.json", looking.held) else "stopped"
        yield {"state": state, "about": "no episode has begun"} | _begun(one.path)


def _of_played(played: Played, one: Found, held: Held) -> Row:
    settings = played.configuration.get("settings")
    settings = settings if isinstance(settings, dict) else {}
    models = list(dict.fromkeys((each.model, each.gameplay_model) for each in played.results))
    models = models or [(str(settings.get("model", "?")), settings.get("gameplay_model"))]
    score, cost, notebook = played.score, played.cost, settings.get("notebook", "on")
    arm = settings.get("arm", "none")
    episodes = (played.run.episode(each.world, each.task, each.seed) for each in played.under_way)
    playing = is_locked(played.run.run, held) or any(is_played(each, held) for each in episodes)
    stopped = "stopped" if played.missing or played.under_way else "ended"
    damages = [each.damage for each in played.under_way if each.damage]
    scaffolds = sorted({each.scaffold for each in played.results if each.scaffold})
    return {
        "world": played.world,
        "tasks": sorted({task for task, _ in played.planned} | {each.task for each in played.under_way}),
        "scaffold": ", ".join(scaffolds) or "/".join(Path(str(settings.get("scaffold") or "")).parts[-2:]),
        "model": "; ".join(who(short_model(memory), play and short_model(play)) for memory, play in models),
        "notebook": notebook if arm == "none" else arm,
        "mean": score.mean,
        "se": score.error,
        "mean_zeros": score.mean_with_zeros if score.failed or score.damaged else None,
        "planned": max(len(played.planned), len(played.results) + len(played.under_way)),
        "finished": score.finished,
        "failed": score.failed,
        "limited": score.limited,
        "damaged": score.damaged + len(damages),
        "under_way": len(played.under_way),
        "missing_action": _missing(played),
        "steps": cost.steps,
        "calls": cost.model_calls,
        "prompt": cost.prompt,
        "completion": cost.completion,
        "cached": cost.cached,
        "dollars": cost.dollars,
        "dollars_so_far": cost.dollars_so_far,
        "seconds": cost.wall_s,
        "effects": len(played.effects) or None,
        "pairs": {pair_name(pair): value for pair, value in played.progressions.items()},
        "state": "playing" if playing else stopped,
        "problem": damages[0] if damages else None,
        **_begun(one.path),
    }


def pair_name(pair: Pair) -> str:
    """A task and a seed as one word."""
    return f"{pair[0]}/{pair[1]}"


def _missing(played: Played) -> float | None:
    """The share of all steps for which no action was written."""
    counts = [
        (one.steps, one.metrics["missing_action_rate"] * one.steps)
        for one in played.results
        if one.metrics.get("missing_action_rate") is not None
    ]
    counts += [(one.steps, one.actions["missing"]) for one in played.under_way]
    steps = sum(one for one, _ in counts)
    return sum(float(missing) for _, missing in counts) / steps if steps else None


def _search(one: Found, looking: _Looking) -> Iterator[Row]:
    found = read_run(SearchFolder(one.path))
    own = _configured(found, "search")
    records = read_lineage(one.path)
    top = best(records)
    ended = bool(records) and records[-1].kind == "end"
    tried = [record for record in records if record.kind == "attempt"]
    kept = [record for record in tried if record.status == "accepted"]
    attempts = f"{len(tried)} attempt{'s' if len(tried) != 1 else ''}"
    yield {
        **_loop(one, own, ended, looking.held),
        "mean": None if top is None or top.mean is None else 100 * top.mean,
        "se": None if top is None or top.standard_error is None else 100 * top.standard_error,
        "about": f"{attempts}, {len(kept)} kept; best v{top.version if top else 0}",
    }


def _specialist(one: Found, looking: _Looking) -> Iterator[Row]:
    folder = SpecializationFolder(one.path)
    own = _configured(read_run(folder), "specialization")
    entries = read_ledger(folder.ledger)
    trained = [entry for entry in entries if entry.configuration]
    means = [entry.mean for entry in trained if entry.mean is not None]
    yield {
        **_loop(one, own, folder.table.exists(), looking.held),
        "mean": 100 * max(means) if means else None,
        "about": f"{len(trained)} training{'s' if len(trained) != 1 else ''} of {own.get('base', '?')}",
    }


def _controls(one: Found, _: _Looking) -> Iterator[Row]:
    yield controls_row(one.path)


def _counterfactuals(one: Found, looking: _Looking) -> Iterator[Row]:
    yield lab_row(looking.library, one.path, looking.held)


_READERS = {
    "evaluation": _evaluation,
    "search": _search,
    "specialist": _specialist,
    "controls": _controls,
    "counterfactuals": _counterfactuals,
}


def _configured(found: Mapping[str, Any] | None, key: str) -> dict[str, Any]:
    own = ((found or {}).get("configuration") or {}).get(key)
    if not isinstance(own, dict):
        raise TraceDamaged(f"its file holds no {key}: restore it from a backup")
    return own


def _loop(one: Found, own: Mapping[str, Any], ended: bool, held: Held) -> Row:
    playing = is_locked(one.path / LOCK, held)
    return {"state": "playing" if playing else "ended" if ended else "stopped", **_named(own, one)}


def _named(own: Mapping[str, Any], one: Found) -> Row:
    return {
        "world": own.get("world"),
        "tasks": own.get("tasks"),
        "model": who(short_model(str(own.get("model", "?")))),
        **_begun(one.path),
    }


def _begun(path: Path) -> Row:
    for name in ("run.json", "evolve.json", "specialize.json"):
        if (path / name).exists():
            found = read_file(path / name)
            return {"started": found.get("started") if isinstance(found, dict) else None}
    return {}


FILES = (
    *("run.json", "evolve.json", "specialize.json", "controls.json", "lab.json"),
    *("summary.json", "lineage.jsonl", "ledger.jsonl"),
)
"""What a row is made of, besides episodes that have no result yet."""


def _signature(path: Path, held: Held) -> Any:
    """Is another as soon as a file of the run changes, or somebody plays it: what a resume does first is to lock it."""
    locks = [is_locked(path / name, held) for name in ("run.json", LOCK)]
    return [_stamp(path / name) for name in (*FILES, LABELS)], locks


def _newest(path: Path) -> float | None:
    stamps = [stamp[1] for name in FILES if (stamp := _stamp(path / name))]
    return max(stamps, default=None)


def _stamp(path: Path) -> tuple[int, float] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_size, found.st_mtime


def _sentence(error: BaseException) -> str:
    if isinstance(error, (TraceFailure, TrainingError, *OUR_ERRORS)):
        return str(error)
    return f"A file of this run does not hold what it should ({type(error).__name__}: {error})."[:500]

"""What `lab/` leaves, for the table and for pages: the measured operations of a run, and control arms side by side."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lab.counterfactual import ARMS
from lab.folder import LabFolder, StartedChange, Sweep, newest_effects
from traces import EpisodeFolder, TraceDamaged, read_run
from traces.effects import Effect
from traces.plain_json import read_file
from traces.report_data import short_model, who
from view.library import Library, NotThere, ShownRun
from view.playing import Held, is_locked, is_played

Row = dict[str, Any]
TEXT = 2_000
"""Characters of an operation's text that a page is given."""


@dataclass(frozen=True, slots=True)
class Measured:
    """A lab folder and what is known of its changes."""

    name: str
    """Of the run that is measured, as addresses of the page write it."""
    run: ShownRun
    sweeps: list[tuple[str, int, Path, Sweep]]
    """Kind, horizon, lock and content of each."""
    effects: list[tuple[EpisodeFolder, Effect, StartedChange | None]]
    """Each with the folder of its arms, if they were played here."""
    unfinished: list[StartedChange]
    """Begun, and without an effect."""

    def state(self, held: Held) -> str:
        """ "playing", "ended", or "stopped" where a sweep or a change is not over."""
        if any(is_locked(lock, held) for _, _, lock, _ in self.sweeps):
            return "playing"
        if any(is_played(arm, held) for one in self.unfinished for arm in _arms(one)):
            return "playing"
        return "stopped" if self.unfinished or not all(one.ended for *_, one in self.sweeps) else "ended"


def measured(library: Library, path: Path) -> Measured:
    """What the lab folder at `path` has measured. NotThere, TraceFailure or TraceDamaged."""
    lab = LabFolder(path)
    run = lab.run()
    if not run.path.is_relative_to(library.root):
        raise NotThere(
            f"{run.path}, whose operations are measured here, is not in the folder that is shown: show both."
        )
    name = library.name(run.path)
    shown, sweeps = library.run(name), list(lab.sweeps())
    swept = {(kind, horizon) for kind, horizon, *_ in sweeps}
    begun = {((one.world, one.task, one.seed), one.key): one for one in lab.started()}
    effects = []
    for folder in shown.episodes():
        world, task, seed = folder.path.parts[-3:]
        episode = world, task, int(seed.removeprefix("seed-"))
        for key, effect in newest_effects(folder).items():
            arms = begun.pop((episode, key), None)
            if arms or (effect.change == "drop" and (f"{effect.kind}s", effect.horizon) in swept):
                effects.append((folder, effect, arms))
    return Measured(name, shown, sweeps, effects, list(begun.values()))


def lab_row(library: Library, path: Path, held: Held) -> Row:
    """The row of a lab folder. Raises as `measured`."""
    found = measured(library, path)
    settings = ((read_run(found.run) or {}).get("configuration") or {}).get("settings") or {}
    tokens = [effect.tokens for _, effect, _ in found.effects]
    begun = [(one.world, one.task) for one in found.unfinished]
    places = sorted({*begun, *(folder.path.parts[-3:-1] for folder, *_ in found.effects)})
    return {
        "state": found.state(held),
        "world": ", ".join(dict.fromkeys(world for world, _ in places)) or None,
        "tasks": list(dict.fromkeys(task for _, task in places)),
        "scaffold": "/".join(Path(str(settings.get("scaffold") or "")).parts[-2:]),
        "model": who(short_model(str(settings.get("model", "?")))),
        "effects": len(found.effects),
        "calls": sum(effect.calls for _, effect, _ in found.effects),
        "tokens": None if None in tokens else sum(one or 0 for one in tokens),
        "about": f"of {found.name}: {_progress(found)}",
        "changed": _changed(found, path),
    }


def lab_page(library: Library, path: Path) -> Row:
    """What the page of a lab folder shows: its sweeps, and its effects from the most helpful on. As `measured`."""
    found = measured(library, path)
    return {
        "measured": found.name,
        "sweeps": [
            {"kind": kind, "horizon": horizon, "measured": _of_sweep(found, kind, horizon)}
            | {"samples": one.samples, "operations": one.operations, "left_out": one.left_out, "ended": one.ended}
            for kind, horizon, _, one in found.sweeps
        ],
        "effects": _ranked(
            _shown(found.name, folder, effect) | {"arms": _addresses(library, arms)}
            for folder, effect, arms in found.effects
        ),
        "unfinished": [_started(found.name, one) for one in found.unfinished],
    }


def effects_of(run: ShownRun, name: str) -> list[Row]:
    """All that was measured of the operations of a run, ranked. TraceFailure or TraceDamaged."""
    return _ranked(
        _shown(name, folder, effect) | {"arms": None}
        for folder in run.episodes()
        for effect in newest_effects(folder).values()
    )


def controls_row(path: Path) -> Row:
    """The row of control arms. TraceDamaged, KeyError or TypeError where their table does not hold what it should."""
    found, arms = _table(path)
    words = [f"{arm['arm']} {100 * arm['progression']:.1f} %" for arm in arms]
    played, failed = (sum(arm[name] for arm in arms) for name in ("episodes", "failed"))
    counts = {"planned": played, "finished": played - failed, "failed": failed}
    return {"world": found.get("world"), "about": ", ".join(words), **counts}


def controls_page(path: Path, name: str) -> Row:
    """What the page of control arms shows above them. Raises as `controls_row`."""
    _, arms = _table(path)
    for arm in arms:
        arm["run"] = f"{name}/{arm['arm']}" if (path / arm["arm"] / "run.json").is_file() else None
    return {"arms": arms}


def _table(path: Path) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    found = read_file(path / "controls.json")
    arms = found.get("arms") if isinstance(found, dict) else None
    if not isinstance(arms, list):
        raise TraceDamaged(f"{path / 'controls.json'} holds no arms: run the comparison again")
    return found, arms


def _progress(found: Measured) -> str:
    """How much is measured, and with what verdicts."""
    parts = []
    for kind, horizon, _, one in found.sweeps:
        whole = f" of {one.operations:,}" if one.operations else ""
        parts.append(f"{_of_sweep(found, kind, horizon):,}{whole} {kind} within {horizon:,} steps")
    if single := len(found.effects) - sum(_of_sweep(found, kind, horizon) for kind, horizon, *_ in found.sweeps):
        parts.append(f"{single:,} single change{'s' if single > 1 else ''}")
    verdicts = Counter(effect.progression.verdict for _, effect, _ in found.effects)
    counts = ", ".join(f"{number} {verdict}" for verdict, number in verdicts.most_common())
    return "; ".join(filter(None, [" and ".join(parts) + " measured" if parts else "nothing measured yet", counts]))


def _of_sweep(found: Measured, kind: str, horizon: int) -> int:
    return sum(
        (effect.change, f"{effect.kind}s", effect.horizon) == ("drop", kind, horizon) for _, effect, _ in found.effects
    )


def _shown(name: str, folder: EpisodeFolder, one: Effect) -> Row:
    world, task, seed = folder.path.parts[-3:]
    change, low, high = one.progression, one.progression.low, one.progression.high
    return {
        "run": name,
        "world": world,
        "task": task,
        "seed": int(seed.removeprefix("seed-")),
        "step": one.step,
        "index": one.index,
        "kind": one.kind,
        "routine": one.routine,
        "operation": one.operation,
        "file": one.file,
        "asked": one.asked[:TEXT],
        "change": one.change,
        "text": one.text and one.text[:TEXT],
        "samples": one.samples,
        "horizon": one.horizon,
        "mean": 100 * change.mean,
        "interval": None if low is None or high is None else [100 * low, 100 * high],
        "verdict": change.verdict,
        "return": one.episode_return.mean,
        "unchanged": 100 * one.unchanged,
        "changed": 100 * one.changed,
        "calls": one.calls,
    }


def _started(name: str, one: StartedChange) -> Row:
    step, _, index = one.operation.partition(".")
    return {
        **{"run": name, "world": one.world, "task": one.task, "seed": one.seed, "step": step, "index": index},
        "change": one.change.partition("-")[0],
        "horizon": one.horizon,
    }


def _ranked(rows: Iterable[Row]) -> list[Row]:
    return sorted(
        rows, key=lambda one: (one["mean"], one["world"], one["task"], one["seed"], one["step"], one["index"])
    )


def _addresses(library: Library, one: StartedChange | None) -> dict[str, str] | None:
    """The runs of the first sample's arms, as addresses name them."""
    if one is None:
        return None
    runs = {arm: one.folder(0, arm).path.parents[3] for arm in ARMS}
    return {arm: library.name(run) for arm, run in runs.items() if (run / "run.json").is_file()}


def _arms(begun: StartedChange) -> Iterator[EpisodeFolder]:
    """The arms of the samples that have begun."""
    with suppress(OSError), os.scandir(begun.path) as entries:
        numbers = [one.name.removeprefix("sample-") for one in entries if one.is_dir(follow_symlinks=False)]
        for number in numbers:
            if number.isdecimal():
                yield from (begun.folder(int(number), arm) for arm in ARMS)


def _changed(found: Measured, path: Path) -> float | None:
    """When something was last measured, or a sweep begun."""
    times = []
    files = (one.effects for one in {folder for folder, *_ in found.effects})
    for file in (*files, path / "lab.json", *(lock.with_suffix(".json") for _, _, lock, _ in found.sweeps)):
        with suppress(OSError):
            times.append(file.stat().st_mtime)
    return max(times, default=None)

"""What is wrong with the files of a search: its evaluations, lineage and verdicts.

Scores and verdicts are computed from the episodes and compared: a lineage needs no digest of its own.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from graphs.evaluation.verification import run_faults
from graphs.reviewer import lineage
from graphs.reviewer.evaluate_nodes import judge_attempt
from graphs.reviewer.folders import AttemptFolder
from graphs.reviewer.lineage import LineageRecord
from graphs.reviewer.search import Search
from graphs.reviewer.settle_nodes import gained
from graphs.settings import SettingsError
from scaffolds import Scaffold, ScaffoldError
from traces import RunFolder, TraceFailure, read_run
from traces.plain_json import read_file
from traces.verification import Fault, same

_AFTERWARDS = ("luck",)
"""Of a verdict, what further evaluations of the incumbent make sharper: it cannot be computed again as it was."""


def search_faults(search: Search) -> Iterator[Fault]:
    """Yield what is wrong with a search. Raises TraceFailure for a bad disk."""
    path = search.folder.path / lineage.FILE
    try:
        records = lineage.read(search.folder.path)
    except TraceFailure as failure:
        yield Fault(path, str(failure))
        records = []
    yield from lineage_faults(search, records)
    for record in records:
        if record.version is not None and record.kind in ("start", "attempt"):
            yield from _version_faults(search, record)
    for run in _runs(search):
        yield from run_faults(run)


def lineage_faults(search: Search, records: Sequence[LineageRecord]) -> Iterator[Fault]:
    """Yield where the lineage differs from the episodes and verdicts beside it.

    Reads results and verdicts and no trace: cheap enough for every reader of a lineage.
    """
    path = search.folder.path / lineage.FILE
    versions = [one.version for one in records if one.version is not None and one.kind in ("start", "attempt")]
    if versions != list(range(len(versions))):
        yield Fault(path, f"its versions are {', '.join(map(str, versions))}, not numbered one by one from 0")
    for record in records:
        for what in _record_faults(search, record):
            yield Fault(path, f"{record.name} ({record.kind}): {what}")
        run = _run(search, record)
        if record.mean is not None and (record.evaluation is None or not run.run.exists()):
            begun = record.evaluation is not None and run.path.exists()
            what = f"{run.run.name} of its evaluation is gone" if begun else "its episodes are not here"
            yield Fault(path, f"{record.name} ({record.kind}) is not verifiable: {what}", damage=begun)
    yield from _unrecorded(search, records)


def _record_faults(search: Search, record: LineageRecord) -> Iterator[str]:
    if record.version is not None and record.status not in ("start", "accepted"):
        yield f"it is version {record.version}, but its status is {record.status}"
    if record.status == "accepted" and record.version is None:
        yield "it was accepted, but has no version"
    if record.evaluation is not None and record.mean is None:
        yield "its score is gone"
    if record.evaluation is None or record.mean is None or not _run(search, record).run.exists():
        return
    wanted = _evaluation(search, record)
    if wanted is not None and search.folder.relative(wanted.path) != record.evaluation:
        yield f"its evaluation is {record.evaluation}, not {search.folder.relative(wanted.path)}"
        return
    seeds = search.holdout_seeds if record.kind == "holdout" else search.seeds
    try:
        measured = search.figures(_run(search, record), seeds)
        verdict = _verdict(search, record)
    except TraceFailure:
        return  # its episodes are damaged, which is reported for them
    except (SettingsError, AssertionError, ValueError, KeyError) as error:
        yield f"its verdict cannot be computed again ({error})"
        return
    for name, value in measured.items():
        if not same(value, getattr(record, name)):
            yield f"{name} is {getattr(record, name)}, its episodes give {value}"
    if verdict is None or record.verdict is None:
        if record.kind == "attempt" and record.status in ("accepted", "rejected") and record.verdict is None:
            yield "its verdict is gone"
        return
    for name, value in verdict.items():
        if name not in _AFTERWARDS and not same(value, record.verdict.get(name)):
            yield f"{name} of its verdict is {record.verdict.get(name)}, its episodes give {value}"
    if record.status == "accepted" and not verdict["accepted"]:
        yield "it was accepted, though its episodes do not pass the gate"


def _verdict(search: Search, record: LineageRecord) -> dict[str, Any] | None:
    """The verdict that the episodes of a record give; None where it has none."""
    if record.kind == "holdout":
        version = int((record.parent or "v0").removeprefix("v"))
        return gained(search, version) if version and record.verdict is not None else None
    if record.verdict is None or record.kind not in ("attempt", "control"):
        return None
    folder = search.folder.control(record.name) if record.kind == "control" else search.folder.attempt(record.name)
    return judge_attempt(search, record.name, folder).to_plain()


def _unrecorded(search: Search, records: Sequence[LineageRecord]) -> Iterator[Fault]:
    """Yield verdicts and hold-outs that the lineage lacks or contradicts."""
    recorded: dict[tuple[str, str], LineageRecord] = {(one.kind, one.name): one for one in records}
    for kind, folder in (("attempt", "attempts"), ("control", "controls")):
        for path in sorted((search.folder.path / folder).glob("*/verdict.json")):
            name = path.parent.name
            try:
                written = read_file(path)
                status, verdict = written.get("status"), "differences" in written
            except (TraceFailure, AttributeError) as failure:
                yield Fault(path, f"it is no verdict ({failure})")
                continue
            record = recorded.get((kind, name))
            if record is None:
                if kind == "control" or status is not None:
                    yield Fault(path, "the lineage has no record of it")
                continue
            if kind == "attempt" and status != record.status:
                yield Fault(path, f"it says {status}, the lineage {record.status}")
            kept = {key: value for key, value in written.items() if key not in ("status", "reason")}
            if verdict and record.verdict is not None:
                ours = {key: value for key, value in record.verdict.items() if key not in ("status", "reason")}
                if not same(kept, ours):
                    yield Fault(path, "it is not the verdict that the lineage holds")
    if search.folder.start.summary.exists() and not any(one.kind == "start" for one in records):
        yield Fault(search.folder.path / lineage.FILE, "it does not hold the start, which was evaluated")
    for path in sorted((search.folder.path / "holdout").glob("v*/summary.json")):
        if ("holdout", f"holdout {path.parent.name}") not in recorded:
            yield Fault(path, "the lineage has no record of it")


def _version_faults(search: Search, record: LineageRecord) -> Iterator[Fault]:
    """Compare the scaffold of a version with the one that was played."""
    path = search.folder.version(record.version or 0)
    run = _run(search, record) if record.evaluation else None
    if run is None or not run.run.exists():
        return
    try:
        digest, found = Scaffold.load(path).digest, read_run(run)
    except (ScaffoldError, OSError) as error:
        yield Fault(path, f"the scaffold cannot be loaded ({error})")
        return
    except TraceFailure:
        return  # reported for the run
    configuration = (found or {}).get("configuration")
    if isinstance(configuration, dict) and configuration.get("scaffold_digest") != digest:
        yield Fault(path, "it is not the scaffold that was evaluated: its files changed since")


def _run(search: Search, record: LineageRecord) -> RunFolder:
    return RunFolder(search.folder.path / (record.evaluation or ""))


def _evaluation(search: Search, record: LineageRecord) -> RunFolder | None:
    """Where the evaluation of a record lies, by its name."""
    if record.kind == "start":
        return search.folder.start
    if record.kind == "holdout":
        return RunFolder(search.folder.path / "holdout" / record.name.removeprefix("holdout "))
    folders = {"attempt": search.folder.attempt, "control": search.folder.control}
    return folders[record.kind](record.name).evaluation if record.kind in folders else None


def _runs(search: Search) -> Iterator[RunFolder]:
    """Everything that was played for a search."""
    for run in (search.folder.start, *map(RunFolder, sorted((search.folder.path / "holdout").glob("v*")))):
        if run.run.exists():
            yield run
    for folder in ("attempts", "controls"):
        for path in sorted((search.folder.path / folder).glob("*")):
            yield from AttemptFolder(path).runs()

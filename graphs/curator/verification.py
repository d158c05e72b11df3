"""What is wrong with the files of a run of loop 2: its evaluations, ledger, final table and datasets.

Scores are computed from the episodes, examples cut again from the traces, and both are compared with what was written.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from graphs.curator.evaluating import progression, rows, selection
from graphs.curator.final_nodes import trained
from graphs.curator.folders import IterationFolder
from graphs.curator.position import SPECIALIST, best
from graphs.curator.run import Specialization
from graphs.curator.train_nodes import attempts
from graphs.evaluation.verification import run_faults
from traces import RunFolder, TraceFailure
from traces.plain_json import read_file
from traces.verification import Fault, same
from training import TrainingError
from training.certificate import certify
from training.dataset import dataset_digest
from training.ledger import LedgerEntry, read


def specialization_faults(run: Specialization) -> Iterator[Fault]:
    """Yield what is wrong with a run of loop 2. Raises TraceFailure for a bad disk."""
    try:
        entries = read(run.folder.ledger)
    except TrainingError as error:
        yield Fault(run.folder.ledger, str(error))
        entries = []
    yield from ledger_faults(run, entries, traces=True)
    yield from table_faults(run, entries, traces=True)
    yield from _dataset_faults(run)
    evaluations = run.folder.evaluations()
    random = run.folder.random_turns.evaluation("a")
    for evaluation in (*evaluations, *([random] if random.run.exists() else [])):
        yield from run_faults(evaluation)


def ledger_faults(run: Specialization, entries: Sequence[LedgerEntry], *, traces: bool = False) -> Iterator[Fault]:
    """Yield where the ledger differs from the episodes and trainings beside it.

    `traces` compares what is measured in traces, too; without, results are read and nothing else.
    """
    path = run.folder.ledger
    names = [entry.run for entry in entries]
    for name in sorted({one for one in names if names.count(one) > 1}):
        yield Fault(path, f"it holds {name} twice")
    for entry in entries:
        for what in _entry_faults(run, entry, traces):
            yield Fault(path, f"{entry.run}: {what}")
        evaluation = _evaluation(run, entry)
        if entry.progression and not evaluation.run.exists():
            begun = evaluation.path.exists()
            what = f"{evaluation.run.name} of its evaluation is gone" if begun else "its episodes are not here"
            yield Fault(path, f"{entry.run} is not verifiable: {what}", damage=begun)
    if run.folder.table.exists():
        known = {entry.artifacts.get("evaluation") for entry in entries}
        for evaluation in run.folder.evaluations():
            relative = run.folder.relative(evaluation.path)
            if evaluation.path != run.folder.collect.path and relative not in known:
                yield Fault(evaluation.path, "the ledger has no line of it")


def table_faults(run: Specialization, entries: Sequence[LedgerEntry], *, traces: bool = False) -> Iterator[Fault]:
    """Yield where the final table differs from the episodes; nothing where there is none yet."""
    path = run.folder.table
    if not path.exists():
        if any(entry.role.startswith("final ") for entry in entries):
            yield Fault(path, "it is gone: the ledger holds the final seeds")
        return
    try:
        table: dict[str, Any] = read_file(path)
        played = {one["player"]: (one["memory"], one["gameplay"]) for one in table["rows"]}
        written = {one["player"]: one for one in table["rows"]}
        found = {one.player: one.to_plain() for one in rows(run, played, measured=traces)}
        chosen = selection(run, played) if "selection" in table else None  # older tables have none
        winner = best(entries)
    except TraceFailure as failure:
        if str(path) in str(failure):
            yield Fault(path, str(failure))
        return  # the episodes are damaged, which is reported for them
    except (TypeError, KeyError, AttributeError, ValueError) as error:
        yield Fault(path, f"it is no final table ({error!r})")
        return
    for player, row in found.items():
        for name, value in row.items():
            if (traces or name != "measures") and not same(value, written[player].get(name)):
                yield Fault(path, f"{name} of {player} is {written[player].get(name)}, its episodes give {value}")
    if "selection" in table and not same(chosen, table["selection"]):
        yield Fault(path, f"selection is {table['selection']}, its episodes give {chosen}")
    if winner is None or table.get("winner") != winner.run:
        yield Fault(
            path, f"its winner is {table.get('winner')}, by the ledger it is {winner.run if winner else 'none'}"
        )
    for folder in sorted((run.folder.path / "final").glob("*/summary.json")):
        if folder.parent.name not in written:
            yield Fault(path, f"it has no row of {folder.parent.name}")


def _entry_faults(run: Specialization, entry: LedgerEntry, traces: bool) -> Iterator[str]:
    evaluation = _evaluation(run, entry)
    wanted = _place(run, entry)
    if wanted is not None and entry.artifacts.get("evaluation") != run.folder.relative(wanted.path):
        yield f"its evaluation is {entry.artifacts.get('evaluation')}, not {run.folder.relative(wanted.path)}"
        return
    if wanted is None or not evaluation.run.exists():
        return
    seeds = run.final_seeds if entry.role.startswith("final") else run.validation_seeds
    try:
        found: dict[str, Any] = progression(run, evaluation, seeds, measured=traces)
        adapter = IterationFolder(evaluation.path.parents[1]).adapter(evaluation.path.name)
        if entry.role == SPECIALIST and entry.configuration is not None and adapter.exists():
            found |= trained(IterationFolder(evaluation.path.parents[1]), evaluation.path.name, entry.configuration)
    except TraceFailure:
        return  # its episodes are damaged, which is reported for them
    except (AssertionError, OSError, TypeError, ValueError, KeyError) as error:
        yield f"its training or summary cannot be read ({error!r})"
        return
    for name, value in found.items():
        written = getattr(entry, name)
        if not (same(value, written) if name != "configuration" else value == written):
            yield f"{name} is {written}, its files give {value}"


def _evaluation(run: Specialization, entry: LedgerEntry) -> RunFolder:
    return RunFolder(run.folder.path / entry.artifacts.get("evaluation", "none"))


def _place(run: Specialization, entry: LedgerEntry) -> RunFolder | None:
    """Where the evaluation of an entry lies, by its name; None for one without."""
    if entry.run == "base":
        return run.folder.baseline
    if entry.role.startswith("final "):
        return run.folder.final(entry.role.removeprefix("final "))
    if entry.role == SPECIALIST:
        return run.folder.iteration(entry.iteration).evaluation(entry.run.removeprefix(str(entry.iteration)))
    return None


def _dataset_faults(run: Specialization) -> Iterator[Fault]:
    """Cut every dataset again from the traces."""
    numbered = [IterationFolder(path) for path in sorted((run.folder.path / "iterations").glob("*"))]
    for folder in (*numbered, run.folder.random_turns):
        if not folder.dataset.exists():
            if _was_trained(folder):
                yield Fault(folder.dataset, "the dataset is gone, though it was trained on")
            continue
        try:
            last = attempts(folder)[-1] if folder.certified.exists() else {}
            if last.get("digest") not in (None, dataset_digest(folder.dataset)):
                yield Fault(folder.dataset, "it is not the dataset that was certified")
            if not last.get("faults"):
                for what in certify(folder.dataset, run.folder.collect, evaluation_seeds=run.never_trained_on):
                    yield Fault(folder.dataset, what)
        except (TrainingError, TraceFailure, IndexError, AttributeError, TypeError) as error:
            yield Fault(_blamed(folder, error), str(error))


def _was_trained(folder: IterationFolder) -> bool:
    return any(folder.adapters.glob("*/metrics.json"))


def _blamed(folder: IterationFolder, error: Exception) -> Path:
    return folder.certified if str(folder.certified) in str(error) else folder.dataset

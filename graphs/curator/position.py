"""Where a run stands, read from its ledger: which iteration is next, and which specialist is the best so far."""

from __future__ import annotations

from collections.abc import Iterable

from graphs.curator.folders import IterationFolder
from graphs.curator.specialization import Specialization
from training.ledger import LedgerEntry, read

SPECIALIST, NOTHING, BASE = "specialist", "none", "base"
"""Roles in the ledger: a training that was evaluated; an iteration without one; the untrained base."""


def next_iteration(run: Specialization) -> int | None:
    """The first iteration that is not over; None when all are."""
    over = {entry.iteration for entry in read(run.folder.ledger) if entry.role in (SPECIALIST, NOTHING)}
    return next((number for number in range(1, run.iterations + 1) if number not in over), None)


def winner(run: Specialization) -> LedgerEntry | None:
    """The specialist with the highest mean on the validation seeds, the earliest of equals; None if there is none."""
    return best(read(run.folder.ledger))


def best(entries: Iterable[LedgerEntry]) -> LedgerEntry | None:
    """The same of a ledger's entries."""
    found = [entry for entry in entries if entry.role == SPECIALIST]
    return max(found, key=lambda entry: entry.mean or 0.0, default=None)


def earlier(run: Specialization, iteration: int) -> dict[int, IterationFolder]:
    """The iterations before this one that have a selection, by number."""
    folders = {number: run.folder.iteration(number) for number in range(1, iteration)}
    return {number: folder for number, folder in folders.items() if folder.selected.exists()}

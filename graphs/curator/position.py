"""The position of a run, by its ledger: the next iteration, the best specialist so far, and what is spent."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import asdict, replace
from pathlib import Path

from graphs.agent.loop import AgentLimits, spent_on
from graphs.curator.folders import IterationFolder
from graphs.curator.run import Specialization
from graphs.settings import Context
from graphs.spending import Amounts, Budgets, Price, Spending, left_of, read_prices, spent_playing, sum_of
from training.ledger import LedgerEntry, read
from training.metrics import read_metrics

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


def spent(run: Specialization) -> Amounts:
    """Model calls, tokens, US dollars (a model without a price counts as free) and minutes so far.

    A training costs minutes; of one that is under way, they count when it has finished.
    """
    price = _curators_price(run)
    curated = (spent_on(transcript, price).amounts() for transcript in run.folder.transcripts())
    played = (one for one in run.folder.evaluations() if not (run.traces and one == run.folder.collect))
    amounts = sum_of([spent_playing(played), spent_playing(run.folder.notebook_arms()), *curated])
    finished = [metrics for folder in run.folder.trainings() if (metrics := read_metrics(folder)) is not None]
    amounts["minutes"] += sum(metrics.seconds for metrics in finished) / 60
    return amounts


def budgets(run: Specialization) -> Budgets:
    """The run's budget, with what it has spent."""
    return [Spending(run.ceilings, "run", spent=spent(run))]


def curator_limits(run: Specialization, transcript: Path) -> AgentLimits:
    """What the curator's conversation in an iteration may come to. CeilingReached where nothing is left."""
    return AgentLimits.leaving(left_of(budgets(run)), transcript, _curators_price(run), run.context.patience_s)


def _curators_price(run: Specialization) -> Price | None:
    return read_prices(run.context.prices).get(run.curator_model)


def priced(run: Specialization, context: Context, model: str) -> Context:
    """The context with a price table of the run's own, in which both players have their price."""
    prices = dict(read_prices(run.context.prices))
    players = {model, context.gameplay_model or model}
    new = {one: prices[run.base] for one in players if one not in prices and run.base in prices}
    if not new:
        return context
    text = "".join(_table(one, price) for one, price in sorted({**prices, **new}.items()))
    # Price tables are read once per path: another content has another name.
    path = run.folder.path / "prices" / f"{hashlib.sha256(text.encode()).hexdigest()[:12]}.toml"
    path.parent.mkdir(exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return replace(context, prices=str(path))


def _table(model: str, price: Price) -> str:
    """A price as TOML; JSON's strings are TOML's."""
    values = "".join(f"{name} = {value}\n" for name, value in asdict(price).items() if value is not None)
    return f"[{json.dumps(model, ensure_ascii=False)}]\n{values}\n"

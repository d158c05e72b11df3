"""What an attempt and its search have spent, read from files: a search that was killed keeps its budget."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from langgraph.types import Command

from graphs.agent.loop import AgentLimits, spent_on
from graphs.outer_loop import end_of_run
from graphs.reviewer import lineage
from graphs.reviewer.folders import AttemptFolder
from graphs.reviewer.lineage import LineageRecord
from graphs.reviewer.search import Search
from graphs.settings import CEILINGS
from graphs.spending import Amounts, Budgets, CeilingReached, Price, Spending, left_of, read_prices, spent_playing

Spent = dict[str, Amounts]
"""By who spent it: "reviewer" and "player"."""


def add_up(*parts: Mapping[str, Mapping[str, float]]) -> Spent:
    """The sum, by who spent it."""
    total = {who: dict.fromkeys(CEILINGS, 0.0) for who in ("reviewer", "player")}
    for part in parts:
        for who, amounts in part.items():
            for name, value in amounts.items():
                total.setdefault(who, dict.fromkeys(CEILINGS, 0.0))[name] += value
    return total


def spent_before(records: Iterable[LineageRecord]) -> Spent:
    """What was spent by the lineage."""
    return add_up(*(record.spent for record in records))


def spent_in(search: Search, attempt: AttemptFolder) -> Spent:
    """What an attempt spent so far; messages of the reviewer that were broken off are included."""
    reviewer = spent_on(attempt.transcript, _reviewers_price(search)).amounts()
    return {"reviewer": reviewer, "player": spent_playing(attempt.runs())}


def budgets(search: Search, under_way: Spent, *, whole_only: bool = False) -> Budgets:
    """The search's budget, and unless `whole_only` that of the attempt which spent what is `under_way`."""
    total = add_up(spent_before(lineage.read(search.folder.path)), under_way)
    whole = Spending(search.ceilings, "search", spent=_together(total))
    return [whole] if whole_only else [whole, Spending(search.attempt_ceilings, "attempt", spent=_together(under_way))]


def review_limits(search: Search, attempt: AttemptFolder) -> AgentLimits:
    """What the reviewer's conversation on an attempt may come to. CeilingReached if nothing is left."""
    left = left_of(budgets(search, spent_in(search, attempt)))
    return AgentLimits.leaving(left, attempt.transcript, _reviewers_price(search))


def over_budget(reached: CeilingReached) -> Command[Any]:
    """The way on. An attempt that the search's budget broke off stays open: with a higher one it goes on."""
    if reached.whose == "attempt":
        return Command(goto="settle", update={"status": "stopped", "reason": f"{reached}."})
    return end_of_run(reached)


def _together(spent: Spent) -> Amounts:
    return {name: sum(amounts.get(name, 0.0) for amounts in spent.values()) for name in CEILINGS}


def _reviewers_price(search: Search) -> Price | None:
    return read_prices(search.context.prices).get(search.reviewer_model)

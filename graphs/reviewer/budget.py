"""What an attempt and its search have spent, and what is left, read from files: a killed search keeps its budget."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from langgraph.types import Command

from graphs.agent.loop import AgentLimits, spent_on
from graphs.reviewer import lineage
from graphs.reviewer.folders import AttemptFolder
from graphs.reviewer.lineage import LineageRecord
from graphs.reviewer.search import Search
from graphs.settings import CEILINGS
from graphs.spending import CeilingReached, Price, Spending, read_prices, spent_playing
from traces import RunFolder

Amounts = dict[str, float]
"""Model calls, tokens (prompt and completion), cost (US dollars) and minutes: the names of `ceilings.CEILINGS`."""
Spent = dict[str, Amounts]
"""By who spent it: "reviewer" and "player"."""


class BudgetReached(CeilingReached):
    """A budget of the search is spent: the signal to end cleanly with the best version so far."""

    def __init__(self, sentence: str, *, whole: bool) -> None:
        super().__init__(sentence)
        self.whole = whole
        """Whether the search's own budget is spent; else that of one attempt, and the next may begin."""


@dataclass(frozen=True, slots=True)
class Budget:
    """The two budgets, ceilings by name (checked by `ceilings.parse_ceilings`); what is not named has no limit."""

    attempt: Mapping[str, float]
    total: Mapping[str, float]

    def check(self, attempt: Spent, total: Spent) -> None:
        """BudgetReached if nothing more may be spent. `attempt`: by the present one; `total`: by all, it included."""
        for limits, whose, spent in ((self.total, "search", total), (self.attempt, "attempt", attempt)):
            try:
                Spending(limits, whose, spent=together(spent)).check()
            except CeilingReached as reached:
                raise BudgetReached(str(reached), whole=whose == "search") from reached

    def left(self, attempt: Spent, total: Spent, resumed: Amounts | None = None) -> Amounts:
        """Ceilings for the next piece of work: of each limited amount, what both budgets leave. Above 0 after `check`.

        `resumed`: what a run that goes on had spent before, for an evaluation counts its finished episodes anew.
        """
        left: Amounts = {}
        for limits, spent in ((self.total, together(total)), (self.attempt, together(attempt))):
            for name, limit in limits.items():
                # An evaluation's clock starts anew when it goes on; all else is counted from its beginning.
                again = (resumed or {}).get(name, 0.0) if name != "minutes" else 0.0
                left[name] = min(left.get(name, float("inf")), limit - spent[name] + again)
        return left


def nothing() -> Spent:
    """Nobody has spent anything."""
    return {who: dict.fromkeys(CEILINGS, 0.0) for who in ("reviewer", "player")}


def add_up(*parts: Mapping[str, Mapping[str, float]]) -> Spent:
    """The sum, by who spent it."""
    total = nothing()
    for part in parts:
        for who, amounts in part.items():
            for name, value in amounts.items():
                total.setdefault(who, dict.fromkeys(CEILINGS, 0.0))[name] += value
    return total


def together(spent: Mapping[str, Mapping[str, float]]) -> Amounts:
    """What all have spent."""
    return {name: sum(amounts.get(name, 0.0) for amounts in spent.values()) for name in CEILINGS}


def spent_before(records: Iterable[LineageRecord]) -> Spent:
    """What the lineage says was spent."""
    return add_up(*(record.spent for record in records))


def budget_of(search: Search, *, whole_only: bool = False) -> Budget:
    """The budgets of a search; `whole_only`: of what belongs to no attempt (start, control, hold-out)."""
    return Budget({} if whole_only else search.attempt_ceilings, search.ceilings)


def reviewers_price(search: Search) -> Price | None:
    """What the reviewer's tokens cost; None without a price."""
    return read_prices(search.context.prices).get(search.reviewer_model)


def spent_reviewing(search: Search, attempt: AttemptFolder) -> Amounts:
    """What the reviewer spent on an attempt: its conversation tells, messages that were broken off among it."""
    return spent_on(attempt.transcript, reviewers_price(search)).amounts()


def spent_in(search: Search, attempt: AttemptFolder) -> Spent:
    """What an attempt spent so far."""
    return {"reviewer": spent_reviewing(search, attempt), "player": spent_playing(attempt.runs())}


def spent_before_it(search: Search) -> Spent:
    """What everything that is in the lineage spent."""
    return spent_before(lineage.read(search.folder.path))


def check_budget(search: Search, attempt: Spent | None = None, *, whole_only: bool = False) -> None:
    """BudgetReached if nothing more may be spent; `attempt`: by what is under way."""
    under_way = attempt or nothing()
    budget_of(search, whole_only=whole_only).check(under_way, add_up(spent_before_it(search), under_way))


def raise_reached(search: Search, attempt: Spent, *, whole_only: bool = False) -> None:
    """BudgetReached for an evaluation that its ceilings stopped: by the budget of which least is left.

    What was spent on a step that a ceiling broke off is in no result, so by the files something may be left of it.
    """
    check_budget(search, attempt, whole_only=whole_only)
    budget = budget_of(search, whole_only=whole_only)
    spent = {True: together(add_up(spent_before_it(search), attempt)), False: together(attempt)}
    shares = [
        ((limit - spent[whole][name]) / limit, whole, name, limit)
        for whole, limits in ((True, budget.total), (False, budget.attempt))
        for name, limit in limits.items()
    ]
    _, whole, name, limit = min(shares)
    used_up = {"player": {**dict.fromkeys(CEILINGS, 0.0), name: limit}}
    Budget({} if whole else {name: limit}, {name: limit} if whole else {}).check(used_up, used_up)


def left_for(search: Search, attempt: Spent, run: RunFolder | None = None, *, whole_only: bool = False) -> Amounts:
    """Ceilings for the next piece of work; `run`: an evaluation that may have begun already."""
    resumed = spent_playing([run]) if run is not None and run.run.exists() else None
    return budget_of(search, whole_only=whole_only).left(attempt, add_up(spent_before_it(search), attempt), resumed)


def review_limits(search: Search, attempt: AttemptFolder) -> AgentLimits:
    """What the reviewer's conversation on an attempt may come to. BudgetReached if nothing is left."""
    spent = spent_in(search, attempt)
    check_budget(search, spent)
    return AgentLimits.leaving(left_for(search, spent), attempt.transcript, reviewers_price(search))


def over_budget(reached: BudgetReached) -> Command[Any]:
    """The way on. An attempt that the search's budget broke off stays open: with a higher one it goes on."""
    if reached.whole:
        return Command(goto="finish", update={"reason": f"{reached}.", "status": "limited"})
    return Command(goto="settle", update={"status": "stopped", "reason": f"{reached}."})

"""What an attempt has spent so far, and what is left: read from its files, so that a killed search keeps its budget."""

from __future__ import annotations

from graphs.evaluation.spending import spent_playing
from graphs.inner_agent.ceilings import Price, read_prices
from graphs.inner_agent.context import CEILINGS
from graphs.reviewer import lineage
from graphs.reviewer.budget import Amounts, Budget, Spent, add_up, nothing, spent_before, together
from graphs.reviewer.folders import AttemptFolder
from graphs.reviewer.search import Search
from graphs.tool_agent import AgentLimits, spent_on
from traces import RunFolder


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

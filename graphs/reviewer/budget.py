"""What a search may spend, reviewer and player together: per attempt and in all.

Nothing is counted in memory: what was spent is read from the lineage (attempts that ended) and from the results of the
evaluations under way, so that a search that was killed and goes on has the same budget. It is looked at between two
pieces of work; within one, `left` becomes the ceilings of the evaluation or the limits of the review.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from graphs.inner_agent.ceilings import CeilingReached, Spending
from graphs.inner_agent.context import CEILINGS
from graphs.reviewer.lineage import LineageRecord

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

"""What a gate's rule is: it sees two evaluations pair by pair, and says whether the candidate is kept, and why."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from graphs.evaluation.paired import Paired


@dataclass(frozen=True, slots=True)
class Allowed:
    """How often chance may open the gate."""

    confidence: float
    """That no attempt of the whole search is kept by luck."""
    attempts_total: int

    @property
    def error(self) -> float:
        """The chance each attempt may be kept with: every attempt gets the same share of the error budget.

        With equal shares (Bonferroni) the budget holds however the attempts depend on each other; they do, since
        attempts at one version are all compared with the same evaluation of the incumbent.
        """
        return (1 - self.confidence) / self.attempts_total


@dataclass(frozen=True, slots=True)
class Decision:
    """What a rule says."""

    accepted: bool
    why: str
    """One sentence."""
    needs_fresh: bool = False
    """The rule asks for an evaluation of both on seeds that neither has played."""


class GateRule(Protocol):
    """One way to decide."""

    def __call__(self, seen: Paired, fresh: Paired | None, allowed: Allowed) -> Decision:
        """Decide from the gate seeds (`seen`) and, where the rule asked for them, fresh ones."""
        ...


def percent(progression: float) -> str:
    """ "27.27 %"."""
    return f"{100 * progression:.2f} %"


def odds(chance: float) -> str:
    """A probability as people read it: "0.21", "1 in 1,024"."""
    return f"{chance:.2f}" if chance >= 0.1 else f"1 in {round(1 / chance):,}"


def rise(paired: Paired) -> str:
    """How the mean moved, in words."""
    if paired.mean_difference == 0:
        return f"The mean stays at {percent(paired.before_mean)}"
    verb = "rises" if paired.mean_difference > 0 else "falls"
    return f"The mean {verb} from {percent(paired.before_mean)} to {percent(paired.after_mean)}"

"""The gate: the rules by which a candidate is kept, and everything a person needs to judge the verdict."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from enum import StrEnum
from math import ceil, log2
from typing import Any

from graphs.evaluation.statistics import (
    DRAWN,
    Difference,
    Pair,
    Paired,
    all_subsets,
    expected_luck,
    pair_up,
    spared_subsets,
)
from graphs.settings import SettingsError


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
    """What a rule decides."""

    accepted: bool
    why: str
    """One sentence."""
    needs_fresh: bool = False
    """The rule asks for an evaluation of both on seeds that neither has played."""


GateRule = Callable[[Paired, Paired | None, Allowed], Decision]
"""Decides from the gate seeds and, where the rule asked for them, fresh ones."""


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


def gate_mean(seen: Paired, fresh: Paired | None, allowed: Allowed) -> Decision:
    """Keep a strictly higher mean; a tie is not kept."""
    return Decision(seen.mean_difference > 0, f"{rise(seen)}; the rule asks for any rise and does not test for luck.")


def gate_paired(seen: Paired, fresh: Paired | None, allowed: Allowed) -> Decision:
    """Keep a gain whose interval lies above 0: its chance is within this attempt's share of the error budget."""
    if closed := reachable(len(seen.differences), allowed.confidence, allowed.attempts_total):
        return Decision(False, closed)
    accepted = seen.interval[0] > 0
    return Decision(
        accepted,
        f"{rise(seen)}; luck alone does at least that with probability {odds(seen.chance)}, "
        f"{'and' if accepted else 'but'} each attempt is allowed {odds(allowed.error)} ({_share(allowed)}).",
    )


def reachable(n_pairs: int, confidence: float, attempts_total: int) -> str | None:
    """None where `paired` can open with so many pairs; else in one sentence why it never can and what would help.

    Ask before a token is spent.
    """
    allowed = Allowed(confidence, attempts_total)
    subsets = all_subsets(n_pairs)
    if spared_subsets(allowed.error, subsets):
        return None
    ways = []
    if 1 / allowed.error <= DRAWN + 1:
        ways.append(f"{ceil(log2(1 / allowed.error))} pairs")
    if attempts := spared_subsets(1 - confidence, subsets):
        ways.append(f"a search of at most {attempts} attempt{'s' if attempts > 1 else ''}")
    if attempts_total < subsets / 2:
        ways.append(f"a confidence of {int(1000 * (1 - attempts_total / subsets)) / 10:g} %")
    return (
        f"The paired gate can never open: were all {n_pairs} pairs (task, seed) better, luck alone would do that with "
        f"probability {odds(1 / subsets)}, but each attempt is allowed {odds(allowed.error)} ({_share(allowed)}); "
        f"give {' or '.join(ways) or 'fewer attempts'}."
    )


def _share(allowed: Allowed) -> str:
    return f"an error of {1 - allowed.confidence:.3g} over {allowed.attempts_total} attempts"


def gate_confirm(seen: Paired, fresh: Paired | None, allowed: Allowed) -> Decision:
    """Keep a mean that is strictly higher twice; without `fresh`, a first rise asks for it."""
    if seen.mean_difference <= 0:
        return Decision(False, f"{rise(seen)}: nothing to confirm on fresh seeds.")
    if fresh is None:
        return Decision(False, f"{rise(seen)}; now both play fresh seeds.", needs_fresh=True)
    again = fresh.mean_difference > 0
    return Decision(
        again,
        f"{rise(seen)} and {'again' if again else 'not again'} on {len(fresh.differences)} fresh pairs: "
        f"{percent(fresh.before_mean)}, then {percent(fresh.after_mean)}.",
    )


__all__ = ["RULES", "Difference", "Rule", "Verdict", "judge", "reachable"]


class Rule(StrEnum):
    """The rules by name."""

    MEAN = "mean"
    PAIRED = "paired"
    CONFIRM = "confirm"


RULES: Mapping[Rule, GateRule] = {
    Rule.MEAN: gate_mean,
    Rule.PAIRED: gate_paired,
    Rule.CONFIRM: gate_confirm,
}


@dataclass(frozen=True, kw_only=True)
class Verdict(Paired):
    """What the gate decided about one attempt, with the paired figures of the gate seeds it decided by."""

    accepted: bool
    rule: str
    sentence: str
    """Why, on one line."""
    attempt: int
    """Which of the search's attempts this is, from 1."""
    attempts_total: int
    """How many the search may make: versions x attempts x (1 + continuations)."""
    confidence: float
    """That this attempt had to reach: what is left of 1 after its share of the search's error budget."""
    luck: float
    """Gain over the start that noise alone would be expected to show after `attempt` attempts, in [0, 1]."""
    needs_fresh: bool
    """The rule needs both played on fresh seeds, and is then applied again."""
    fresh: dict[str, Any] | None = None
    """The paired figures of the fresh seeds (fields of Paired), where the rule asked for them."""

    def to_plain(self) -> dict[str, Any]:
        """Plain data for JSON."""
        plain = asdict(self)
        plain["interval"] = list(self.interval)
        return plain

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any]) -> Verdict:
        """The verdict that `to_plain` wrote. Raises ValueError where it did not write it."""
        try:
            values = {field.name: plain[field.name] for field in fields(cls)}
            low, high = values["interval"]
            values["interval"] = (float(low), float(high))
            values["differences"] = [Difference(**one) for one in values["differences"]]
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(f"this is not a verdict of the gate: {error!r}") from error
        return cls(**values)


def judge(
    rule: Rule | str,
    incumbent: Mapping[Pair, float],
    candidate: Mapping[Pair, float],
    *,
    attempt: int,
    attempts_total: int,
    confidence: float = 0.9,
    fresh: tuple[Mapping[Pair, float], Mapping[Pair, float]] | None = None,
    repeats: Sequence[Mapping[Pair, float]] = (),
    seed: int = 0,
) -> Verdict:
    """Decide about one attempt of a search.

    `confidence`: that no attempt of the whole search is kept by luck. `fresh`: (incumbent, candidate) on fresh seeds.
    `repeats`: further evaluations of the incumbent on the same pairs, which make `luck` sharper. Same input, same
    verdict. SettingsError for an unknown rule, a confidence outside (0, 1) or an attempt beyond the total.
    """
    if rule not in list(Rule):
        raise SettingsError(f'There is no gate "{rule}": use one of {", ".join(Rule)}.')
    if not 0 < confidence < 1:
        raise SettingsError(f"The confidence of the gate lies between 0 and 1, not at {confidence}.")
    if not 1 <= attempt <= attempts_total:
        raise SettingsError(f"Attempt {attempt} is not one of the {attempts_total} the search was planned with.")
    allowed = Allowed(confidence, attempts_total)
    seen = pair_up(incumbent, candidate, error=allowed.error, seed=seed)
    again = pair_up(*fresh, error=allowed.error, seed=seed) if fresh is not None else None
    decision = RULES[Rule(rule)](seen, again, allowed)
    plain = None if again is None else {**asdict(again), "interval": list(again.interval)}
    return Verdict(
        **{field.name: getattr(seen, field.name) for field in fields(Paired)},
        accepted=decision.accepted,
        rule=str(rule),
        sentence=decision.why,
        attempt=attempt,
        attempts_total=attempts_total,
        confidence=1 - allowed.error,
        luck=expected_luck(incumbent, attempt, repeats=repeats, seed=seed),
        needs_fresh=decision.needs_fresh,
        fresh=plain,
    )

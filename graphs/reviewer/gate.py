"""The gate: whether a candidate is kept, and everything a person needs to judge that judgement.

Both scaffolds are played by the same model on the same seeds; a failed or missing episode counts 0. A rule is a file of
its own: `gate_mean` (the paper's), `gate_paired` (the default), `gate_confirm`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from enum import StrEnum
from typing import Any

from graphs.evaluation.paired import Difference, Paired, pair_up
from graphs.evaluation.scores import Pair
from graphs.inner_agent.context import SettingsError
from graphs.reviewer.gate_confirm import gate_confirm
from graphs.reviewer.gate_mean import gate_mean
from graphs.reviewer.gate_paired import gate_paired, reachable
from graphs.reviewer.gate_rules import Allowed, GateRule
from graphs.reviewer.luck import expected_luck

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
    """The rule wants both played on fresh seeds, then asks again."""
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

"""The rule that looks twice: the mean must rise on the gate seeds, and again on seeds drawn for this attempt alone.

It asks for two evaluations more than the others, and only where the first one rose. Chance passes it one time in four.
"""

from __future__ import annotations

from graphs.evaluation.paired import Paired
from graphs.reviewer.gate_rules import Allowed, Decision, percent, rise


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

"""The paper's rule: keep whatever has a strictly higher mean. It pays no regard to luck."""

from __future__ import annotations

from graphs.evaluation.paired import Paired
from graphs.reviewer.gate_rules import Allowed, Decision, rise


def gate_mean(seen: Paired, fresh: Paired | None, allowed: Allowed) -> Decision:
    """Keep a strictly higher mean; a tie is not kept."""
    return Decision(seen.mean_difference > 0, f"{rise(seen)}; the rule asks for any rise and does not test for luck.")

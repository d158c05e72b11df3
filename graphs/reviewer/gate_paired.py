"""The default rule: the gain, paired by seed, must be larger than chance would make it in a search of this length."""

from __future__ import annotations

from math import ceil, log2

from graphs.evaluation.paired import Paired
from graphs.evaluation.resampling import DRAWN, all_subsets, spared_subsets
from graphs.reviewer.gate_rules import Allowed, Decision, odds, rise


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

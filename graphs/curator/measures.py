"""What an evaluation shows of its memory model, beside the score: for the ledger and the final table."""

from __future__ import annotations

from graphs.evaluation.playing import summary
from traces import RunFolder
from training.validity import validity


def measures(run: RunFolder) -> dict[str, float]:
    """By name; what could not be measured (no search to divide by, no turn) is left out.

    log_writes_per_search  of LOG alone, as the paper reports it: mean over episodes (traces.metrics)
    valid_turns            share of the memory role's turns made of valid operations only (training.validity);
                           valid_log_turns, valid_plan_turns: of one routine
    """
    seen = validity(run)
    found = {
        "log_writes_per_search": (summary(run)["metrics"].get("log_writes_per_search") or {}).get("mean"),
        "valid_turns": seen.share(),
        "valid_log_turns": seen.share("LOG"),
        "valid_plan_turns": seen.share("PLAN"),
    }
    return {name: round(value, 6) for name, value in found.items() if value is not None}

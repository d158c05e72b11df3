"""What evaluations have spent, read from their files, so that whoever was killed and goes on has the same budget."""

from __future__ import annotations

from collections.abc import Iterable

from graphs.inner_agent.context import CEILINGS
from traces import EpisodeFolder, EpisodeResult, RunFolder, read_result
from traces.plain_json import read_file, write_file

Amounts = dict[str, float]
"""Model calls, tokens (prompt and completion), cost (US dollars) and minutes: the names of `context.CEILINGS`."""
CLOCK = "clock.json"
"""Beside an evaluation's run.json: minutes it was played, which its episodes, side by side, do not tell."""


def spent_playing(runs: Iterable[RunFolder]) -> Amounts:
    """What evaluations spent so far, failed episodes and earlier attempts at them included.

    `cost` counts a model without a price as free. TraceFailure or TraceDamaged.
    """
    total = dict.fromkeys(CEILINGS, 0.0)
    for run in runs:
        amounts = played(run)
        amounts["minutes"] = max(amounts["minutes"], minutes_on(run))
        total = {name: total[name] + amounts[name] for name in CEILINGS}
    return total


def played(run: RunFolder) -> Amounts:
    """The same of one evaluation; `minutes` are those of its longest episode, since they are played side by side."""
    results = [one for folder in run.episodes() for one in _attempts(folder)]
    return {
        "calls": sum(float(one.model_calls) for one in results),
        "tokens": sum(float(one.tokens.get("prompt", 0) + one.tokens.get("completion", 0)) for one in results),
        "cost": sum(one.cost or 0.0 for one in results),
        "minutes": max((one.wall_s for one in results), default=0.0) / 60,
    }


def minutes_on(run: RunFolder) -> float:
    """Minutes an evaluation was played, by its clock."""
    path = run.path / CLOCK
    return float(read_file(path)["minutes"]) if path.exists() else 0.0


def add_minutes(run: RunFolder, seconds: float) -> None:
    """Add to the time an evaluation was played, if it has begun."""
    if run.run.exists():
        write_file(run.path / CLOCK, {"minutes": round(minutes_on(run) + seconds / 60, 4)})


def _attempts(folder: EpisodeFolder) -> Iterable[EpisodeResult]:
    """The results of the present attempt at an episode and of those set aside."""
    aside = (EpisodeFolder(folder.path / f"attempt-{number}") for number in range(1, folder.attempt))
    return [result for one in (folder, *aside) if (result := read_result(one)) is not None]

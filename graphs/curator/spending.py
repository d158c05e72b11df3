"""What a run has spent, curator, players and trainings together: read from its files, so that it outlives a kill."""

from __future__ import annotations

from pathlib import Path

from graphs.curator.specialization import Specialization
from graphs.evaluation.spending import Amounts, spent_playing
from graphs.inner_agent.ceilings import Price, Spending, read_prices
from graphs.tool_agent import AgentLimits, spent_on
from traces import RunFolder
from training.metrics import read_metrics


def spent(run: Specialization) -> Amounts:
    """Model calls, tokens, US dollars (a model without a price counts as free) and minutes so far.

    A training costs minutes; of one that is under way, they count when it has finished.
    """
    amounts = spent_playing(run.folder.evaluations())
    for transcript in run.folder.transcripts():
        for name, value in spent_on(transcript, _curators_price(run)).amounts().items():
            amounts[name] += value
    finished = [metrics for folder in run.folder.trainings() if (metrics := read_metrics(folder)) is not None]
    amounts["minutes"] += sum(metrics.seconds for metrics in finished) / 60
    return amounts


def check_budget(run: Specialization) -> None:
    """CeilingReached if nothing more may be spent."""
    Spending(run.ceilings, "run", spent=spent(run)).check()


def raise_reached(run: Specialization) -> None:
    """CeilingReached for an evaluation that the run's ceilings stopped: by that of which least is left.

    What was spent on a step that a ceiling broke off stands in no result, so by the files something may be left of it.
    """
    check_budget(run)
    now = spent(run)
    name = min(run.ceilings, key=lambda one: (run.ceilings[one] - now[one]) / run.ceilings[one])
    Spending(run.ceilings, "run", spent={**now, name: run.ceilings[name]}).check()


def left_for(run: Specialization, evaluation: RunFolder | None = None) -> Amounts:
    """Ceilings for the next piece of work; CeilingReached where nothing is left.

    `evaluation`: one that may have begun already; it counts its finished episodes anew, all but their minutes.
    """
    check_budget(run)
    now = spent(run)
    again = spent_playing([evaluation]) if evaluation is not None and evaluation.run.exists() else {}
    return {
        name: limit - now[name] + (again.get(name, 0.0) if name != "minutes" else 0.0)
        for name, limit in run.ceilings.items()
    }


def curator_limits(run: Specialization, transcript: Path) -> AgentLimits:
    """What the curator's conversation in an iteration may come to. CeilingReached where nothing is left."""
    return AgentLimits.leaving(left_for(run), transcript, _curators_price(run))


def _curators_price(run: Specialization) -> Price | None:
    return read_prices(run.context.prices).get(run.curator_model)

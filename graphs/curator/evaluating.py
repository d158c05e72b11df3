"""How the players of a run are evaluated, and what the ledger and the final table keep of it."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from graphs.curator.players import specialist_of
from graphs.curator.position import SPECIALIST, budgets, priced, winner
from graphs.curator.run import Specialization
from graphs.curator.specialist_server import served
from graphs.evaluation.episode import Progress
from graphs.evaluation.playing import EvaluationJob, failures, nothing_left, play_in_loop, played_whole, summary
from graphs.evaluation.statistics import Pair, pair_up, read_scores
from graphs.events import emit
from graphs.settings import Context
from traces import RunFolder
from traces.plain_json import write_file
from training import ledger
from training.ledger import LedgerEntry
from training.source import validity


def measures(run: RunFolder) -> dict[str, float]:
    """By name; what could not be measured (no search to divide by, no turn) is left out.

    log_writes_per_search  of LOG alone, as the paper reports it: mean over episodes (traces.metrics)
    valid_turns            share of the memory role's turns made of valid operations only (training.source);
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


def progression(run: Specialization, out: RunFolder, seeds: list[int], *, measured: bool = True) -> dict[str, Any]:
    """The fields of a ledger's line that an evaluation fills; a failed episode counts 0.

    `measured`: with what the traces show, which takes reading them.
    """
    scores: dict[str, dict[int, float]] = {task: {} for task in run.tasks}
    for (task, seed), value in read_scores(out, run.pairs(seeds)).items():
        scores[task][seed] = value
    return {"progression": scores} | ({"measures": measures(out)} if measured else {})


def append(run: Specialization, entry: LedgerEntry) -> None:
    """Write a line and report it, unless it is there already from before a kill."""
    if any(one.run == entry.run for one in ledger.read(run.folder.ledger)):
        return
    ledger.append(run.folder.ledger, entry)
    emit("recorded", name=entry.run, note=entry.note, mean=entry.mean)


def evaluation(
    run: Specialization, name: str, out: RunFolder, seeds: list[int], model: str, context: Context
) -> EvaluationJob:
    """What is to be played, with prices for both players. `name` is for people: "2a", "final specialist"."""
    return EvaluationJob(
        name=name,
        given=run.evaluation(out, seeds, model),
        context=priced(run, context, model),
        budgets=lambda: budgets(run),
        metadata={"run": str(run.folder.path), "evaluation": name},
    )


def by_specialist(run: Specialization, name: str, adapter: Path, out: RunFolder, seeds: list[int]) -> EvaluationJob:
    """The evaluation of a specialist: it keeps the memory, the gameplay model commits the actions."""
    specialist = specialist_of(run.base, adapter)
    return evaluation(run, name, out, seeds, specialist, run.with_specialist(run.gameplay))


def final_evaluation(run: Specialization) -> tuple[EvaluationJob, Path] | None:
    """The specialist on the final seeds and its adapter; None while that is not played to its end."""
    best, out = winner(run), run.folder.final(SPECIALIST)
    if best is None or not played_whole(out):
        return None
    adapter = run.folder.path / best.artifacts["adapter"]
    return by_specialist(run, f"final {SPECIALIST}", adapter, out, run.final_seeds), adapter


async def play_episodes(run: Specialization, job: EvaluationJob, adapter: Path | None = None) -> None:
    """Play what is not played yet; `adapter`: of the specialist that plays, if one does.

    CeilingReached where the budget ended it, Halted where the machine failed it, TrainingError or TrainingFailure where
    a specialist's server does not take it.
    """
    seeds: list[int] = list(job.given["seeds"] or [])
    if await asyncio.to_thread(nothing_left, job, run.pairs(seeds)):
        return
    who = [job.given["model"], job.context.gameplay_model]

    def report(progress: Progress) -> None:
        emit("episode", name=job.name, progress=progress)

    async with served(run, adapter):
        emit("playing", name=job.name, episodes=len(run.pairs(seeds)), who=who)
        await play_in_loop(job, report, run.pairs(seeds))
    figures = await asyncio.to_thread(run.figures, job.out, seeds)
    emit("played", name=job.name, **figures, measures=await asyncio.to_thread(measures, job.out))


BASE, BOTH, RANDOM = "base-handoff", "both-roles", "random-turns"
"""Names of its players, and of their run folders under final/."""
ERROR = 0.05
"""Each end of the interval of a paired difference is wrong with this probability at most."""


@dataclass(frozen=True, kw_only=True)
class Row:
    """One player. Progressions lie in [0, 1]."""

    player: str
    memory: str
    """Who keeps the memory."""
    gameplay: str
    """Who commits the actions."""
    mean: float
    standard_error: float
    """Over episodes: population standard deviation / sqrt(n), as the paper reports it."""
    episodes: int
    failed: int
    """Of these: they count 0."""
    measures: dict[str, float]
    difference: float | None
    """Mean over pairs of its score less the base's; None for the base."""
    interval: tuple[float, float] | None
    chance: float | None
    """How likely at least this difference is for a player that plays like the base."""

    def to_plain(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return {**asdict(self), "interval": list(self.interval) if self.interval else None}


def rows(run: Specialization, played: Mapping[str, tuple[str, str]], *, measured: bool = True) -> list[Row]:
    """The rows of `played`: who kept the memory and who committed the actions, by player; the base among them.

    `measured`: with what the traces show, which takes reading them.
    """
    pairs = run.pairs(run.final_seeds)
    scores = {player: read_scores(run.folder.final(player), pairs) for player in played}
    return [_row(run, player, *who, scores[player], scores[BASE], measured) for player, who in played.items()]


def write_table(run: Specialization, found: list[Row], winner: str) -> None:
    """Write the table with the models that played and curated, so that one of stand-ins says so."""
    labels = {
        "winner": winner,
        "traces_played_by": run.model,
        "base": run.base,
        "curated_by": run.curator_model,
        "scripted": "rules, no language model",
        "seeds": run.final_seeds,
        "interval_error": ERROR,
    }
    plain = {
        **labels,
        "rows": [row.to_plain() for row in found],
        "selection": selection(run, {one.player for one in found}),
    }
    write_file(run.folder.table, plain)


def selection(run: Specialization, players: Collection[str]) -> dict[str, Any] | None:
    """The specialist less the one of random turns, paired: what choosing the turns did. None without that control."""
    if RANDOM not in players:
        return None
    pairs = run.pairs(run.final_seeds)
    chosen, drawn = (read_scores(run.folder.final(player), pairs) for player in (SPECIALIST, RANDOM))
    paired = pair_up(drawn, chosen, error=ERROR, seed=run.seed)
    gains = [one.gain for one in paired.differences]
    return {
        "difference": paired.mean_difference,
        "interval": list(paired.interval),
        "chance": paired.chance,
        "better": sum(gain > 0 for gain in gains),
        "worse": sum(gain < 0 for gain in gains),
    }


def _row(
    run: Specialization,
    player: str,
    memory: str,
    gameplay: str,
    scores: Mapping[Pair, float],
    base: Mapping[Pair, float],
    measured: bool,
) -> Row:
    paired = pair_up(base, scores, error=ERROR, seed=run.seed)
    own = player == BASE
    return Row(
        player=player,
        memory=memory,
        gameplay=gameplay,
        mean=paired.after_mean,
        standard_error=paired.after_se,
        episodes=len(scores),
        failed=len(failures(summary(run.folder.final(player)))),
        measures=measures(run.folder.final(player)) if measured else {},
        difference=None if own else paired.mean_difference,
        interval=None if own else paired.interval,
        chance=None if own else paired.chance,
    )

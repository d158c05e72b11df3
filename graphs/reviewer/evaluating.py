"""How the scaffolds of a search are played, and what the search and its attempts have spent, read from their files."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from langgraph.types import Command

from chat_models.failures import FailureKind
from graphs.agent.loop import AgentLimits, spent_on
from graphs.evaluation import playing
from graphs.evaluation.episode import Progress, players_own
from graphs.evaluation.playing import EvaluationJob
from graphs.events import emit
from graphs.outer_loop import end_of_run
from graphs.reviewer import lineage
from graphs.reviewer.folders import AttemptFolder
from graphs.reviewer.lineage import LineageRecord
from graphs.reviewer.search import Search
from graphs.settings import CEILINGS
from graphs.spending import (
    Amounts,
    Budgets,
    CeilingReached,
    Price,
    Spending,
    left_of,
    read_prices,
    spent_playing,
    sum_of,
)
from scaffolds import Scaffold, ScaffoldError
from tools import UnknownDialect, VocabularyError
from traces import RunFolder, read_results

Spent = dict[str, Amounts]
"""By who spent it: "reviewer" and "player"."""


def add_up(*parts: Mapping[str, Mapping[str, float]]) -> Spent:
    """The sum, by who spent it."""
    everyone = dict.fromkeys(["reviewer", "player", *(who for part in parts for who in part)])
    return {who: sum_of(part[who] for part in parts if who in part) for who in everyone}


def spent_before(records: Iterable[LineageRecord]) -> Spent:
    """What was spent by the lineage."""
    return add_up(*(record.spent for record in records))


def spent_in(search: Search, attempt: AttemptFolder) -> Spent:
    """What an attempt spent so far; messages of the reviewer that were broken off are included."""
    reviewer = spent_on(attempt.transcript, _reviewers_price(search)).amounts()
    return {"reviewer": reviewer, "player": spent_playing(attempt.runs())}


def spent_in_all(search: Search) -> Spent:
    """What the search spent by its lineage, and on arms with other notebooks."""
    arms = {"player": spent_playing(search.folder.notebook_arms())}
    return add_up(spent_before(lineage.read(search.folder.path)), arms)


def budgets(search: Search, under_way: Spent, *, whole_only: bool = False) -> Budgets:
    """The search's budget, and unless `whole_only` that of the attempt which spent what is `under_way`."""
    total = add_up(spent_in_all(search), under_way)
    whole = Spending(search.ceilings, "search", spent=_together(total))
    return [whole] if whole_only else [whole, Spending(search.attempt_ceilings, "attempt", spent=_together(under_way))]


def review_limits(search: Search, attempt: AttemptFolder) -> AgentLimits:
    """What the reviewer's conversation on an attempt may come to. CeilingReached if nothing is left."""
    left = left_of(budgets(search, spent_in(search, attempt)))
    return AgentLimits.leaving(left, attempt.transcript, _reviewers_price(search), search.context.patience_s)


def over_budget(reached: CeilingReached) -> Command[Any]:
    """The way on. An attempt that the search's budget broke off stays open: with a higher one it goes on."""
    if reached.whose == "attempt":
        return Command(goto="settle", update={"status": "stopped", "reason": f"{reached}."})
    return end_of_run(reached)


def _together(spent: Spent) -> Amounts:
    return {name: sum(amounts.get(name, 0.0) for amounts in spent.values()) for name in CEILINGS}


def _reviewers_price(search: Search) -> Price | None:
    return read_prices(search.context.prices).get(search.reviewer_model)


CANDIDATE_ERRORS = (ScaffoldError, UnknownDialect, VocabularyError)
"""What playing a candidate raises where its files, which passed the check, turn out not to do."""


def candidates_own(cause: Mapping[str, Any]) -> bool:
    """Whether a failed probe is the candidate's doing: its code broke, hung or flooded, or its prompts grew too long.

    So is a request that the server does not take: of the same settings and another scaffold it took every one.
    """
    return players_own(cause) or (cause["where"] == "provider" and cause["kind"] == FailureKind.BAD_REQUEST)


async def play_episodes(
    search: Search,
    name: str,
    scaffold: Path,
    out: RunFolder,
    seeds: list[int],
    *,
    attempt: AttemptFolder | None = None,
    whole_only: bool = True,
    sampling: int = 0,
) -> str | None:
    """Play what is not played yet. None, or why by the scaffold's own doing there is no episode to judge by.

    `attempt`: the one, or its control arm, that this is part of; what its other parts spent counts too. `whole_only`:
    only the search's budget pays. CeilingReached where a budget ended it before it was whole, Halted where the machine
    failed an episode and playing on did not help.
    """

    def budgets_now() -> Budgets:
        spent = spent_in(search, attempt) if attempt is not None else {"player": spent_playing([out])}
        return budgets(search, spent, whole_only=whole_only)

    def report(progress: Progress) -> None:
        emit("episode", name=name, progress=progress)

    if await asyncio.to_thread(playing.finished, out):
        return await asyncio.to_thread(_crashed, out)
    emit("evaluating", name=name, episodes=len(search.pairs(seeds)))
    digest = await asyncio.to_thread(_digest, scaffold)
    job = evaluation(search, name, scaffold, out, seeds, budgets_now, sampling)
    try:
        await playing.play_in_loop(job, report, search.pairs(seeds))
    except CANDIDATE_ERRORS as error:
        return str(error)
    if await asyncio.to_thread(_changed, scaffold, out, digest):
        return "The scaffold was not the same all through its evaluation."
    emit("evaluated", name=name, **await asyncio.to_thread(search.figures, out, seeds))
    return await asyncio.to_thread(_crashed, out)


def evaluation(
    search: Search,
    name: str,
    scaffold: Path,
    out: RunFolder,
    seeds: list[int],
    budgets: Callable[[], Budgets],
    sampling: int = 0,
) -> EvaluationJob:
    """What is to be played of a scaffold. `name` is for people: "holdout v2"."""
    return EvaluationJob(
        name=f"{search.folder.path.name} {name}",
        given=search.evaluation(out, seeds, search.model),
        context=search.context.play(scaffold=str(scaffold), sampling=sampling),
        budgets=budgets,
        metadata={"search": str(search.folder.path), "attempt": name},
    )


def final_evaluation(search: Search) -> EvaluationJob | None:
    """The best version on the hold-out seeds; None while that is not played to its end."""
    version = lineage.position(search).incumbent.version or 0
    out = search.folder.holdout(version)
    if not playing.played_whole(out):
        return None
    scaffold, name = search.folder.version(version), f"holdout v{version}"
    return evaluation(search, name, scaffold, out, search.holdout_seeds, lambda: budgets(search, {}, whole_only=True))


def _crashed(run: RunFolder) -> str | None:
    found = playing.summary(run)
    if found["failed_episodes"] and not found["episodes"]:
        return f"Every episode failed: {found['failed_episodes'][0]['cause']['sentence']}"
    return None


def _digest(scaffold: Path) -> str:
    return Scaffold.load(scaffold).digest


def _changed(scaffold: Path, out: RunFolder, digest: str) -> bool:
    """Whether any episode was played by other files than those of this digest, or they differ now."""
    found = {one.scaffold_digest for one in read_results(out) if one.scaffold_digest}
    return found - {digest} != set() or _digest(scaffold) != digest

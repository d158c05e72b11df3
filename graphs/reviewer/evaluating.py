"""What stops a search without ending it, and what makes an attempt lose: the machine's failures, and a candidate's."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chat_models.failures import FailureKind
from graphs.evaluation import playing
from graphs.evaluation.episode import Progress, players_own
from graphs.evaluation.playing import Halted
from graphs.evaluation.statistics import read_scores
from graphs.events import emit
from graphs.reviewer.budget import Spent, check_budget, left_for, raise_reached, spent_in
from graphs.reviewer.folders import AttemptFolder
from graphs.reviewer.search import Search
from graphs.spending import Amounts, spent_playing
from scaffolds import Scaffold, ScaffoldError
from tools import UnknownDialect, VocabularyError
from traces import RunFolder, read_results
from traces.summary import mean_and_error

CANDIDATE_ERRORS = (ScaffoldError, UnknownDialect, VocabularyError)
"""What playing a candidate raises where its files, which passed the check, turn out not to do."""

SearchHalted = Halted
"""The machine failed a search: nothing was decided, and it can be gone on with."""


def candidates_own(cause: Mapping[str, Any]) -> bool:
    """Whether a failed probe is the candidate's doing: its code broke, hung or flooded, or its prompts grew too long.

    So is a request that the server does not take: of the same settings and another scaffold it took every one.
    """
    return players_own(cause) or (cause["where"] == "provider" and cause["kind"] == FailureKind.BAD_REQUEST)


@dataclass(frozen=True, kw_only=True)
class Work:
    """What to play."""

    name: str
    """For people: "v1.a2", "holdout v0"."""
    scaffold: Path
    out: RunFolder
    seeds: list[int]
    attempt: AttemptFolder | None = None
    """The attempt, or its control arm, that it is a part of: what its other parts spent counts too."""
    whole_only: bool = True
    """Whether only the whole search's budget pays for it, and not an attempt's."""
    sampling: int = 0


async def play_episodes(search: Search, work: Work) -> str | None:
    """Play what is not played yet. None, or why by the scaffold's own doing there is no episode to judge by.

    BudgetReached where a budget ended it before it was whole. SearchHalted where the machine failed an episode and
    playing on did not help.
    """
    if await asyncio.to_thread(playing.finished, work.out):
        return await asyncio.to_thread(_crashed, work.out)
    emit("evaluating", name=work.name, episodes=len(search.pairs(work.seeds)))
    sealed = await asyncio.to_thread(_digest, work.scaffold)
    whole = playing.Work(
        name=f"{search.folder.path.name} {work.name}",
        given=search.evaluation(work.out, work.seeds, {}),
        context=search.context.play(scaffold=str(work.scaffold), sampling=work.sampling),
        ceilings=lambda: _ceilings(search, work),
        metadata={"search": str(search.folder.path), "attempt": work.name},
    )

    def report(progress: Progress) -> None:
        emit("episode", name=work.name, progress=progress)

    try:
        await playing.play_whole(whole, report)
    except CANDIDATE_ERRORS as error:
        return str(error)
    if await asyncio.to_thread(playing.broken_off, work.out):
        await asyncio.to_thread(lambda: raise_reached(search, _spent(search, work), whole_only=work.whole_only))
    if await asyncio.to_thread(_tampered, work, sealed):
        return "The scaffold was not the same all through its evaluation."
    emit("evaluated", name=work.name, **await asyncio.to_thread(figures, search, work.out, work.seeds))
    return await asyncio.to_thread(_crashed, work.out)


def figures(search: Search, run: RunFolder, seeds: list[int]) -> dict[str, Any]:
    """Mean and standard error of progression in [0, 1], failures as 0."""
    pairs = search.pairs(seeds)
    scores = read_scores(run, pairs)
    found = mean_and_error(list(scores.values()))
    return {"mean": found["mean"], "standard_error": found["se"], "episodes": len(pairs)}


def _spent(search: Search, work: Work) -> Spent:
    return spent_in(search, work.attempt) if work.attempt is not None else {"player": spent_playing([work.out])}


def _ceilings(search: Search, work: Work) -> Amounts:
    spent = _spent(search, work)
    check_budget(search, spent, whole_only=work.whole_only)
    return left_for(search, spent, work.out, whole_only=work.whole_only)


def _crashed(run: RunFolder) -> str | None:
    found = playing.summary(run)
    if found["failed_episodes"] and not found["episodes"]:
        return f"Every episode failed: {found['failed_episodes'][0]['cause']['sentence']}"
    return None


def _digest(scaffold: Path) -> str:
    return Scaffold.load(scaffold).digest


def _tampered(work: Work, sealed: str) -> bool:
    """Whether any episode was played by other files than those that stood there before and stand there now."""
    found = {one.scaffold_digest for one in read_results(work.out) if one.scaffold_digest}
    return found - {sealed} != set() or _digest(work.scaffold) != sealed

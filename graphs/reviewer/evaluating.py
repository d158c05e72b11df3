"""How a scaffold of a search is played, and whose doing it is where it cannot be: the machine's, or the scaffold's."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from chat_models.failures import FailureKind
from graphs.evaluation import playing
from graphs.evaluation.episode import Progress, players_own
from graphs.evaluation.playing import Work
from graphs.events import emit
from graphs.reviewer.budget import budgets, spent_in
from graphs.reviewer.folders import AttemptFolder
from graphs.reviewer.search import Search
from graphs.spending import Budgets, spent_playing
from scaffolds import Scaffold, ScaffoldError
from tools import UnknownDialect, VocabularyError
from traces import RunFolder, read_results

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
    work = Work(
        name=f"{search.folder.path.name} {name}",
        given=search.evaluation(out, seeds, search.model),
        context=search.context.play(scaffold=str(scaffold), sampling=sampling),
        budgets=budgets_now,
        metadata={"search": str(search.folder.path), "attempt": name},
    )
    try:
        await playing.play_whole(work, report)
    except CANDIDATE_ERRORS as error:
        return str(error)
    if await asyncio.to_thread(_changed, scaffold, out, digest):
        return "The scaffold was not the same all through its evaluation."
    emit("evaluated", name=name, **await asyncio.to_thread(search.figures, out, seeds))
    return await asyncio.to_thread(_crashed, out)


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

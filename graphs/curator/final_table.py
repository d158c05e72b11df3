"""The final table: everybody on seeds never played before, each paired by seed with the base in both roles."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from graphs.curator.measures import measures
from graphs.curator.specialization import Specialization
from graphs.evaluation.paired import pair_up
from graphs.evaluation.scores import Pair, read_scores
from traces import read_results
from traces.plain_json import write_file

SPECIALIST, BASE, BOTH, RANDOM = "specialist", "base-handoff", "both-roles", "random-turns"
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
    """Keep it with who played and who curated, so that nobody takes it for what it is not."""
    labels = {
        "winner": winner,
        "traces_played_by": run.model,
        "base": run.base,
        "curated_by": run.curator_model,
        "scripted": "rules, no language model",
        "seeds": run.final_seeds,
        "interval_error": ERROR,
    }
    write_file(run.folder.table, {**labels, "rows": [row.to_plain() for row in found]})


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
        failed=sum(not one.scored for one in read_results(run.folder.final(player))),
        measures=measures(run.folder.final(player)) if measured else {},
        difference=None if own else paired.mean_difference,
        interval=None if own else paired.interval,
        chance=None if own else paired.chance,
    )

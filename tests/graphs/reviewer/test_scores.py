"""The scores a gate judges by: what failed or is missing counts zero, and nothing else does."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from graphs.evaluation.statistics import read_scores
from traces import EpisodeResult, Failure, RunFolder, write_result


def ended(run: RunFolder, seed: int, progression: float, status: Any = "finished") -> None:
    folder = run.episode("vault", "one-door", seed)
    folder.create()
    failure = Failure("provider", "timeout", "No answer.", 4) if status == "failed" else None
    write_result(
        folder,
        EpisodeResult(
            world="vault",
            task="one-door",
            seed=seed,
            status=status,
            steps=9,
            progression=progression,
            episode_return=0.0,
            failure=failure,
        ),
    )


def test_failed_and_missing_episodes_count_zero_and_limited_ones_what_they_reached(tmp_path: Path) -> None:
    run = RunFolder(tmp_path)
    ended(run, 1, 0.5)
    ended(run, 2, 0.7, "failed")
    ended(run, 3, 0.3, "limited")
    ended(run, 9, 1.0)  # not asked for
    pairs = [("one-door", seed) for seed in (1, 2, 3, 4)]
    assert read_scores(run, pairs) == dict(zip(pairs, (0.5, 0.0, 0.3, 0.0), strict=True))

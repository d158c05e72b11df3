"""What an episode without a result holds so far."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from playing import play

from traces import RunFolder
from traces.under_way import Counting


def test_a_count_that_is_closed_reads_no_further(tmp_path: Path) -> None:
    play(tmp_path, 2, thread="live", world="vault", task="one-door", seed=3)
    episodes = list(RunFolder(tmp_path / "runs" / "live").episodes())
    assert [one.steps for one in Counting().read(episodes)] == [2]
    closed = Counting()
    closed.close()
    assert closed.read(episodes) == []


def test_steps_that_two_requests_count_at_once_are_counted_once(tmp_path: Path) -> None:
    play(tmp_path, 40, thread="live", world="vault", task="six-doors", seed=3)
    episodes = list(RunFolder(tmp_path / "runs" / "live").episodes())
    (once,) = Counting().read(episodes)
    for _ in range(20):
        counting = Counting()
        with ThreadPoolExecutor(4) as threads:
            found = list(threads.map(counting.read, [episodes] * 4))
        assert [one.model_calls for (one,) in found] == [once.model_calls] * 4

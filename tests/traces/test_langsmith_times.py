"""Steps have the same times whoever asks: from the run's begin, from what they took, and corrected where play stood."""

from __future__ import annotations

from pathlib import Path

from traces import EpisodeFolder, StepRecord
from traces.langsmith_facts import StepTimes, TimesWriter, iso, microseconds

SECOND = 1_000_000
RUN = microseconds("2026-11-20T08:00:00+00:00")


def _step(number: int, latency_s: float = 0.5) -> StepRecord:
    return StepRecord(number, {"long": "", "short": ""}, "Wait", latency_s=latency_s)


def _begins(folder: EpisodeFolder, steps: int) -> list[float]:
    times = StepTimes(folder, RUN)
    return [(times.begin(_step(number)) - RUN) / SECOND for number in range(1, steps + 1)]


def test_without_corrections_an_episode_begins_with_its_run_and_steps_follow_one_another(tmp_path: Path) -> None:
    assert _begins(EpisodeFolder(tmp_path), 4) == [0.0, 0.5, 1.0, 1.5]


def test_an_episode_played_live_begins_when_it_did_and_goes_on_later_where_it_stood_still(tmp_path: Path) -> None:
    folder = EpisodeFolder(tmp_path)
    writer = TimesWriter(folder)
    for number, ended in [(1, 100.5), (2, 101.1), (3, 160.5)]:
        writer.played(_step(number), RUN + int(ended * SECOND))
    TimesWriter(folder).played(_step(4), RUN + 300 * SECOND)
    assert _begins(folder, 5) == [100.0, 100.5, 160.0, 299.5, 300.0]
    assert (tmp_path / "times.jsonl").read_bytes().count(b"step") == 3


def test_corrections_are_seen_while_they_are_written_and_a_torn_one_is_passed_over(tmp_path: Path) -> None:
    folder = EpisodeFolder(tmp_path)
    times = StepTimes(folder, RUN)
    assert times.begin(_step(1)) == RUN
    (tmp_path / "times.jsonl").write_bytes(b'\n{"step":2,"beg')
    TimesWriter(folder).played(_step(2), RUN + 50 * SECOND)
    assert iso(times.begin(_step(2))) == "2026-11-20T08:00:49.500000+00:00"
    assert times.now == RUN + 50 * SECOND


def test_a_folder_that_cannot_be_written_costs_exactness_only(tmp_path: Path) -> None:
    folder = EpisodeFolder(tmp_path / "gone")
    TimesWriter(folder).played(_step(1), RUN)
    assert _begins(folder, 2) == [0.0, 0.5]

"""SUMMARISE: the scores of all episodes, with failures counted, into summary.json."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from graphs.evaluation.state import State
from traces import EpisodeResult, RunFolder, write_summary
from traces.folders import disk_failures
from traces.results import result_from_plain


def summarise(state: State) -> dict[str, Any]:
    """Aggregate the results and write summary.json."""
    results = [result_from_plain(result) for result in state["results"]]
    with disk_failures():
        summary = write_summary(RunFolder(Path(state["out"])), results)
    return {"summary": summary, **outcome(results)}


def outcome(results: Sequence[EpisodeResult]) -> dict[str, str | None]:
    """The fields `status` and `reason` of `state.Output`."""
    failed = [one.failure.sentence for one in results if one.failure is not None]
    limited = [one.end_reason for one in results if one.status == "limited"]
    status = "failed" if failed else "limited" if limited else "finished"
    return {"status": status, "reason": next(iter([*failed, *limited]), None)}

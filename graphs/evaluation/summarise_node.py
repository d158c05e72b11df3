"""SUMMARISE: the scores of all episodes, with failures counted, into summary.json."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from graphs.evaluation.state import State
from traces import RunFolder, write_summary
from traces.results import result_from_plain


def summarise(state: State) -> dict[str, Any]:
    """Aggregate the results and write summary.json."""
    results = [result_from_plain(result) for result in state["results"]]
    return {"summary": write_summary(RunFolder(Path(state["out"])), results)}

"""Repair a copy of a run as far as replaying the recorded actions can prove what was played; the original stays.

A result that is gone or damaged is derived again where the trace is whole: the world is played by the recorded actions,
and every observation, reward and progression must be the recorded one. A trace that lost its end becomes an episode
that has not ended, to be played on with `resume`. What holds other bytes than it did is never made whole: a replay
cannot prove what a model said.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from graphs.evaluation.verification import summary_faults
from graphs.inner_agent.opening import open_session
from graphs.inner_agent.result import MACHINE_FAILURES
from graphs.inner_agent.run_file import recorded_settings
from graphs.settings import OUR_ERRORS
from memory_fs import MemoryFS, NotebookFailure, NotebookMisuse
from traces import EpisodeFolder, EpisodeResult, RunFolder, read_result, read_results, write_summary
from traces.integrity import only_other_bytes
from traces.plain_json import write_file
from traces.verification import Fault, notebook_faults

ASIDE = ".damaged"
"""What is added to the name of a result that was derived again."""


def repair_run(run: RunFolder) -> Iterator[Fault]:
    """Repair the copy of a run in place; yield what was done (no damage) and what could not be. TraceFailure."""
    for folder in run.episodes():
        result = read_result(folder, content=True)
        if result is not None and result.status == "damaged":
            yield _repaired(folder, result)
        elif result is not None and result.scored and any(notebook_faults(folder, result)):
            yield _settled(folder)
        elif result is None and folder.steps.exists() and run.summary.exists():
            yield _repaired(folder, None)
    results = read_results(run)
    whole = all(one.status != "damaged" for one in results)
    if whole and any(fault.damage for fault in summary_faults(run, results)):
        write_summary(run, results)
        yield Fault(run.summary, "computed again from the episodes", damage=False)


def _repaired(folder: EpisodeFolder, result: EpisodeResult | None) -> Fault:
    sentence = result.failure.sentence if result is not None and result.failure is not None else "its result is gone"
    if result is not None and only_other_bytes(folder, result):
        return Fault(folder.path, f"cannot be repaired: {sentence}, and a replay cannot prove what was said")
    moved = [path.rename(path.with_name(path.name + ASIDE)) for path in _results(folder) if path.exists()]
    try:
        settings = recorded_settings(folder)
        if settings is None or not folder.steps.exists():
            raise ValueError("there is no trace or no run.json to replay")
        session = open_session(dataclasses.replace(settings, ceilings={}), folder)
        steps, over = session.position.step - 1, session.position.over
        session.close()
    except (*MACHINE_FAILURES, *OUR_ERRORS, NotebookMisuse, ValueError) as error:
        for path in _results(folder):
            path.unlink(missing_ok=True)
        for path in moved:
            path.rename(path.with_name(path.name.removesuffix(ASIDE)))
        return Fault(folder.path, f"cannot be repaired: {sentence}; {error}")
    done = f"{steps} steps replayed as they are recorded"
    write_file(
        folder.path / "repaired.json",
        {"at": datetime.now(UTC).isoformat(timespec="seconds"), "damage": sentence, "steps": steps, "ended": over},
    )
    if over:
        return Fault(folder.path, f"{done}; its result is derived again", damage=False)
    return Fault(folder.path, f"{done}; it has not ended: go on with the run to play the rest", damage=False)


def _settled(folder: EpisodeFolder) -> Fault:
    """Make the notebook's files what the journal says; what was there otherwise is kept beside them."""
    try:
        MemoryFS(folder.memory, journal=folder.journal).close()
    except (NotebookFailure, NotebookMisuse) as error:
        return Fault(folder.memory, f"cannot be repaired: {error}")
    return Fault(folder.memory, "written again from the journal; what differed lies beside it", damage=False)


def _results(folder: EpisodeFolder) -> tuple[Path, Path, Path]:
    return folder.result, folder.failure, folder.limited

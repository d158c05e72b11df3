"""A short episode of each of a few tasks with a candidate: does its code hold, and does it leave the play to the model?

The probe's seed is its own; its scores are not looked at.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from chat_models import ConfigurationError
from chat_models.keys import new_context
from graphs.evaluation import graph as evaluation
from graphs.evaluation.playing import Halted, failures
from graphs.reviewer.evaluating import CANDIDATE_ERRORS, candidates_own
from graphs.spending import Amounts
from scaffolds import Scaffold, ScaffoldError
from scaffolds.containment import Bounds
from traces import EpisodeFolder, RunFolder, StepRecord, TraceReader

if TYPE_CHECKING:
    from graphs.reviewer.search import Search

STEPS = 30
TASKS = 3
"""Tasks probed at most, the first ones."""
SEED = 1_000_003
"""Far from the gate and hold-out seeds of any protocol."""
NOTICE_CHARACTERS = 3_000
"""Of notices in a step, on average: more than this and they push the observation aside."""
JOURNAL_BYTES = Bounds().step_journal_bytes
"""Written into the notebook in a step, on average, whoever writes: what its code may write all through an episode."""
REPLACED = 0.5
"""Share of the model's actions that hooks may repair or veto; above it, the code plays and not the model."""


def probe_run(out: Path, digest: str) -> RunFolder:
    """The run folder of the probe of a candidate with this digest."""
    return RunFolder(out / digest[:12])


async def probe(
    candidate: Path, search: Search, out: Path, *, steps: int = STEPS, ceilings: Mapping[str, float] | None = None
) -> list[str]:
    """Play the candidate for a few steps and return its faults as sentences; none if it may be evaluated.

    `out` gets a run folder for each content of the candidate, so that a probe that was killed goes on. One that
    `ceilings` broke off is judged by what was played. Halted where the machine failed, and not the candidate.
    """
    try:
        scaffold = await asyncio.to_thread(Scaffold.load, candidate)
    except ScaffoldError as error:
        return [_virtual(str(error), candidate)]
    run = probe_run(out, scaffold.digest)
    try:
        failed = await _play(search, candidate, run, steps, dict(ceilings or {}))
    except (*CANDIDATE_ERRORS, ConfigurationError) as error:  # the search itself was checked: the candidate brought it
        return [_virtual(f"It cannot be played: {error}", candidate)]
    faults: list[str] = [_fault(task, cause) for task, cause in failed]
    for folder in await asyncio.to_thread(lambda: list(run.episodes())):
        faults += await asyncio.to_thread(_faults, folder)
    return list(dict.fromkeys(_virtual(fault, candidate) for fault in faults))


async def _play(
    search: Search, candidate: Path, run: RunFolder, steps: int, ceilings: Amounts
) -> list[tuple[str, Mapping[str, Any]]]:
    """Play it; task and cause of each episode that failed."""
    context = replace(search.context.play(scaffold=str(candidate)), max_steps=steps)
    given = search.evaluation(run, [SEED], search.model)
    given |= {"tasks": search.tasks[:TASKS], "ceilings": ceilings}
    # In a context of its own it does not take the search's checkpointer for its own.
    play = evaluation.ainvoke(given, {"run_name": f"probe of {candidate.parent.name}"}, context=context)
    ended = await asyncio.create_task(play, context=new_context())
    return failures(ended["summary"])


def _fault(task: str, cause: Mapping[str, Any]) -> str:
    """What broke an episode of the probe. Halted where that is not the candidate's doing."""
    if not candidates_own(cause):
        raise Halted(f"The probe could not be played: {cause['sentence']}")
    return f"In a probe of {task}, at step {cause['step']}: {cause['sentence']}"


def _faults(folder: EpisodeFolder) -> Iterator[str]:
    """What is too much in an episode of the probe."""
    if not folder.steps.exists():
        return
    with TraceReader(folder) as reader:
        steps = list(reader)
    if steps:
        yield from _excesses(
            folder.path.parts[-2], steps, folder.journal.stat().st_size if folder.journal.exists() else 0
        )


def _excesses(task: str, steps: list[StepRecord], journal: int) -> Iterator[str]:
    notices = sum(len(notice) for step in steps for notice in step.notices) / len(steps)
    if notices > NOTICE_CHARACTERS:
        yield (
            f"In a probe of {task} the notices took {notices:,.0f} characters a step; at most {NOTICE_CHARACTERS:,}: "
            "say what matters now."
        )
    if journal / len(steps) > JOURNAL_BYTES:
        yield (
            f"In a probe of {task} {journal / len(steps):,.0f} bytes a step went into the notebook; at most "
            f"{JOURNAL_BYTES:,}: write what has changed."
        )
    replaced = sum(step.action_outcome in ("repaired", "vetoed") or _vetoed(step) for step in steps)
    if replaced > REPLACED * len(steps):
        yield (
            f"In a probe of {task} hooks repaired or vetoed the action in {replaced} of {len(steps)} steps: the model "
            "is to play, not code."
        )


def _vetoed(step: StepRecord) -> bool:
    return any(one.outcome == "vetoed" for each in step.conversations for one in each.operations)


def _virtual(sentence: str, candidate: Path) -> str:
    """The sentence with the candidate's files named as the reviewer knows them."""
    return sentence.replace(str(candidate.resolve()), "candidate").replace(str(candidate), "candidate")

"""CONTROL: the incumbent played once more, with other luck, and judged in the candidate's place by the same rule.

How often it would have been kept is how often noise alone opens this gate; it is never adopted.
"""

from __future__ import annotations

import asyncio
from typing import Literal

from langgraph.types import Command

from graphs.reviewer import lineage
from graphs.reviewer.budget import BudgetReached
from graphs.reviewer.evaluating import Work, evaluate, figures
from graphs.reviewer.events import tell
from graphs.reviewer.gate import Verdict
from graphs.reviewer.judging import incumbent_of, judge_attempt
from graphs.reviewer.lineage import LineageRecord
from graphs.reviewer.position import fresh_seeds, position, scaffold_of
from graphs.reviewer.search import Search, read_search
from graphs.reviewer.spending import spent_in
from graphs.reviewer.state import State
from traces import RunFolder
from traces.plain_json import write_file


async def control(state: State) -> Command[Literal["next_attempt", "finish"]]:
    """Spend on the incumbent what the candidate's evaluation spent; the record is of kind "control"."""
    search = await asyncio.to_thread(read_search, state["out"])
    judged = (await asyncio.to_thread(position, search)).uncontrolled
    if judged is None:  # it was played and recorded, and then the process ended
        return Command(goto="next_attempt")
    try:
        verdict = await _judged_anew(search, judged)
    except BudgetReached as reached:
        return Command(goto="finish", update={"reason": f"{reached}.", "status": "limited"})
    await asyncio.to_thread(_record, search, judged, verdict)
    tell("verdict", name=judged.name, verdict=verdict.to_plain(), control=True)
    return Command(goto="next_attempt")


async def _judged_anew(search: Search, judged: LineageRecord) -> Verdict:
    """The verdict on the incumbent in the candidate's place."""
    folder = search.folder.control(judged.name)
    scaffold = scaffold_of(search, await asyncio.to_thread(incumbent_of, search, judged.name))
    sampling = await asyncio.to_thread(_sampling, search, judged)

    async def play(out: RunFolder, seeds: list[int], luck: int) -> None:
        name = f"control {judged.name} {out.path.name}"
        work = Work(name=name, scaffold=scaffold, out=out, seeds=seeds, attempt=folder, sampling=luck)
        await evaluate(search, work)

    await play(folder.evaluation, search.seeds, sampling)
    verdict = await asyncio.to_thread(judge_attempt, search, judged.name, folder)
    if verdict.needs_fresh:
        seeds = fresh_seeds(search, judged.name)
        await play(folder.fresh("incumbent"), seeds, 0)
        await play(folder.fresh("candidate"), seeds, sampling)
        verdict = await asyncio.to_thread(judge_attempt, search, judged.name, folder)
    return verdict


def _sampling(search: Search, judged: LineageRecord) -> int:
    """Another sampling for each control of the search: its place among the attempts, from 1."""
    attempts = [one.name for one in lineage.read(search.folder.path) if one.kind == "attempt"]
    return attempts.index(judged.name) + 1


def _record(search: Search, judged: LineageRecord, verdict: Verdict) -> None:
    folder = search.folder.control(judged.name)
    write_file(folder.verdict, verdict.to_plain())
    record = LineageRecord(
        name=judged.name,
        kind="control",
        parent=judged.parent,
        status="measured",
        reason=f"Noise alone would have been {'kept' if verdict.accepted else 'turned down'}. {verdict.sentence}",
        scaffold=search.folder.relative(scaffold_of(search, incumbent_of(search, judged.name))),
        evaluation=search.folder.relative(folder.evaluation.path),
        **figures(search, folder.evaluation, search.seeds),
        verdict=verdict.to_plain(),
        spent=spent_in(search, folder),
    )
    lineage.append(search.folder.path, record)

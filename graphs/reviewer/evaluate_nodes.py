"""The nodes that judge a candidate: EVALUATE_START, APPROVE, EVALUATE, CONFIRM, GATE, CONTROL."""

from __future__ import annotations

import asyncio
import difflib
from collections.abc import Mapping
from typing import Any, Literal

from langgraph.types import Command

from graphs.evaluation.playing import Halted, played_whole
from graphs.evaluation.statistics import Pair, read_scores
from graphs.events import emit
from graphs.outer_loop import approved
from graphs.reviewer import lineage
from graphs.reviewer.evaluating import play_episodes, spent_in
from graphs.reviewer.folders import AttemptFolder
from graphs.reviewer.gate import Verdict, judge
from graphs.reviewer.lineage import LineageRecord, evaluation_of, fresh_seeds, judged_so_far, position, scaffold_of
from graphs.reviewer.review_nodes import checks, digest_of
from graphs.reviewer.search import Search
from graphs.reviewer.state import State
from graphs.spending import spent_playing
from scaffolds.folder import scaffold_files
from traces import RunFolder
from traces.plain_json import write_file


def judge_attempt(search: Search, name: str, folder: AttemptFolder) -> Verdict:
    """The gate's verdict on what lies in `folder`, in the place of the attempt of this name; fresh seeds if played."""
    incumbent = incumbent_of(search, name)
    gate, fresh = search.pairs(search.seeds), search.pairs(fresh_seeds(search, name))
    runs = folder.fresh("incumbent"), folder.fresh("candidate")
    again = (read_scores(runs[0], fresh), read_scores(runs[1], fresh)) if all(map(played_whole, runs)) else None
    return judge(
        search.rule,
        read_scores(evaluation_of(search, incumbent), gate),
        read_scores(folder.evaluation, gate),
        attempt=judged_so_far(search, name) + 1,
        attempts_total=search.attempts_total,
        confidence=search.confidence,
        fresh=again,
        repeats=_repeats(search, incumbent, name),
        seed=search.seed,
    )


def incumbent_of(search: Search, name: str) -> LineageRecord:
    """The version that an attempt was made from and has to beat; for one that is not over, the best so far."""
    records = lineage.read(search.folder.path)
    parent = next((one.parent for one in records if one.kind == "attempt" and one.name == name), None)
    made_from = [one for one in records if one.version is not None and f"v{one.version}" == parent]
    return made_from[0] if made_from else position(search).incumbent


def _repeats(search: Search, incumbent: LineageRecord, name: str) -> list[dict[Pair, float]]:
    """What the control arm has found about the incumbent's luck so far."""
    pairs = search.pairs(search.seeds)
    version = f"v{incumbent.version}"
    return [
        read_scores(evaluation_of(search, one), pairs)
        for one in lineage.read(search.folder.path)
        if one.kind == "control" and one.parent == version and one.name != name
    ]


async def evaluate_start(state: State, search: Search) -> Command[Literal["next_attempt", "finish"]]:
    """Play the start, once. Halted if it cannot be played at all: there is nothing to compare with then."""
    # Not: if there is no record. One that a budget ended has the end in its lineage, and no start.
    if lineage.best(await asyncio.to_thread(lineage.read, search.folder.path)) is None:
        start = search.folder.version(0)
        crashed = await play_episodes(search, "v0", start, search.folder.start, search.seeds)
        if crashed:
            raise Halted(f"The start scaffold cannot be played, so nothing can be compared: {crashed}")
        await asyncio.to_thread(_record, search)
    return Command(goto="next_attempt")


def _record(search: Search) -> None:
    record = LineageRecord(
        name="v0",
        kind="start",
        version=0,
        status="start",
        scaffold=search.folder.relative(search.folder.version(0)),
        evaluation=search.folder.relative(search.folder.start.path),
        **search.figures(search.folder.start, search.seeds),
        spent={"player": spent_playing([search.folder.start])},
    )
    lineage.append(search.folder.path, record)


DIFF_LINES = 200
"""Lines of the difference that a person is shown; the folders hold the rest."""


def candidate_approved(
    search: Search, name: str, step: str, *, question: str, yes: str, facts: Mapping[str, Any]
) -> tuple[bool, str]:
    """A person's answer and their reason; it holds for the very files it was given for. `step`: "evaluate", "adopt"."""
    folder = search.folder.attempt(name)
    found = checks(folder)[-1]
    no = "The attempt ends as refused; the next reviewer reads your reason."
    more = {"name": name, **facts, "changes": found["changes"], "diff": diff(search, folder)}
    return approved(folder.answers, step, found["digest"], question, yes, no, {**more, "folder": str(folder.candidate)})


def diff(search: Search, folder: AttemptFolder) -> str:
    """What the candidate changes, as a unified diff of at most DIFF_LINES lines; what decides comes first."""
    parent = scaffold_files(scaffold_of(search, position(search).incumbent))
    candidate = scaffold_files(folder.candidate)
    lines: list[str] = []
    for name in sorted(parent.keys() | candidate.keys(), key=_weight):
        before, after = (
            files[name].read_text(encoding="utf-8", errors="replace").splitlines() if name in files else []
            for files in (parent, candidate)
        )
        lines += difflib.unified_diff(before, after, f"parent/{name}", f"candidate/{name}", lineterm="")
    rest = len(lines) - DIFF_LINES
    return "\n".join([*lines[:DIFF_LINES], *([f"… {rest} more lines"] if rest > 0 else [])])


def _weight(name: str) -> tuple[bool, bool, str]:
    """Code and settings, then prompts and notebook, then what a reviewer says of them: no long text hides code."""
    return name.endswith(".md"), "/" not in name, name


def approve(state: State, search: Search) -> Command[Literal["evaluate", "settle"]]:
    """Ask before money is spent on the candidate. A refusal ends the attempt; the next reviewer reads its reason."""
    if search.approve:
        episodes = len(search.pairs(search.seeds))
        yes, reason = candidate_approved(
            search,
            state["attempt"],
            "evaluate",
            question=f"Evaluate the candidate {state['attempt']} on {episodes} episodes?",
            yes="It is played on the gate seeds by the same model as the best version, and judged by the gate.",
            facts={"episodes": episodes},
        )
        if not yes:
            why = f"A person refused to have it evaluated: {reason or 'no reason was given'}"
            return Command(goto="settle", update={"status": "refused", "reason": why})
    return Command(goto="evaluate")


async def evaluate(state: State, search: Search) -> Command[Literal["gate", "check", "settle", "finish"]]:
    """Play the candidate, unless that is done. Files that are not those that were checked are not played."""
    name = state["attempt"]
    folder = search.folder.attempt(name)
    if await asyncio.to_thread(digest_of, folder) != (await asyncio.to_thread(checks, folder))[-1]["digest"]:
        if not folder.evaluation.run.exists():
            return Command(goto="check")
        why = "Its files were changed while it was being evaluated."
        return Command(goto="settle", update={"status": "crashed", "reason": why})
    crashed = await play_episodes(
        search, name, folder.candidate, folder.evaluation, search.seeds, attempt=folder, whole_only=False
    )
    if crashed:
        return Command(goto="settle", update={"status": "crashed", "reason": crashed})
    return Command(goto="gate")


async def confirm(state: State, search: Search) -> Command[Literal["gate", "settle", "finish"]]:
    """Play the incumbent, then the candidate. Their run.json records the seeds; no reviewer is shown these runs."""
    name = state["attempt"]
    folder = search.folder.attempt(name)
    seeds = fresh_seeds(search, name)
    incumbent = await asyncio.to_thread(incumbent_of, search, name)
    for who, scaffold in (("incumbent", scaffold_of(search, incumbent)), ("candidate", folder.candidate)):
        crashed = await play_episodes(
            search, f"{name} fresh {who}", scaffold, folder.fresh(who), seeds, attempt=folder, whole_only=False
        )
        if crashed:
            why = f"On fresh seeds the {who} broke: {crashed}"
            return Command(goto="settle", update={"status": "crashed", "reason": why})
    return Command(goto="gate")


def gate(state: State, search: Search) -> Command[Literal["confirm", "adopt", "settle"]]:
    """Judge by the search's rule. A rule that needs both on fresh seeds is applied again when they are played."""
    folder = search.folder.attempt(state["attempt"])
    verdict = judge_attempt(search, state["attempt"], folder)
    if verdict.needs_fresh:
        return Command(goto="confirm")
    write_file(folder.verdict, verdict.to_plain())
    emit("verdict", name=state["attempt"], verdict=verdict.to_plain(), control=False)
    if verdict.accepted:
        return Command(goto="adopt", update={"reason": verdict.sentence})
    return Command(goto="settle", update={"status": "rejected", "reason": verdict.sentence})


async def control(state: State, search: Search) -> Command[Literal["next_attempt", "finish"]]:
    """Spend on the incumbent what the candidate's evaluation spent; the record is of kind "control"."""
    judged = (await asyncio.to_thread(position, search)).uncontrolled
    if judged is None:  # it was played and recorded, and then the process ended
        return Command(goto="next_attempt")
    verdict = await _control_verdict(search, judged)
    await asyncio.to_thread(_record_control, search, judged, verdict)
    emit("verdict", name=judged.name, verdict=verdict.to_plain(), control=True)
    return Command(goto="next_attempt")


async def _control_verdict(search: Search, judged: LineageRecord) -> Verdict:
    """The verdict on the incumbent in the candidate's place."""
    folder = search.folder.control(judged.name)
    scaffold = scaffold_of(search, await asyncio.to_thread(incumbent_of, search, judged.name))
    sampling = await asyncio.to_thread(_sampling, search, judged)

    async def play(out: RunFolder, seeds: list[int], luck: int) -> None:
        name = f"control {judged.name} {out.path.name}"
        await play_episodes(search, name, scaffold, out, seeds, attempt=folder, sampling=luck)

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


def _record_control(search: Search, judged: LineageRecord, verdict: Verdict) -> None:
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
        **search.figures(folder.evaluation, search.seeds),
        verdict=verdict.to_plain(),
        spent=spent_in(search, folder),
    )
    lineage.append(search.folder.path, record)

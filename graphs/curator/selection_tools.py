"""The curator's tools over candidates: explore them by feature and by reading, decide by id, see what is selected.

Every mistake of the model comes back as one sentence; every long result says how to see the rest of it.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Sequence
from statistics import quantiles
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from graphs.agent.tools import model_tool, page
from graphs.curator.workspace import Workspace, coverage
from training import TrainingError
from training.candidates import Candidate
from training.certificate import process_turn
from training.postprocess import Dropped
from training.selection import Selection
from training.source import CandidateId

if TYPE_CHECKING:
    from langchain_core.tools import BaseTool

CHARACTERS = 12_000
"""Of one result: some 3,000 tokens, so that dozens of them fit into a context."""
REVIEWED_AT_ONCE = 200
REASON_CHARACTERS = 500
_Text = Annotated[str, Field(max_length=200)]
_Sort = Literal[
    "step",
    "credit",
    "effect",
    "reward_nearby",
    "progression",
    "turns",
    "operations",
    "mistakes",
    "redundant_writes",
    "empty_searches",
    "reply_characters",
]
_OUTCOMES = "hit, empty, missing, written, duplicate, exists, rejected, mistake"


_SPREAD = (
    *("credit", "reward_nearby", "turns", "recalls", "records", "redundant_writes", "empty_searches"),
    *("mistakes", "prompt_characters", "reply_characters", "progression"),
)


def selection_tools(workspace: Workspace) -> list[BaseTool]:
    """`candidates_overview`, `list_candidates`, `show_candidate`, `decide` and `preview_selection` over a workspace."""
    tools = _Selections(workspace)
    functions = (
        *(tools.candidates_overview, tools.list_candidates, tools.show_candidate),
        *(tools.decide, tools.preview_selection),
    )
    return [model_tool(function, TrainingError) for function in functions]


class _Selections:
    """The tools' functions; their docstrings are what the model reads."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace

    def candidates_overview(self) -> str:
        """Counts of all candidates by routine, prompt shape and outcome; the spread of each feature; the episodes."""
        found = self._workspace.candidates
        if not found:
            raise TrainingError("There are no candidates: every episode failed, or none was played.")
        lines = [
            f"{len(found)} candidates of {len({one.episode for one in found})} episodes in "
            f"{self._workspace.run.path.name}."
        ]
        lines += _counted("By routine", Counter(one.routine for one in found))
        lines += _counted("By prompt shape", Counter(one.shape for one in found))
        operations: Counter[str] = Counter()
        outcomes: Counter[str] = Counter()
        for one in found:
            operations.update(one.operations)
            outcomes.update(one.outcomes)
        lines += _counted("Operations", operations)
        lines += _counted("Outcomes", outcomes)
        lines.append("Features, at 0/25/50/75/95/100 % of the candidates:")
        lines += [f"- {name}: {_spread([float(getattr(one, name)) for one in found])}" for name in _SPREAD]
        if measured := [one.effect for one in found if one.effect is not None]:
            lines.append(f"- effect: {_spread(measured)}, of the {len(measured)} that were measured")
        episodes = {one.episode: one.progression for one in found}
        best = sorted(episodes.items(), key=lambda item: (-item[1], item[0]))
        lines.append(
            "Episodes by progression: " + ", ".join(f"{name} {100 * value:.0f} %" for name, value in best[:20])
        )
        if len(best) > 20:
            lines.append(f"… and {len(best) - 20} more, down to {100 * best[-1][1]:.0f} %")
        decided = Counter(one.verdict for one in self._workspace.decisions().values())
        lines.append(f"Decided so far: {decided['accept']} accepted, {decided['reject']} rejected.")
        return "\n".join(lines)

    def list_candidates(
        self,
        routine: Literal["", "LOG", "PLAN"] = "",
        operation: Annotated[_Text, Field(description="That ran, such as search or append")] = "",
        outcome: Annotated[_Text, Field(description=_OUTCOMES)] = "",
        shape: Annotated[_Text, Field(description="Part of the prompt shape")] = "",
        episode: Annotated[_Text, Field(description="Part of WORLD/TASK/seed-N")] = "",
        decided: Literal["", "no", "accept", "reject"] = "",
        sort: _Sort = "credit",
        descending: bool = True,
        offset: Annotated[int, Field(ge=0)] = 0,
        limit: Annotated[int, Field(ge=1, le=100)] = 30,
    ) -> str:
        """Candidates, one a line with their features; empty arguments filter nothing."""
        decisions = self._workspace.decisions()
        wanted = {"no": None, "accept": "accept", "reject": "reject"}

        def passes(one: Candidate) -> bool:
            verdict = decisions[one.id].verdict if one.id in decisions else None
            return (
                routine in ("", one.routine)
                and (not operation or operation in one.operations)
                and (not outcome or outcome in one.outcomes)
                and shape in one.shape
                and episode in one.episode
                and (not decided or verdict == wanted[decided])
            )

        def worth(one: Candidate) -> float:
            value = len(one.operations) if sort == "operations" else getattr(one, sort)
            return float(value) if value is not None else -math.inf if descending else math.inf

        found = sorted(filter(passes, self._workspace.candidates), key=worth, reverse=descending)
        shown = found[offset : offset + limit]
        lines = [f"{len(found)} candidates, {offset + 1} to {offset + len(shown)} by {sort}:" if shown else "None."]
        lines += [_line(one) for one in shown]
        if (rest := len(found) - offset - len(shown)) > 0 and shown:
            lines.append(f"… {rest} more: offset={offset + len(shown)}")
        return "\n".join(lines)

    def show_candidate(
        self,
        id: str,
        system: Annotated[
            bool, Field(description="Whether to show the system message, the same in all of them")
        ] = False,
        offset: Annotated[int, Field(ge=0)] = 0,
    ) -> str:
        """One candidate in full: features, the conversation exactly as the model had it, what would be trained on."""
        one = _known(self._workspace, [id])[0]
        messages = self._workspace.source.messages(CandidateId.parse(id))
        parts = [json.dumps({name: value for name, value in one.to_plain().items() if name != "id"})]
        for number, message in enumerate(messages):
            if message["role"] != "system" or system:
                parts.append(f"--- message {number}, {message['role']}\n{message['content']}")
        example = _processed(self._workspace, one)
        if isinstance(example, Dropped):
            parts.append(f"--- post-processing drops it: {example}")
        else:
            changed = ", ".join(example) or "nothing is changed"
            parts.append(f"--- post-processing keeps it: {changed}")
        text = "\n".join(parts)
        return page(text, offset, CHARACTERS, f"show_candidate id={id}")

    def decide(
        self,
        ids: Annotated[list[str], Field(min_length=1, max_length=REVIEWED_AT_ONCE)],
        verdict: Literal["accept", "reject"],
        reason: Annotated[str, Field(min_length=3, max_length=REASON_CHARACTERS)],
    ) -> str:
        """Accept or reject reviewed candidates by id, with the reason. A later decision replaces an earlier one."""
        self._workspace.decide([one.id for one in _known(self._workspace, ids)], verdict, " ".join(reason.split()))
        said = Counter(one.verdict for one in self._workspace.decisions().values())
        return f"{len(ids)} noted. In all {said['accept']} accepted, {said['reject']} rejected."

    def preview_selection(self) -> str:
        """What policy and decisions select now: coverage, what is left out and why, what post-processing drops."""
        selection = self._workspace.select()
        found = coverage(selection)
        dropped, kept = survivors(self._workspace, selection)
        lines = [f"{found['selected']} selected ({found['routines']}) from {len(found['episodes'])} episodes."]
        lines.append(f"After post-processing {kept} examples; dropped: {dict(dropped) or 'none'}.")
        lines.append(f"Left out: {found['left_out'] or 'none'}.")
        shapes = [f"- {shape}: {n['selected']} of {n['candidates']}" for shape, n in found["shapes"].items()]
        return "\n".join([*lines, "By prompt shape:", *shapes[:40], "The first ten:", *list(selection.chosen)[:10]])


def survivors(workspace: Workspace, selection: Selection) -> tuple[Counter[str], int]:
    """How many of a selection post-processing drops, by reason, and how many examples are left."""
    dropped: Counter[str] = Counter()
    kept = 0
    for one in sorted(selection.chosen, key=lambda text: (workspace.by_id[text].episode, workspace.by_id[text].step)):
        made = _processed(workspace, workspace.by_id[one])
        if isinstance(made, Dropped):
            dropped[str(made)] += 1
        else:
            kept += 1
    return dropped, kept


def _processed(workspace: Workspace, one: Candidate) -> Dropped | tuple[str, ...]:
    """Why post-processing drops a candidate, or what it changes."""
    made = process_turn(workspace.source, CandidateId.parse(one.id))
    return made if isinstance(made, Dropped) else made.changed


def _known(workspace: Workspace, ids: Sequence[str]) -> list[Candidate]:
    if unknown := [one for one in ids if one not in workspace.by_id]:
        raise TrainingError(f"There is no candidate {unknown[0][:200]!r}: give ids as list_candidates shows them.")
    return [workspace.by_id[one] for one in ids]


def _counted(heading: str, counts: Counter[str]) -> list[str]:
    shown = [f"- {name}: {count}" for name, count in counts.most_common(30)]
    rest = [f"- … and {len(counts) - 30} more kinds"] if len(counts) > 30 else []
    return [f"{heading}:", *shown, *rest]


def _spread(values: Sequence[float]) -> str:
    ordered = sorted(values)
    cuts = quantiles(ordered, n=20, method="inclusive") if len(ordered) > 1 else ordered * 19
    return " / ".join(f"{value:.3g}" for value in (ordered[0], cuts[4], cuts[9], cuts[14], cuts[18], ordered[-1]))


def _line(one: Candidate) -> str:
    done = ",".join(f"{name} {count}" for name, count in one.outcomes.items()) or "nothing"
    return (
        f"{one.id}  credit {one.credit:.3f}{_effect(one)}  reward {one.reward_nearby:.2f}  turns {one.turns}  "
        f"{'+'.join(one.operations[:8]) or 'no operation'} ({done})"
        f"{'  recalled first' if one.recall_before_record else ''}{'  redundant' if one.redundant_writes else ''}"
    )


def _effect(one: Candidate) -> str:
    if one.effect is None:
        return ""
    known = one.effect_low is not None and one.effect_high is not None
    return f"  effect {one.effect:+.3f}" + (f" [{one.effect_low:+.3f}, {one.effect_high:+.3f}]" if known else "")

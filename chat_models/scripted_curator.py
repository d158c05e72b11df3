"""The curator's stand-in: rules that explore, decide, explain and choose a recipe through a curator's own tools.

It is no language model. Its judgement is the policy's (credit, no mistakes, no redundancy, recall before record) and a
few readings; what it decides in later iterations it takes from the ledger: it goes on with the recipe that played best,
once with a lower learning rate on the same selection.
"""

from __future__ import annotations

import json
import re
from collections.abc import Generator, Sequence
from typing import Any

from chat_models.scripted_model import Routine, ScriptedAgent, ToolCalls, ToolResult

_ID = re.compile(r"^(\S+/seed-\d+/step-\d+/(?:LOG|PLAN))  (.*)$", re.MULTILINE)
_ITERATION = re.compile(r"^Iteration (\d+) of (\d+)", re.MULTILINE)
_RECIPE = re.compile(r"recipe to start from is ([\w-]+)")
_MINIMUM = re.compile(r"At least (\d+) examples")
_SELECTED = re.compile(r"After post-processing (\d+) examples")
READ = 3
"""Candidates of each kind that it reads in full: good and bad, LOG and PLAN."""
DEFAULT_RECIPE = "small-cpu"


class ScriptedCurator(ScriptedAgent):
    """Curates by rules: scripted, no language model."""

    def script(self, message: str, before: Sequence[ToolResult], round: int) -> Routine:
        """Select in the first iteration, decide from the ledger in later ones, mend what was missing."""
        if round:
            return _mend(message)
        found = _ITERATION.search(message)
        return _again(message) if found and int(found[1]) > 1 else _first(message)


def _first(message: str) -> Routine:
    yield [("candidates_overview", {}), ("read_policy", {})]
    yield from _choose(message)
    yield from _take_recipe(message, "the recipe to start from, unchanged", "regenerate")
    return "Selected by rules (no language model): credited turns without mistakes, LOG and PLAN in equal parts."


def _again(message: str) -> Routine:
    """A later iteration: with half the learning rate if the last one played better, else with a new selection."""
    (ledger,) = yield [("read_ledger", {})]
    scores = [float(value) for value in re.findall(r"^\S+ .*?specialist.*?(\d+\.\d+) ± ", ledger.text, re.MULTILINE)]
    better = len(scores) < 2 or scores[-1] >= scores[-2]
    if not better:
        yield from _choose(message)
    why = "the last selection played no worse: trained on again, gentler" if better else "the last selection was worse"
    yield from _take_recipe(message, why, "reuse" if better else "regenerate", 0.5)
    return f"Decided by rules (no language model): {why}."


def _mend(message: str) -> Routine:
    """What was missing: usually too few examples, so the filters are loosened, for twice as many."""
    (policy,) = yield [("read_policy", {})]
    loosened = _widened(policy, 0, 2)
    loosened = re.sub(r"(max_redundant_writes|max_empty_searches) = \d+\n", "", loosened)
    yield [("write_policy", {"toml": loosened}), ("preview_selection", {})]
    return "The filters are looser now."


def _choose(message: str) -> Generator[ToolCalls, Sequence[ToolResult], None]:
    """Read some good and some bad candidates, decide on them, set the policy and write down why."""
    good: list[tuple[str, str]] = []
    bad: list[tuple[str, str]] = []
    for routine in ("LOG", "PLAN"):
        best, wrong, refused, worst = yield [
            ("list_candidates", {"routine": routine, "sort": "credit", "limit": 30}),
            ("list_candidates", {"routine": routine, "sort": "mistakes", "limit": 30}),
            ("list_candidates", {"routine": routine, "sort": "redundant_writes", "limit": 30}),
            ("list_candidates", {"routine": routine, "sort": "credit", "descending": False, "limit": 30}),
        ]
        listed = [one for one in _ID.findall(best.text) if "mistake" not in one[1] and "redundant" not in one[1]]
        good += [one for one in listed if "no operation" not in one[1]][:READ]
        faulty = [one for one in _ID.findall(wrong.text) if "mistake" in one[1]]
        faulty += [one for one in _ID.findall(refused.text) if "redundant" in one[1]]
        bad += [*faulty, *_ID.findall(worst.text)][:READ]
    bad = [one for one in dict.fromkeys(bad) if one not in good]
    read = yield [("show_candidate", {"id": one}) for one, _ in (*good, *bad)]
    kept = {one[0] for one, seen in zip(good, read, strict=False) if "post-processing keeps it" in seen.text}
    good = [one for one in good if one[0] in kept]
    yield [_decision(one, "accept", f"credited, without mistakes: {said}") for one, said in good]
    yield [_decision(one, "reject", f"no example to follow: {said}") for one, said in bad]
    yield from _set_policy(message)
    yield [("write_selection_logic", {"markdown": _logic(good, bad)})]


def _decision(candidate: str, verdict: str, reason: str) -> tuple[str, dict[str, Any]]:
    return "decide", {"ids": [candidate], "verdict": verdict, "reason": reason[:300]}


def _set_policy(message: str) -> Generator[ToolCalls, Sequence[ToolResult], None]:
    """The shipped policy, for as many examples as are asked for; where it finds fewer, widened to all episodes."""
    minimum = _MINIMUM.search(message)
    if minimum is None:
        return
    (policy,) = yield [("read_policy", {})]
    asked = re.sub(r"(?m)^total = [\d_]+", f"total = {minimum[1]}", _toml(policy))
    _, preview = yield [("write_policy", {"toml": asked}), ("preview_selection", {})]
    left = _SELECTED.search(preview.text)
    if left and int(left[1]) < int(minimum[1]):
        yield [("write_policy", {"toml": _widened(policy, 2 * int(minimum[1]), 1)})]


def _widened(policy: ToolResult, least: int, times: int) -> str:
    """A policy from all episodes, for so many times as many examples, `least` at least."""
    toml = re.sub(r"top_episodes = [\d.]+", "top_episodes = 1.0", _toml(policy))
    return re.sub(r"(?m)^total = ([\d_]+)", lambda found: f"total = {max(least, times * int(found[1]))}", toml)


def _toml(policy: ToolResult) -> str:
    return policy.text.split("policy.py:")[0].removeprefix("policy.toml:\n").strip()


def _take_recipe(
    message: str, why: str, source: str, rate: float = 1.0
) -> Generator[ToolCalls, Sequence[ToolResult], None]:
    name, minimum = _RECIPE.search(message), _MINIMUM.search(message)
    (shown,) = yield [("read_recipe", {"name": name[1] if name else DEFAULT_RECIPE})]
    recipe: dict[str, Any] = json.loads(shown.text)
    recipe["rationale"] = f"Scripted, no language model: {why}."
    recipe["data"] |= {"source": source, "minimum_examples": int(minimum[1]) if minimum else 1}
    for configuration in recipe["configurations"]:
        configuration["learning_rate"] *= rate
    yield [("write_recipe", {"recipe": recipe})]


def _logic(good: Sequence[tuple[str, str]], bad: Sequence[tuple[str, str]]) -> str:
    """The reasons, in the form that a curator's selection logic has."""
    return "\n".join(
        [
            "# Selection logic (scripted, no language model)",
            "",
            "Accepted: turns that ran memory operations without a mistake, whose lines were recalled before a reward.",
            *[f"- `{one}`: {said[:300]}" for one, said in good],
            "",
            "Rejected: operations that could not be read, writes that repeat the notebook, the least credited turns.",
            *[f"- `{one}`: {said[:300]}" for one, said in bad],
            "",
            "Unsure: credit is blind to facts that were in view anyway.",
        ]
    )

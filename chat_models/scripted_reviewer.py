"""The reviewer's stand-in: rules that read figures through a reviewer's own tools and edit a scaffold.

It is no language model. It looks at the worst, a middle and the best episode of the version to beat, takes the first
edit of `scaffold_edits` that the figures call for, applies it, and says why, with the steps that show it. Edits
that no earlier attempt has tried come first, then those tried together with others: no combination is tried twice. A
continuation adds its edit to what was rejected. A fresh attempt begins with the edits that were rejected though they
gained something: together they may gain enough.
"""

from __future__ import annotations

import re
from collections.abc import Generator, Sequence
from dataclasses import dataclass

from chat_models.scaffold_edits import Edit, known_edits
from chat_models.scripted_model import Routine, ScriptedAgent, ToolCalls, ToolResult

_LISTED = re.compile(r"^- (\S+)$", re.MULTILINE)
_EPISODE = re.compile(r"^(\S+)/seed-(\d+): (\w+), .*?progression ([\d.]+) %", re.MULTILINE)
_UNPRODUCTIVE = re.compile(r"^Unproductive: (\d+) of (\d+) judged", re.MULTILINE)
_FILE = re.compile(
    r'^- "([^"]+)": (\d+) writes?, (\d+) added nothing; (\d+) recalls? \((\d+) searche?s?, (\d+) found', re.MULTILINE
)
_STEPS = re.compile(r": \w+, (\d+) steps, progression ")
_SINCE = re.compile(r"last rose at step \d+, (\d+) steps before the end")
_VERDICT = re.compile(r'^  "(accepted|chance|mean_difference)": (true|false|[-+.\de]+),?$', re.MULTILINE)
_SHOWN = re.compile(r"\A.*, lines \d+-(\d+) of (\d+):\n")
_STEP = re.compile(r"^step (\d+), ", re.MULTILINE)
_EDITS = re.compile(r"^# Edits?: (.+)$", re.MULTILINE)
CHANGED = ("scaffold.toml", "hooks.py", "operations.py")
"""Files of a scaffold that edits change."""
LOOKED_AT = 3
"""Episodes it looks at: the worst, a middle one, the best."""
CITED = 3
PROMISING = 0.5
"""An edit that the gate rejected is tried again with others if chance alone does as well less often than this."""

Episode = tuple[str, int]
"""Task and seed."""


@dataclass(frozen=True, slots=True)
class Figures:
    """What the overviews say, over the episodes looked at."""

    unproductive: float
    """Share of the judged actions that led nowhere."""
    place_writes: float
    """Most writes to one file of places in one episode."""
    redundant: float
    """Share of the writes that added nothing."""
    empty: float
    """Share of the searches that found nothing."""
    after_last_gain: float
    """Share of an episode's steps that came after its last gain in progression, on average."""


@dataclass(frozen=True, slots=True)
class Past:
    """What the attempts so far teach."""

    tried: frozenset[frozenset[str]]
    """The edits of each attempt: which were tried together."""
    promising: tuple[str, ...]
    """Edits rejected at the present version that gained something, more likely than not by more than chance."""
    last: tuple[str, ...]
    """Edits of the last attempt: those in the working copy, if it is continued."""


class ScriptedReviewer(ScriptedAgent):
    """Reviews by rules: scripted, no language model."""

    def script(self, message: str, before: Sequence[ToolResult], round: int) -> Routine:
        """The task first; of a check's faults these rules can mend none, and say so."""
        return _give_up() if round else _review(message)


def _give_up() -> Routine:
    return "These rules (no language model) know no other way to write this edit."
    yield  # a routine is a generator, even one without calls


def _review(message: str) -> Routine:
    history = _names(message, "## History")
    paths = [f"history/{name}/{file}" for name in history for file in ("candidate/METHOD.md", "verdict.json")]
    (listed, shown) = yield [("list_episodes", {"run": "incumbent"}), ("list_files", {"folder": "candidate"})]
    held = [f"candidate/{name}" for name in CHANGED if f"candidate/{name}" in shown.text]
    texts = yield from _read([*paths, *held])
    files = {path.removeprefix("candidate/"): texts[path] for path in held}
    past = _past(history, [texts[path] for path in paths])
    episodes = _chosen(listed.text)
    overviews = yield [("episode_overview", {"run": "incumbent", "task": t, "seed": s}) for t, s in episodes]
    figures = _figures([one.text for one in overviews])
    known = known_edits(files["scaffold.toml"])
    continued = "You have revised it before" in message
    with_it = past.last if continued else past.promising
    edit = _next(known, figures, past, with_it)
    if edit is None:
        return f"The figures ({figures}) call for no edit that was not tried: these rules (no language model) end here."
    evidence = yield from _evidence(edit, episodes)
    if not evidence:
        return (
            f"No step of these episodes shows what edit {edit.name} is about: these rules (no language model) end here."
        )
    value = getattr(figures, edit.figure)
    written = _applied([*([] if continued else [one for one in known if one.name in with_it]), edit], files)
    written["notes/analysis.md"] = _analysis(edit, value, evidence)
    written["candidate/METHOD.md"] = _method([*with_it, edit.name], edit, value, evidence)
    yield [("write_file", {"path": path, "content": text}) for path, text in written.items()]
    return f"Edit {edit.name}: {edit.summary} (By rules, no language model.)"


def _next(known: Sequence[Edit], figures: Figures, past: Past, with_it: Sequence[str]) -> Edit | None:
    """The edit that the figures call for and that was not tried in this combination; new ones first."""
    ever = frozenset[str]().union(*past.tried)
    called_for = [
        one
        for one in known
        if getattr(figures, one.figure) > one.above
        and one.name not in with_it
        and frozenset({*with_it, one.name}) not in past.tried
    ]
    return min(called_for, key=lambda one: one.name in ever, default=None)


def _names(message: str, heading: str) -> list[str]:
    """The items of the list under a heading of the task."""
    return _LISTED.findall(message.partition(heading)[2].partition("\n## ")[0]) if heading in message else []


def _past(history: Sequence[str], texts: Sequence[str]) -> Past:
    """The attempts in their order, each with its METHOD.md and its verdict, of which a broken-off one has none."""
    tried: set[frozenset[str]] = set()
    promising: list[str] = []
    last: tuple[str, ...] = ()
    rises: dict[str, float] = {}
    for name, method, verdict in zip(history, texts[::2], texts[1::2], strict=True):
        found = _EDITS.search(method)
        facts = dict(_VERDICT.findall(verdict))
        last = tuple(found[1].split(" + ")) if found else ()
        rises[name] = float(facts.get("mean_difference", 0))
        more = rises[name] > rises.get(name.rpartition(".")[0], 0.0)  # than what it continues: v1.a1.c1 v1.a1
        added = last[-1:]
        if facts.get("accepted") == "true":
            promising = []  # what was measured against an earlier version is not known of this one
        elif more and float(facts.get("chance", 1)) < PROMISING:
            promising += [edit for edit in added if edit not in promising]
        tried.add(frozenset(last))
    return Past(frozenset(tried), tuple(promising), last)


def _chosen(listed: str) -> list[Episode]:
    """The worst, a middle and the best episode that were played, without repetition."""
    played = sorted(
        (float(progression), task, int(seed))
        for task, seed, status, progression in _EPISODE.findall(listed)
        if status == "finished"
    )
    places = dict.fromkeys((0, len(played) // 2, len(played) - 1)) if played else {}
    return [(task, seed) for _, task, seed in (played[place] for place in places)][:LOOKED_AT]


def _figures(overviews: Sequence[str]) -> Figures:
    judged = [tuple(map(int, found)) for text in overviews for found in _UNPRODUCTIVE.findall(text)]
    files = [(name, *map(int, rest)) for text in overviews for name, *rest in _FILE.findall(text)]
    writes, searches = sum(one[1] for one in files), sum(one[4] for one in files)
    return Figures(
        unproductive=sum(part for part, _ in judged) / max(sum(whole for _, whole in judged), 1),
        place_writes=max((one[1] for one in files if "map" in one[0]), default=0),
        redundant=sum(one[2] for one in files) / max(writes, 1),
        empty=sum(one[5] for one in files) / max(searches, 1),
        after_last_gain=sum(map(_after_last_gain, overviews)) / max(len(overviews), 1),
    )


def _after_last_gain(overview: str) -> float:
    steps, since = _STEPS.search(overview), _SINCE.search(overview)
    if steps is None or not int(steps[1]):
        return 0.0
    return int(since[1]) / int(steps[1]) if since else 1.0


def _applied(chosen: Sequence[Edit], files: dict[str, str]) -> dict[str, str]:
    """The scaffold's files after the edits, one after the other."""
    edited: dict[str, str] = {}
    for edit in chosen:
        edited |= edit.apply({**files, **edited})
    return {f"candidate/{name}": text for name, text in edited.items()}


def _read(paths: Sequence[str]) -> Generator[ToolCalls, Sequence[ToolResult], dict[str, str]]:
    """Whole files, page by page; empty what is not there."""
    texts = dict.fromkeys(paths, "")
    wanted = dict.fromkeys(paths, 1)
    while wanted:
        pages = yield [
            ("read_file", {"path": path, "first_line": first, "lines": 2_000}) for path, first in wanted.items()
        ]
        rest = {}
        for (path, first), page in zip(wanted.items(), pages, strict=True):
            heading = _SHOWN.match(page.text)
            if heading:
                last, of = int(heading[1]), int(heading[2])
                lines = page.text[heading.end() :].split("\n")[: last - first + 1]
                texts[path] += "".join(f"{line}\n" for line in lines)
                if last < of:
                    rest[path] = last + 1
        wanted = rest
    return texts


def _evidence(edit: Edit, episodes: Sequence[Episode]) -> Generator[ToolCalls, Sequence[ToolResult], list[str]]:
    """Citations of steps that show what the edit is about."""
    asked = [
        ("search_trace", {"run": "incumbent", "task": task, "seed": seed, "limit": CITED, **edit.evidence})
        for task, seed in episodes
    ]
    found = yield asked
    cited = []
    for (task, seed), one in zip(episodes, found, strict=True):
        cited += [f"[incumbent: {task}/seed-{seed} step {step}]" for step in _STEP.findall(one.text)[:CITED]]
    return cited


def _analysis(edit: Edit, value: float, evidence: Sequence[str]) -> str:
    lines = [
        "# Analysis (by rules, no language model)",
        "",
        f"Over the worst, a middle and the best episode, {edit.why.format(value=value)}: {' '.join(evidence)}.",
        "",
        "Where it can be seen, step by step:",
        *[
            f"- {place} shows it: the step was played as the trace has it, and what it lacked is named above."
            for place in evidence
        ],
        "",
        f"What follows for the structure of the memory: {edit.summary} So much the steps say {evidence[0]}.",
    ]
    return "\n".join(lines) + "\n"


def _method(names: Sequence[str], edit: Edit, value: float, evidence: Sequence[str]) -> str:
    return (
        f"# Edit{'s' if len(names) > 1 else ''}: {' + '.join(names)}\n\n"
        f"{edit.summary} Written by rules, no language model: {edit.why.format(value=value)} {evidence[0]}. "
        "Only the structure of the memory changes: what the model stores, recalls and does stays its own decision, and "
        f"nothing of an action's outcome is given before it was seen {evidence[-1]}.\n"
    )

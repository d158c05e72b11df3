"""The reviewer's stand-in: rules that read figures through a reviewer's own tools and edit a scaffold by a playbook.

It is no language model. It looks at the worst, a middle and the best episode of the version to beat, takes the first
play of `playbook.plays` that the figures call for and that no earlier attempt has tried, writes its edits, and says
why, with the steps that show it. A continuation adds the next play to the one that was turned down.
"""

from __future__ import annotations

import re
from collections.abc import Generator, Sequence
from dataclasses import dataclass

from chat_models.playbook import Play, plays
from chat_models.scripted_agent import Routine, ScriptedAgent, ToolCalls, ToolResult

_LISTED = re.compile(r"^- (\S+)$", re.MULTILINE)
_EPISODE = re.compile(r"^(\S+)/seed-(\d+): (\w+), .*?progression ([\d.]+) %", re.MULTILINE)
_UNPRODUCTIVE = re.compile(r"^Unproductive: (\d+) of (\d+) judged", re.MULTILINE)
_FILE = re.compile(
    r'^- "([^"]+)": (\d+) writes?, (\d+) added nothing; (\d+) recalls? \((\d+) searche?s?, (\d+) found', re.MULTILINE
)
_STEP = re.compile(r"^step (\d+), ", re.MULTILINE)
_PLAYED = re.compile(r"^# Plays?: (.+)$", re.MULTILINE)
_NUMBERED = re.compile(r"\A.*\n")
LOOKED_AT = 3
"""Episodes it looks at: the worst, a middle one, the best."""
CITED = 3

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


class ScriptedReviewer(ScriptedAgent):
    """Reviews by rules: scripted, no language model."""

    def script(self, message: str, before: Sequence[ToolResult], round: int) -> Routine:
        """The task first; of a check's faults these rules can mend none, and say so."""
        return _give_up() if round else _review(message)


def _give_up() -> Routine:
    return "These rules (no language model) know no other way to write this play."
    yield  # a routine is a generator, even one without calls


def _review(message: str) -> Routine:
    history = _names(message, "## History")
    (listed, shown, *methods) = yield [
        ("list_episodes", {"run": "incumbent"}),
        ("list_files", {"folder": "candidate"}),
        *(("read_file", {"path": f"history/{name}/candidate/METHOD.md"}) for name in history),
    ]
    episodes = _chosen(listed.text)
    overviews = yield [("episode_overview", {"run": "incumbent", "task": t, "seed": s}) for t, s in episodes]
    figures = _figures([one.text for one in overviews])
    tried = {name for one in methods for found in _PLAYED.findall(one.text) for name in found.split(" + ")}
    play = next((one for one in plays() if one.name not in tried and getattr(figures, one.figure) > one.above), None)
    if play is None:
        return f"The figures ({figures}) call for no play that was not tried: these rules (no language model) end here."
    carried = _carried(methods) if "You have revised it before" in message else []
    files = yield from _read(shown.text)
    evidence = yield from _evidence(play, episodes)
    value = getattr(figures, play.figure)
    texts = {f"candidate/{name}": text for name, text in play.edits(files).items()}
    texts["notes/analysis.md"] = _analysis(play, value, evidence)
    texts["candidate/METHOD.md"] = _method([*carried, play.name], play, value, evidence)
    yield [("write_file", {"path": path, "content": text}) for path, text in texts.items()]
    return f"Play {play.name}: {play.summary} (By rules, no language model.)"


def _names(message: str, heading: str) -> list[str]:
    """The items of the list under a heading of the task."""
    return _LISTED.findall(message.partition(heading)[2].partition("\n## ")[0]) if heading in message else []


def _carried(methods: Sequence[ToolResult]) -> list[str]:
    """The plays of the revision that is continued: the last one of the history."""
    found = _PLAYED.search(methods[-1].text) if methods else None
    return found[1].split(" + ") if found else []


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
    )


def _read(shown: str) -> Generator[ToolCalls, Sequence[ToolResult], dict[str, str]]:
    """The files of the working copy that plays change."""
    names = [name for name in ("scaffold.toml", "hooks.py", "operations.py") if f"candidate/{name}" in shown]
    results = yield [("read_file", {"path": f"candidate/{name}", "lines": 2_000}) for name in names]
    return {name: _NUMBERED.sub("", one.text, count=1) + "\n" for name, one in zip(names, results, strict=True)}


def _evidence(play: Play, episodes: Sequence[Episode]) -> Generator[ToolCalls, Sequence[ToolResult], list[str]]:
    """Citations of steps that show what the play is about."""
    asked = [
        ("search_trace", {"run": "incumbent", "task": task, "seed": seed, "limit": CITED, **play.evidence})
        for task, seed in episodes
    ]
    found = yield asked
    cited = []
    for (task, seed), one in zip(episodes, found, strict=True):
        cited += [f"[incumbent: {task}/seed-{seed} step {step}]" for step in _STEP.findall(one.text)[:CITED]]
    return cited or [f"[incumbent: {task}/seed-{seed} step 1]" for task, seed in episodes]


def _analysis(play: Play, value: float, evidence: Sequence[str]) -> str:
    lines = [
        "# Analysis (by rules, no language model)",
        "",
        f"Over the worst, a middle and the best episode, {play.why.format(value=value)}: {' '.join(evidence)}.",
        "",
        "Where it can be seen, step by step:",
        *[
            f"- {place} shows it: the step was played as the trace has it, and what it lacked stands above."
            for place in evidence
        ],
        "",
        f"What follows for the structure of the memory: {play.summary} So much the steps say {evidence[0]}.",
    ]
    return "\n".join(lines) + "\n"


def _method(names: Sequence[str], play: Play, value: float, evidence: Sequence[str]) -> str:
    return (
        f"# Play{'s' if len(names) > 1 else ''}: {' + '.join(names)}\n\n"
        f"{play.summary} Written by rules, no language model: {play.why.format(value=value)} {evidence[0]}. "
        "Only the structure of the memory changes: what the model stores, recalls and does stays its own decision, and "
        f"nothing of an action's outcome is told before it was seen {evidence[-1]}.\n"
    )

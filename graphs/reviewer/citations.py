"""Citations in a reviewer's texts: `[TASK/seed-N step S]`, checked against the runs it was shown.

`[TASK/seed-N steps S-T]` cites a stretch, `[RUN: TASK/seed-N step S]` says which run; without, any of them may hold it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from traces import EpisodeFolder, RunFolder, TraceFailure, TraceReader, read_result

FORM = "[TASK/seed-N step S]"
_CITATION = re.compile(
    r"\[(?:(?P<run>[\w.-]{1,60}):\s?)?(?P<task>[\w.-]{1,100})/seed-(?P<seed>\d{1,18})"
    r" steps? (?P<first>\d{1,9})(?:\s?[-–]\s?(?P<last>\d{1,9}))?\]"
)
_MEANT = re.compile(r"\[[^\[\]\n]{0,300}seed[- ]?\d[^\[\]\n]{0,300}\](?!\()")
"""What looks like a citation, rightly written or not."""
_ITEM = re.compile(r"\s*(?:[-*+]|\d{1,3}[.)])\s")
_CLAIM_CHARACTERS = 20
"""A block shorter than this says nothing that could be cited."""


class Citations:
    """The citations in a text: how many are valid, and a sentence for each that is not."""

    def __init__(self, text: str, runs: Mapping[str, Path]) -> None:
        self.valid = 0
        self.faults: list[str] = []
        steps: dict[tuple[str, str, int], int] = {}
        for meant in _MEANT.finditer(text):
            found = _CITATION.fullmatch(meant.group())
            fault = f"is no citation: write {FORM}, one in each pair of brackets"
            if found is not None:
                fault = _fault(found, runs, steps)
            if fault:
                self.faults.append(f"{meant.group()[:120]} {fault}")
            else:
                self.valid += 1


def uncited(text: str) -> list[str]:
    """The paragraphs and list items without a citation; headings, tables, code and what ends in a colon need none."""
    return [
        block
        for block in _blocks(text)
        if len(block) >= _CLAIM_CHARACTERS and not block.endswith(":") and not _MEANT.search(block)
    ]


def _fault(found: re.Match[str], runs: Mapping[str, Path], steps: dict[tuple[str, str, int], int]) -> str:
    """Why nothing is where the citation points; empty if it is there."""
    task, seed, first = found["task"], int(found["seed"]), int(found["first"])
    last = int(found["last"] or first)
    if found["run"] and found["run"] not in runs:
        return f"names no run: there are {', '.join(runs)}"
    if not 1 <= first <= last:
        return "names no stretch of steps: they are numbered from 1"
    named = [found["run"]] if found["run"] else list(runs)
    played = 0
    for run in named:
        key = (run, task, seed)
        if key not in steps:
            steps[key] = _steps(runs[run], task, seed)
        played = max(played, steps[key])
    if not played:
        return "names an episode that is in none of the runs"
    return "" if last <= played else f"names a step that was not played: the episode has {played}"


def _steps(run: Path, task: str, seed: int) -> int:
    """The steps of an episode of a run; 0 if there is none."""
    worlds = run / "episodes"
    for world in sorted(worlds.iterdir()) if worlds.is_dir() else ():
        try:
            folder = RunFolder(run).episode(world.name, task, seed)
        except ValueError:  # a task named ".."
            return 0
        if folder.path.is_dir():
            return _played(folder)
    return 0


def _played(folder: EpisodeFolder) -> int:
    result = read_result(folder)
    if result is not None and result.status != "damaged":
        return result.steps
    try:
        with TraceReader(folder) as reader:
            return len(reader)
    except TraceFailure:  # nothing was played yet
        return 0


def _blocks(text: str) -> Iterator[str]:
    """The paragraphs and list items of a Markdown text, each on one line."""
    block: list[str] = []
    fenced = False
    for line in [*text.splitlines(), ""]:
        bare = line.strip()
        fence = bare.startswith(("```", "~~~"))
        apart = not bare or fence or fenced or bare.startswith(("#", "|", "---", "==="))
        if apart or _ITEM.match(line):
            if block:
                yield " ".join(block)
            block = []
        fenced = fenced != fence
        if not apart:
            block.append(bare)

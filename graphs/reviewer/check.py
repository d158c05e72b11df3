"""Checks a candidate against the rules, before any evaluation is paid for. Faults are sentences."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from graphs.settings import SettingsError
from scaffolds import SHIPPED, Comparison, Scaffold, ScaffoldError, compare
from scaffolds.containment import Bounds
from scaffolds.containment.bubblewrap import CannotContain
from scaffolds.containment.process import ContainedProcess
from tools import MEMORY_OPERATIONS, Kind, Operation
from traces import EpisodeFolder, RunFolder, TraceFailure, TraceReader, read_result

ANALYSIS_CHARACTERS = 400
METHOD_CHARACTERS = 200
"""Shorter texts say nothing."""
ANALYSIS_CITATIONS = 3
"""Claims that an analysis makes at least."""
SHOWN = 5
"""Faults of one kind that are listed."""


@dataclass(frozen=True, slots=True)
class Checked:
    """What a check found."""

    faults: list[str]
    """Empty if the candidate may be played."""
    changes: dict[str, list[str]]
    """What changed against the parent, by area (`scaffolds.Area`)."""
    structural: bool
    """Whether any of it is more than wording."""


def check_candidate(parent: Path, candidate: Path, notes: Path, *, runs: Mapping[str, Path]) -> Checked:
    """Check a candidate and what the reviewer wrote of it. `runs`: the evaluations it was shown, by name.

    SettingsError where the machine cannot contain code, or the candidate lies where code counts as this repository's.
    """
    check_place(candidate)
    before = Scaffold.load(parent)
    try:
        after = Scaffold.load(candidate)
    except ScaffoldError as error:
        check_machine()
        return Checked([str(error).replace(f"{candidate.resolve()}", "candidate")], {}, False)
    changed = compare(before, after)
    faults = [*_rules(before, after, changed), *_prompts(after), *_texts(before, after, notes, runs)]
    changes = {area.value: [one.what for one in found] for area, found in changed.by_area().items()}
    return Checked(faults, changes, changed.structural)


def check_place(path: Path) -> None:
    """SettingsError where code counts as this repository's own and would not be contained."""
    if path.resolve().is_relative_to(SHIPPED):
        raise SettingsError(f"{path} lies among the shipped scaffolds, whose code runs uncontained: move the run.")


def check_machine() -> None:
    """SettingsError where code cannot be contained: that is no fault of a candidate's."""
    try:
        ContainedProcess(Bounds()).close()
    except CannotContain as error:
        raise SettingsError(f"A reviewer's code must be contained, and it cannot be here: {error}.") from error


def _rules(before: Scaffold, after: Scaffold, changed: Comparison) -> Iterator[str]:
    old, new = before.settings, after.settings
    if old.world != new.world:
        yield f"The world was {old.world} and must stay so, not {new.world}."
    if not changed.structural:
        yield (
            "Nothing structural has changed: change an operation, a file, who keeps it, a hook or an operation of your "
            "own; wording and numbers alone are no revision."
        )
    if new.hooks_share > old.hooks_share:
        yield f"hooks_share may not rise: it was {old.hooks_share:g}, not {new.hooks_share:g}."
    kept = [name for name, spec in new.files.items() if spec.maintained_by == "hooks"]
    if len(kept) > old.hooks_share * len(new.files):
        yield (
            f"Hooks keep {len(kept)} of {len(new.files)} files ({', '.join(kept)}); at most {old.hooks_share:.0%} may "
            "be theirs: the model decides what is stored."
        )
    for routine, kinds in (("log", (Kind.RECALL, Kind.RECORD)), ("plan", (Kind.RECALL,))):
        for kind in kinds:
            if not any(_is_the_models(one, kind) for one in _operations(after, routine)):
                yield (
                    f"{routine.upper()} has no {kind.value} operation in which the model says what: keep one such as "
                    f"{'search or read' if kind is Kind.RECALL else 'append, write or upsert'}."
                )


def _operations(scaffold: Scaffold, routine: str) -> Iterator[Operation]:
    known = {**MEMORY_OPERATIONS, **{one.name: one for one in scaffold.operations}}
    for name in getattr(scaffold.settings.vocabulary, routine):
        if name in known:
            yield known[name]


def _is_the_models(operation: Operation, kind: Kind) -> bool:
    """Whether the model decides what is recalled (it gives an argument) or recorded (it gives a text)."""
    arguments = operation.arguments.model_fields
    texts = [name for name, field in arguments.items() if field.annotation is str and name != "file"]
    return operation.kind is kind and bool(texts if kind is Kind.RECORD else arguments)


def _prompts(scaffold: Scaffold) -> Iterator[str]:
    """What a page must still show: without it the model could not play, or a trace could not be read."""
    view = {"long": "<long>", "short": "<short>"}
    last = {"long": "<earlier long>", "short": "<earlier short>"}
    step: dict[str, Any] = {"step": 7, "observation": view, "notices": ["<notice>"], "files": [("<file>", 3)]}
    turns = {"log": 9, "plan": 9}
    forms = {"log_forms": [("<log form>", "help")], "plan_forms": [("<plan form>", "help")]}
    system = {"world": "w", "task": "t", "actions": [("<action>", "help")], "files": [("<file>", "<purpose>")]}
    page = scaffold.render("system", **system, **forms, turns=turns, notebook="on", dialect=scaffold.settings.dialect)
    yield from _missing("system", page, ["<action>", "<log form>", "<plan form>", "<file>"])
    page = scaffold.render("log", **step, previous=last, action="<sent>")
    yield from _missing("log", page, ["<long>", "<short>", "<sent>", "<notice>"], opens="LOG step 7")
    page = scaffold.render("plan", **step, action="<sent>")
    yield from _missing("plan", page, ["<long>", "<short>", "<notice>"], opens="PLAN step 7")
    replies = [{"title": "<title>", "text": "<result>", "ok": True, "call_id": None}]
    page = scaffold.render("results", replies=replies, routine="LOG", turns_left=2, note="<note>")
    yield from _missing("results", page, ["<result>", "<note>"])


def _missing(name: str, page: str, needed: list[str], opens: str = "") -> Iterator[str]:
    lost = [mark.strip("<>") for mark in needed if mark not in page]
    if lost:
        yield f"prompts/{name}.md no longer shows: {', '.join(lost)}."
    if opens and page.split("\n", 1)[0].strip() != opens:
        yield f"prompts/{name}.md must open with the line {opens.replace('7', '{{ step }}')}."


def _texts(before: Scaffold, after: Scaffold, notes: Path, runs: Mapping[str, Path]) -> Iterator[str]:
    """What the reviewer must leave: an analysis and a method, every claim with its place in a trace."""
    analysis, method = _text(notes / "analysis.md"), _text(after.path / "METHOD.md")
    cited = {"notes/analysis.md": Citations(analysis, runs), "candidate/METHOD.md": Citations(method, runs)}
    if len(analysis.strip()) < ANALYSIS_CHARACTERS:
        yield f"notes/analysis.md has {len(analysis.strip())} characters: write down what you found."
    elif cited["notes/analysis.md"].valid < ANALYSIS_CITATIONS:
        valid = cited["notes/analysis.md"].valid
        yield f"notes/analysis.md cites {valid} places of the traces; at least {ANALYSIS_CITATIONS}, as {FORM}."
    for block in uncited(analysis)[:SHOWN]:
        yield f"notes/analysis.md claims without a citation: {block[:100]!r}"
    if len(method.strip()) < METHOD_CHARACTERS:
        yield f"candidate/METHOD.md has {len(method.strip())} characters: say what this version changes and why."
    elif method == _text(before.path / "METHOD.md"):
        yield "candidate/METHOD.md is still the parent's: say what this version changes and why."
    elif cited["candidate/METHOD.md"].valid < 1:
        yield f"candidate/METHOD.md cites nothing: say where the reason for the change can be seen, as {FORM}."
    for name, found in cited.items():
        yield from (f"{name}: {fault}" for fault in found.faults[:SHOWN])
    if before.settings.roles != after.settings.roles and "roles" not in method:
        yield "[roles] has changed, and METHOD.md does not say why: name the roles there, or leave them as they were."


def _text(path: Path) -> str:
    """The text of a file; empty if there is none, or it is no plain text."""
    try:
        return path.read_text(encoding="utf-8") if path.is_file() and not path.is_symlink() else ""
    except UnicodeDecodeError:
        return ""


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

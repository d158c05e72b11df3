"""Two runs beside each other: their episodes in pairs, and what differs in settings, scaffolds and prompts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from difflib import unified_diff
from pathlib import Path
from typing import Any

from graphs.evaluation.statistics import all_subsets, pair_up, spared_subsets
from graphs.settings import OUR_ERRORS, SettingsError
from scaffolds import Scaffold
from scaffolds.folder import resolve
from traces import TraceFailure, TraceReader, read_run
from traces.report_data import Pair, Played, read_played
from view.library import ShownRun
from view.table import pair_name

ERROR = 0.05
"""Each end of an interval is wrong with this probability at most, as in a report."""
TEXT = 200_000
"""Characters of a file of a scaffold, and of a prompt, that are compared."""
FILES = 200
"""Files of a scaffold that are compared."""

Line = tuple[str, str]
"""A line of a difference: " ", "-", "+" or "@", and its text."""


def compare(one: ShownRun, other: ShownRun) -> dict[str, Any]:
    """Everything that a page shows of two runs. TraceFailure or TraceDamaged where one cannot be read."""
    first, second = _played(one), _played(other)
    left, right = read_run(one) or {}, read_run(other) or {}
    shared = sorted(first.progressions.keys() & second.progressions.keys()) if first.world == second.world else []
    return {
        "worlds": [first.world, second.world],
        "paired": _paired(first, second, shared) if shared else None,
        "alone": [len(first.progressions) - len(shared), len(second.progressions) - len(shared)],
        "settings": list(_settings(left, right)),
        "scaffold": _scaffolds(left, right),
        "prompts": _prompts(first, second, shared),
    }


def _played(run: ShownRun) -> Played:
    found = read_played(run)
    if not found:
        raise SettingsError(f"{run.path.name} is no evaluation: choose two runs that have episodes of their own.")
    return found[0]


def _paired(first: Played, second: Played, shared: list[Pair]) -> dict[str, Any]:
    """As in a report: the later run less the earlier one, failed episodes as 0."""
    before, after = first.progressions, second.progressions
    found = pair_up({pair: before[pair] for pair in shared}, {pair: after[pair] for pair in shared}, error=ERROR)
    known = spared_subsets(ERROR, all_subsets(len(shared))) > 0
    return {
        "mean": 100 * found.mean_difference,
        "interval": [100 * end for end in found.interval] if known else None,
        "chance": found.chance,
        "means": [100 * found.before_mean, 100 * found.after_mean],
        "errors": [100 * found.before_se, 100 * found.after_se],
        "pairs": [
            {"name": pair_name((one.task, one.seed)), "task": one.task, "seed": one.seed}
            | {"before": 100 * one.before, "after": 100 * one.after}
            for one in found.differences
        ],
    }


def _settings(left: Mapping[str, Any], right: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """What the two were started with otherwise, versions of libraries too."""
    one, other = _flat(left), _flat(right)
    for name in dict.fromkeys((*one, *other)):
        if one.get(name) != other.get(name):
            yield {"name": name, "one": one.get(name), "other": other.get(name)}


def _flat(run: Mapping[str, Any]) -> dict[str, Any]:
    configuration = dict(run.get("configuration") or {})
    settings = configuration.pop("settings", None) or {}
    versions = {f"version of {name}": one for name, one in (run.get("versions") or {}).items()}
    return {**settings, **configuration, **versions}


def _scaffolds(left: Mapping[str, Any], right: Mapping[str, Any]) -> dict[str, Any]:
    """The files of both scaffolds that differ, or why they cannot be compared."""
    found = []
    for run in (left, right):
        texts = scaffold_texts(run.get("configuration") or {})
        if isinstance(texts, str):
            return {"problem": texts, "files": []}
        found.append(texts)
    one, other = found
    files = [
        {"name": name, "lines": difference(one.get(name, ""), other.get(name, ""))}
        for name in sorted({*one, *other})
        if one.get(name) != other.get(name)
    ]
    return {"problem": None, "files": files[:FILES]}


def scaffold_texts(configuration: Mapping[str, Any]) -> dict[str, str] | str:
    """The texts of the scaffold that a run was played with, by file; a sentence where they are not there any more.

    A scaffold lies outside of the run and may have changed: it is shown only if its digest is the run's.
    """
    named = (configuration.get("settings") or {}).get("scaffold")
    digest = configuration.get("scaffold_digest")
    folder: Path | None = None
    with suppress(*OUR_ERRORS, OSError, ValueError):
        folder = resolve(str(named))
        if Scaffold.load(folder).digest != digest:
            return f"The scaffold {named} has been changed since the run was played."
    if folder is None:
        return f"The scaffold {named} is not there any more."
    return folder_texts(folder)


def folder_texts(folder: Path) -> dict[str, str]:
    """The text files of a scaffold, by their path in it."""
    found = {}
    for path in sorted(folder.rglob("*")):
        if path.is_file() and not path.is_symlink() and "__pycache__" not in path.parts:
            with suppress(UnicodeDecodeError, OSError), path.open(encoding="utf-8") as file:
                found[path.relative_to(folder).as_posix()] = file.read(TEXT)
    return found


def _prompts(first: Played, second: Played, shared: list[Pair]) -> list[dict[str, Any]]:
    """The first prompt of LOG and of PLAN, of the first pair whose traces are both there."""
    for task, seed in shared:
        with suppress(TraceFailure, IndexError):
            one, other = (first_prompts(played, task, seed) for played in (first, second))
            names = dict.fromkeys((*one, *other))
            where = pair_name((task, seed))
            found = {name: difference(one.get(name, ""), other.get(name, "")) for name in names}
            return [{"name": name, "episode": where, "lines": lines} for name, lines in found.items()]
    return []


def first_prompts(played: Played, task: str, seed: int) -> dict[str, str]:
    """What the first call of each routine of an episode was sent, as one text. IndexError, TraceFailure."""
    found: dict[str, str] = {}
    with TraceReader(played.run.episode(played.world, task, seed)) as reader:
        for number in (1, 2):  # LOG runs from the second step on
            for conversation in reader.step(number).conversations if number <= len(reader) else ():
                if conversation.calls:
                    sent = conversation.prompt(0)
                    text = "\n\n".join(f"[{message['role']}]\n{message.get('content') or ''}" for message in sent)
                    found.setdefault(f"{conversation.routine} ({conversation.role})", text[:TEXT])
    if not found:
        raise IndexError("it holds no prompt")
    return found


def difference(one: str, other: str) -> list[Line]:
    """The lines that differ, with three around them."""
    lines: Iterable[str] = unified_diff(one.split("\n"), other.split("\n"), n=3, lineterm="")
    return [(line[0], line[1:]) for number, line in enumerate(lines) if number >= 2]

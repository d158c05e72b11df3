"""What changed from one scaffold to another, area by area, and whether any of it is more than wording."""

import ast
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from scaffolds.scaffold import Scaffold
from scaffolds.settings import FileSpec


class Area(StrEnum):
    """A part of a scaffold that the outer loop may change."""

    VOCABULARY = "vocabulary"
    FILE_SCHEMA = "file schema"
    PROMPTS = "prompts"
    HOOKS = "hooks"
    """Code that runs at each step; with `act` it may repair or veto actions, which is task policy, not memory."""
    OPERATIONS = "operations"
    MEMORY = "memory"
    SETTINGS = "settings"


@dataclass(frozen=True, slots=True)
class Change:
    """One difference. `structural`: it changes what can be stored, recalled or done, not only how it is worded."""

    area: Area
    what: str
    structural: bool


@dataclass(frozen=True, slots=True)
class Comparison:
    """All differences between two scaffolds, in a fixed order. Empty if they behave and read the same."""

    changes: tuple[Change, ...]

    @property
    def structural(self) -> bool:
        """Whether at least one change is structural, as a revision in loop 1 must have."""
        return any(change.structural for change in self.changes)

    def by_area(self) -> dict[Area, tuple[Change, ...]]:
        """The changes of each area that has some."""
        return {
            area: found for area in Area if (found := tuple(change for change in self.changes if change.area is area))
        }


def compare(old: Scaffold, new: Scaffold) -> Comparison:
    """What changed from `old` to `new`.

    Structural are: the operations of a routine, the files and who keeps them, code that does something else (comments
    and docstrings aside), a seed file filled or emptied, dialect and roles. Wording are: prompts, purposes, help and
    the contents of seed files. Numbers (turns, limits, max_lines) are not structural.
    """
    return Comparison(
        (
            *_vocabulary(old, new),
            *_files(old, new),
            *_prompts(old, new),
            *_hooks(old, new),
            *_operations(old, new),
            *_memory(old, new),
            *_settings(old, new),
        )
    )


def _vocabulary(old: Scaffold, new: Scaffold) -> list[Change]:
    changes = []
    for routine in ("log", "plan"):
        before: tuple[str, ...] = getattr(old.settings.vocabulary, routine)
        after: tuple[str, ...] = getattr(new.settings.vocabulary, routine)
        if changed := _added_and_removed(before, after):
            changes.append(Change(Area.VOCABULARY, f"{routine}: {changed}", True))
        elif before != after:
            changes.append(Change(Area.VOCABULARY, f"{routine}: another order", False))
    return changes


def _files(old: Scaffold, new: Scaffold) -> list[Change]:
    before, after = old.settings.files, new.settings.files
    changed = _added_and_removed(before, after)
    changes = [Change(Area.FILE_SCHEMA, changed, True)] if changed else []
    for name in before.keys() & after.keys():
        for field in FileSpec.model_fields:
            was, now = getattr(before[name], field), getattr(after[name], field)
            if was != now:
                changes.append(Change(Area.FILE_SCHEMA, f"{name}: {field} {was!r} → {now!r}", field == "maintained_by"))
    return sorted(changes, key=lambda change: (not change.structural, change.what))


def _prompts(old: Scaffold, new: Scaffold) -> list[Change]:
    return [
        Change(Area.PROMPTS, f"{name}.md is reworded", False)
        for name, source in old.prompts.sources.items()
        if source != new.prompts.sources[name]
    ]


def _hooks(old: Scaffold, new: Scaffold) -> list[Change]:
    has = f"has {', '.join(sorted(new.entry_points))}" if new.entry_points else ""
    words = [has, _added_and_removed(tuple(sorted(old.entry_points)), tuple(sorted(new.entry_points)))]
    return _code(old, new, "hooks.py", Area.HOOKS, "; ".join(filter(None, words)))


def _operations(old: Scaffold, new: Scaffold) -> list[Change]:
    return _code(old, new, "operations.py", Area.OPERATIONS, "")


def _code(old: Scaffold, new: Scaffold, file: str, area: Area, more: str) -> list[Change]:
    """The change of a file of code; `more` describes it."""
    before, after = (one.code[file].source if file in one.code else "" for one in (old, new))
    if before == after:
        return []
    structural = _behaviour(before) != _behaviour(after)
    what = "added" if not before else "removed" if not after else "changed" if structural else "reworded"
    return [Change(area, f"{file} {what}{f' ({more})' if more else ''}", structural)]


def _behaviour(source: str) -> str:
    """The program without its comments and docstrings."""
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and ast.get_docstring(
            node, clean=False
        ):
            node.body = node.body[1:]
    return ast.dump(tree)


def _memory(old: Scaffold, new: Scaffold) -> list[Change]:
    changes = []
    for name in old.memory.keys() | new.memory.keys():
        before, after = old.memory.get(name, ""), new.memory.get(name, "")
        if before != after:
            what = "filled" if not before else "emptied" if not after else "another text"
            changes.append(Change(Area.MEMORY, f"{name}: {what}", not before or not after))
    return sorted(changes, key=lambda change: change.what)


def _settings(old: Scaffold, new: Scaffold) -> list[Change]:
    changes = []
    for field in ("world", "summary", "parent", "dialect", "turns", "limits", "hooks_share", "roles"):
        before, after = getattr(old.settings, field), getattr(new.settings, field)
        if before != after:
            structural = field in ("world", "dialect", "roles")
            changes.append(Change(Area.SETTINGS, f"{field}: {before!r} → {after!r}", structural))
    return changes


def _added_and_removed(
    before: Mapping[str, object] | tuple[str, ...], after: Mapping[str, object] | tuple[str, ...]
) -> str:
    added = [f"+{name}" for name in after if name not in before]
    return " ".join([*added, *(f"-{name}" for name in before if name not in after)])

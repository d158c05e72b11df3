"""The notebook: memory operations over one folder of text files, with the whole history in a journal."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Self

from memory_fs import recall
from memory_fs.disk import is_vacant
from memory_fs.journal import copy_records, records
from memory_fs.names import Limits, NotebookMisuse, check_room, check_text, check_vacant, clean_name, keyed_line
from memory_fs.page import Page
from memory_fs.replay import replay
from memory_fs.results import MemoryResult, Outcome, Refused, RejectionCode, plural, quoted
from memory_fs.shelf import Shelf, sibling
from memory_fs.text import Change, Text, change_between, split, unified_diff

SEED_ROUTINE = "SEED"
"""The routine under which an episode's starting files are journalled, at step 0."""

NAMES_REMEMBERED = 1_000
"""Spellings of file names whose check is remembered: a model repeats the same few."""

Plan = Callable[[Page | None], Change | list[int]]
"""What a record does to a page (None: no such file yet): a change, or the present lines that make it needless."""


class MemoryFS:
    """One notebook. Operations answer any string with a result; only the machine's failures raise NotebookFailure."""

    def __init__(self, root: Path | str, limits: Limits | None = None, *, journal: Path | str | None = None) -> None:
        """Open or create the notebook in `root`, with its journal next to it (`<root>.journal.jsonl`) unless given.

        Files become equal to the last journalled revision; versions found different are kept in `<root>.found`.
        NotebookMisuse when the places cannot be used, NotebookFailure when the disk or the journal is at fault.
        """
        self.root = Path(root).resolve()
        self.limits = limits or Limits()
        path = sibling(self.root, ".journal.jsonl") if journal is None else Path(journal).resolve()
        self._shelf = Shelf(self.root, path, self.limits)
        self._names: dict[str, str] = {}
        self._step, self._routine = 0, ""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the files; what is on disk is complete at any time, closed or not."""
        self._shelf.close()

    @property
    def revision(self) -> int:
        """How many changes were made; 0 is the empty notebook."""
        return self._shelf.revision

    @property
    def seeded(self) -> int:
        """The revision of the starting files: 1, or 0 where there are none."""
        return seeded(self._shelf.journal)

    @property
    def journal_bytes(self) -> int:
        """How large its history is on disk."""
        return self._shelf.journal_bytes

    @property
    def history(self) -> tuple[int, int, str]:
        """What its history on disk holds: records, bytes, and their SHA-256, kept while they are written."""
        return self.revision, self._shelf.journal_bytes, self._shelf.journal_sha256

    def mark(self, step: int, routine: str) -> None:
        """Set the world step and routine of the changes that follow."""
        self._step, self._routine = step, routine

    def index(self) -> dict[str, int]:
        """Return the number of lines of every file, by name in sorted order."""
        pages = self._shelf.pages
        return {name: len(pages[name].lines) for name in sorted(pages)}

    # Recalls

    def search(self, file: str, keyword: str) -> MemoryResult:
        """Show the last `Limits.search_lines` lines that contain the keyword, whatever its case."""
        return self._recall("search", file, lambda name, page: recall.search(name, page, keyword, self.limits))

    def read(self, file: str) -> MemoryResult:
        """Show a file; the middle of a long one is left out."""
        return self._recall("read", file, lambda name, page: recall.read(name, page, self.limits))

    def tail(self, file: str, lines: int) -> MemoryResult:
        """Show the last lines of a file."""
        return self._recall("tail", file, lambda name, page: recall.tail(name, page, lines, self.limits))

    def count(self, file: str, keyword: str) -> MemoryResult:
        """Say how many lines contain the keyword, whatever its case."""
        return self._recall("count", file, lambda name, page: recall.count(name, page, keyword))

    # Records

    def append(self, file: str, text: str) -> MemoryResult:
        """Add the text as lines at the end, making the file if needed; a duplicate if every line is there already."""

        def plan(page: Page | None) -> Change | list[int]:
            check_text(text, self.limits)
            lines, _ = split(text)
            if not lines:
                raise Refused(RejectionCode.EMPTY_TEXT, "There is no text to append.")
            if page is None:
                return Change(0, 0, lines)
            present = [index for index in map(page.find, lines) if index is not None]
            return present if len(present) == len(lines) else Change(len(page.lines), 0, lines)

        return self._record("append", file, plan)

    def write(self, file: str, text: str) -> MemoryResult:
        """Make the text the whole file, making the file if needed; lines that stay keep their provenance."""

        def plan(page: Page | None) -> Change | list[int]:
            check_text(text, self.limits)
            lines, unended = split(text)
            if page is not None and lines == page.lines and unended == page.unended:
                return list(range(len(lines)))
            return change_between(page.lines if page else [], lines, unended)

        return self._record("write", file, plan)

    def create(self, file: str) -> MemoryResult:
        """Make an empty file; `exists` when there is one, empty or not."""
        return self._record("create", file, lambda page: Change(0, 0, []) if page is None else [])

    def upsert(self, file: str, key: str, text: str) -> MemoryResult:
        """Put the line `key: text` in place of the last line with that key, or at the end when there is none."""

        def plan(page: Page | None) -> Change | list[int]:
            name, line = keyed_line(key, text, self.limits)
            index = page.find_key(name) if page else None
            if page is None or index is None:
                return Change(len(page.lines) if page else 0, 0, [line])
            return [index] if page.lines[index] == line else Change(index, 1, [line], page.unended)

        return self._record("upsert", file, plan)

    # History

    def at(self, revision: int) -> dict[str, str]:
        """Return the text of every file at a revision, rebuilt from the journal; 0 is the empty notebook."""
        texts = self._shelf.replay(revision).texts
        return {name: texts[name].text() for name in sorted(texts)}

    def diff(self, a: int, b: int) -> str:
        """Return a unified diff from revision `a` to revision `b`, empty when nothing differs."""
        return unified_diff(self._shelf.replay(a).texts, self._shelf.replay(b).texts)

    def restore(self, revision: int) -> MemoryResult:
        """Make every file as it was at a revision, as a new revision; lines brought back are written by it."""
        changed = self._shelf.restore(revision, self._step, self._routine)
        if not changed:
            text = f"Nothing changed: the notebook is as at revision {revision}."
            return MemoryResult("restore", Outcome.DUPLICATE, text, revision=self.revision)
        text = f"The notebook is as at revision {revision} again ({plural(len(changed), 'file')} changed)."
        return MemoryResult("restore", Outcome.WRITTEN, text, total=len(changed), revision=self.revision)

    def rewind(self, revision: int) -> None:
        """Forget everything after a revision, in the journal and in the files."""
        self._shelf.rewind(revision)

    def fork(self, revision: int, new_root: Path | str, *, journal: Path | str | None = None) -> MemoryFS:
        """Open a new notebook with this one's history up to a revision, in a place where nothing is yet."""
        return fork(self._shelf.journal, revision, new_root, journal=journal, limits=self.limits)

    def seed(self, files: Mapping[str, str]) -> None:
        """Write an episode's starting files as revision 1 (step 0, routine SEED); NotebookMisuse when refused."""
        if self.revision:
            raise NotebookMisuse("Starting files belong into a new notebook; this one has a history.")
        if changes := starting_changes(files, self.limits):
            self._shelf.seed(changes, SEED_ROUTINE)

    # How an operation is answered

    def _name(self, file: str) -> str:
        name = self._names.get(file)
        if name is None:
            name = clean_name(file, self.limits)
            if len(self._names) >= NAMES_REMEMBERED:
                self._names.clear()
            self._names[file] = name
        return name

    def _recall(self, operation: str, file: str, find: Callable[[str, Page], recall.Recall]) -> MemoryResult:
        name = None
        try:
            name = self._name(file)
            page = self._shelf.pages.get(name)
            if page is None:
                return self._missing(operation, name)
            found = find(name, page)
        except Refused as refusal:
            return self._refused(operation, name, refusal)
        return MemoryResult(
            operation,
            found.outcome,
            found.text,
            file=name,
            lines=tuple(index + 1 for index in found.shown),
            provenance=tuple(map(page.source, found.shown)),
            total=found.total,
            revision=self.revision,
        )

    def _record(self, operation: str, file: str, plan: Plan) -> MemoryResult:
        name = None
        try:
            name = self._name(file)
            page = self._shelf.pages.get(name)
            change = plan(page)
            if not isinstance(change, Change):
                return self._needless(operation, name, change)
            self._shelf.commit(name, change, self._step, self._routine, operation)
        except Refused as refusal:
            return self._refused(operation, name, refusal)
        lines = tuple(range(change.at + 1, change.at + len(change.put) + 1))
        count = plural(len(self._shelf.pages[name].lines), "line")
        if not lines:
            text = f"Created {name}." if page is None else f"Wrote {name} ({count})."
        else:
            where = f"line {lines[0]}" if len(lines) == 1 else f"lines {lines[0]} to {lines[-1]}"
            text = f"Wrote {where} of {name} ({count})."
        return self._answer(operation, Outcome.WRITTEN, text, name, lines)

    def _needless(self, operation: str, name: str, present: list[int]) -> MemoryResult:
        """Answer a record that would change nothing, because these lines are there already."""
        lines = tuple(index + 1 for index in present)
        if operation == "create":
            count = plural(len(self._shelf.pages[name].lines), "line")
            return self._answer(operation, Outcome.EXISTS, f"{name} is there already ({count}).", name, lines)
        if operation == "write":
            text = f"Nothing changed: {name} holds exactly this already."
        else:
            shown = ", ".join(map(str, lines[:5])) + (", …" if len(lines) > 5 else "")
            text = f"Nothing changed: {name} says so already ({'line' if len(lines) == 1 else 'lines'} {shown})."
        return self._answer(operation, Outcome.DUPLICATE, text, name, lines)

    def _missing(self, operation: str, name: str) -> MemoryResult:
        names = {other.casefold(): other for other in sorted(self._shelf.pages)}
        near = difflib.get_close_matches(name.casefold(), names, n=1)
        if near:
            hint = f"; the nearest name is {names[near[0]]}."
        elif names:
            some = list(names.values())
            hint = f"; the notebook holds {', '.join(some[:5])}{'' if len(some) <= 5 else ', …'}."
        else:
            hint = "; the notebook is empty."
        return self._answer(operation, Outcome.MISSING, f"There is no file {name}{hint}", name, ())

    def _refused(self, operation: str, name: str | None, refusal: Refused) -> MemoryResult:
        text = f"Refused: {refusal.sentence}"
        return MemoryResult(operation, Outcome.REJECTED, text, name, revision=self.revision, code=refusal.code)

    def _answer(self, operation: str, outcome: Outcome, text: str, name: str, lines: tuple[int, ...]) -> MemoryResult:
        return MemoryResult(operation, outcome, text, file=name, lines=lines, total=len(lines), revision=self.revision)


def starting_changes(files: Mapping[str, str], limits: Limits) -> dict[str, Change]:
    """What makes an episode's starting files of an empty notebook, by clean name; NotebookMisuse when refused."""
    changes: dict[str, Change] = {}
    total = 0
    try:
        for file, text in files.items():
            check_text(text, limits)
            name, change = clean_name(file, limits), Change(0, 0, *split(text))
            if name in changes:
                raise Refused(RejectionCode.NAME_TAKEN, f"{name} is there twice.")
            check_vacant(name, changes)
            size = Page(Text()).size_after(change)
            total += size
            check_room(name, len(change.put), size, total, limits, grown=size)
            changes[name] = change
        if len(changes) > limits.max_files:
            raise Refused(RejectionCode.TOO_MANY_FILES, f"There may be {limits.max_files} files.")
    except Refused as refusal:
        raise NotebookMisuse(f"The starting file {quoted(file)} is refused: {refusal.sentence}") from refusal
    return changes


def seeded(journal: Path) -> int:
    """The revision of the starting files in a journal: 1, or 0 where there are none."""
    first = next(records(journal, 1), None)
    return 1 if first is not None and first.routine == SEED_ROUTINE else 0


def fork(
    source: Path | str,
    revision: int,
    new_root: Path | str,
    *,
    journal: Path | str | None = None,
    limits: Limits | None = None,
) -> MemoryFS:
    """Open a new notebook with the history in the journal `source` up to a revision, in a place where nothing is yet.

    `source` is only read, so it may be that of an episode that plays or was killed. NotebookMisuse if it has no such
    revision or the place is taken, NotebookFailure when the disk or the journal is at fault.
    """
    root, origin = Path(new_root).resolve(), Path(source)
    path = sibling(root, ".journal.jsonl") if journal is None else Path(journal).resolve()
    if path.exists() or not is_vacant(root):
        raise NotebookMisuse(f"{root} or {path} holds something already; fork into a new place.")
    state = replay(origin, max(revision, 0))
    if state.revision != revision:
        raise NotebookMisuse(f"There is no revision {revision}; {origin} has revisions 0 to {replay(origin).revision}.")
    copy_records(origin, path, state.end)
    return MemoryFS(root, limits, journal=path)

"""The pages of an open notebook, kept equal in memory, in the journal and on disk."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from memory_fs.disk import Disk, is_vacant
from memory_fs.journal import Journal, NotebookFailure
from memory_fs.names import Limits, NotebookMisuse, check_room, check_vacant
from memory_fs.page import Page
from memory_fs.replay import Replay, replay
from memory_fs.results import Refused, RejectionCode, Source
from memory_fs.text import Change, Text, change_between

UNFINISHED = "the last change was not finished"
"""Set during a change: if the change fails, nothing more is written after it."""


class Shelf:
    """The pages. Every change goes to the journal, then to the page, then to the file; each may be cut short."""

    def __init__(self, root: Path, journal: Path, limits: Limits) -> None:
        """Open or create; files are made equal to the last journalled revision."""
        _check_places(root, journal)
        self.limits = limits
        self._journal = Journal(journal)
        self._disk = Disk(root, sibling(root, ".found"))
        self._stopped = ""  # why nothing more may be written
        state = replay(journal)
        self._adopt(state)
        self._journal.cut(state.end)  # the rest is a record that was never finished
        self._disk.settle(self.pages, state.before)

    @property
    def journal(self) -> Path:
        """Where the journal is."""
        return self._journal.path

    @property
    def journal_bytes(self) -> int:
        """How large the journal is."""
        return self._journal.size

    @property
    def journal_sha256(self) -> str:
        """The digest of the journal."""
        return self._journal.sha256

    def commit(self, name: str, change: Change, step: int, routine: str, operation: str) -> None:
        """Change one file; `Refused` when it may not be, NotebookFailure when the disk fails."""
        self._check_open()
        page = self.pages.get(name)
        if page is None:
            check_vacant(name, self.pages)
            if len(self.pages) >= self.limits.max_files:
                raise Refused(
                    RejectionCode.TOO_MANY_FILES,
                    f"The notebook has {len(self.pages)} files, the most it may have; use one of them.",
                )
            page = Page(Text())
        size, grown = page.size, page.size_after(change)
        lines, total = len(page.lines) - change.drop + len(change.put), self._bytes + grown - size
        check_room(name, lines, grown, total, self.limits, grown=grown - size)
        file = self._disk.open(name)  # before the record: a file that cannot be written must not be journalled
        try:
            self._stopped = UNFINISHED
            source = self._write_record(step, routine, operation, {name: change})
            patch = page.apply(change, source)
            self.pages[name] = page
            self._bytes += grown - size
            self._disk.patch(name, file, size, patch, page)
            self._stopped = ""
        finally:
            os.close(file)

    def seed(self, changes: Mapping[str, Change], routine: str) -> None:
        """Write the first revision, at step 0."""
        self._commit_all(changes, 0, routine, "seed")

    def restore(self, revision: int, step: int, routine: str) -> list[str]:
        """Bring the files back to a revision, as a new one; return the names of those that changed."""
        texts = self.replay(revision).texts
        changes: dict[str, Change | None] = {name: None for name in self.pages if name not in texts}
        for name, text in texts.items():
            page = self.pages.get(name)
            if page is None or (page.lines, page.unended) != (text.lines, text.unended):
                changes[name] = change_between(page.lines if page else [], text.lines, text.unended)
        if changes:
            self._commit_all(changes, step, routine, "restore")
        return sorted(changes)

    def rewind(self, revision: int) -> None:
        """Forget every revision after this one."""
        self._check_open()
        if revision == self.revision:
            return
        state = self.replay(revision)
        before = {name: page.text() for name, page in self.pages.items()}
        self._stopped = UNFINISHED
        self._journal.cut(state.end)
        self._adopt(state)
        self._disk.settle(self.pages, before)
        self._stopped = ""

    def replay(self, revision: int) -> Replay:
        """Rebuild a revision from the journal; NotebookMisuse when there is none of that number."""
        if not 0 <= revision <= self.revision:
            raise NotebookMisuse(f"There is no revision {revision}; the notebook has revisions 0 to {self.revision}.")
        return replay(self._journal.path, revision)

    def close(self) -> None:
        """Close the files."""
        self._stopped = self._stopped or "it was closed"
        self._journal.close()
        self._disk.close()

    def _adopt(self, state: Replay) -> None:
        self.pages = {name: Page(text) for name, text in state.texts.items()}
        self.revision = state.revision
        self._bytes = sum(page.size for page in self.pages.values())

    def _commit_all(self, changes: Mapping[str, Change | None], step: int, routine: str, operation: str) -> None:
        """Change several files as one revision; None removes a file."""
        self._check_open()
        before = {name: self.pages[name].text() if name in self.pages else "" for name in changes}
        self._stopped = UNFINISHED
        source = self._write_record(step, routine, operation, changes)
        for name, change in changes.items():
            if change is None:
                del self.pages[name]
            else:
                self.pages.setdefault(name, Page(Text())).apply(change, source)
        self._bytes = sum(page.size for page in self.pages.values())
        self._disk.settle(self.pages, before)
        self._stopped = ""

    def _write_record(self, step: int, routine: str, operation: str, changes: Mapping[str, Change | None]) -> Source:
        source = Source(step, self.revision + 1)
        self._journal.append(source, routine, operation, changes)
        self.revision = source.revision
        return source

    def _check_open(self) -> None:
        if not self._stopped and self._journal.is_closed:
            self._stopped = "it was opened a second time"
        if self._stopped:
            raise NotebookFailure(f"{self._disk.root} can be written only after it is opened again: {self._stopped}.")


def sibling(root: Path, ending: str) -> Path:
    """Return the path next to `root` with this ending."""
    return root.with_name(root.name + ending)


def _check_places(root: Path, journal: Path) -> None:
    """Refuse places in which the notebook and its journal would be mixed with each other or with other files."""
    if not root.name:
        raise NotebookMisuse("A notebook cannot be the root folder of the system; choose another.")
    if root == journal or root in journal.parents or journal in root.parents:
        raise NotebookMisuse(f"The journal {journal} must lie outside the folder {root}.")
    if not journal.exists() and not is_vacant(root):
        raise NotebookMisuse(f"{root} holds files but {journal} does not exist; give an empty folder, or seed files.")

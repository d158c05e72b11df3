"""The pages of an open notebook, kept the same in memory, in the journal and on disk."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from memory_fs.change import Change, change_between
from memory_fs.disk import Disk
from memory_fs.journal import Journal, NotebookFailure
from memory_fs.limits import Limits, NotebookMisuse
from memory_fs.names import check_vacant
from memory_fs.page import Page
from memory_fs.replay import Replay, replay
from memory_fs.results import Refused, RejectionCode, Source
from memory_fs.text import Text


class Shelf:
    """Every change goes to the journal, then to the page, then to the file: any of them can be cut short."""

    def __init__(self, root: Path, journal: Path, limits: Limits) -> None:
        """Open or create; files are made equal to the last journalled revision."""
        _check_places(root, journal)
        self.limits = limits
        self.journal = Journal(journal)
        self._disk = Disk(root, beside(root, ".found"))
        self._stopped = ""  # why nothing more may be written
        state = replay(self.journal)
        self._adopt(state)
        self.journal.cut(state.end)  # the rest is a record that was never finished
        self._disk.settle(self.pages, state.before)

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
            page = Page(Text(), self.limits.search_lines)
        size, grown = page.size, page.size_after(change)
        self._check_room(name, len(page.lines) - change.drop + len(change.put), grown, grown - size)
        file = self._disk.open(name)  # before the record: a place that cannot be written must leave no trace
        try:
            source = Source(step, self.revision + 1)
            self._write_record(source, routine, operation, {name: change})
            patch = page.apply(change, source)
            self.pages[name] = page
            self._bytes += grown - size
            self._disk.patch(name, file, size, patch, page)
        except NotebookFailure as failure:
            self._stopped = str(failure)
            raise
        finally:
            os.close(file)

    def commit_all(self, changes: Mapping[str, Change | None], step: int, routine: str, operation: str) -> None:
        """Change several files as one revision; None removes a file."""
        self._check_open()
        source = Source(step, self.revision + 1)
        before = {name: self.pages[name].text() for name in changes if name in self.pages}
        try:
            self._write_record(source, routine, operation, changes)
            for name, change in changes.items():
                if change is None:
                    del self.pages[name]
                else:
                    page = self.pages.setdefault(name, Page(Text(), self.limits.search_lines))
                    page.apply(change, source)
            self._bytes = sum(page.size for page in self.pages.values())
            self._disk.settle(self.pages, before)
        except NotebookFailure as failure:
            self._stopped = str(failure)
            raise

    def seed(self, texts: Mapping[str, tuple[list[str], bool]], routine: str) -> None:
        """Write the first revision, at step 0; `Refused` when the files are too many or too long."""
        if len(texts) > self.limits.max_files:
            raise Refused(RejectionCode.TOO_MANY_FILES, f"There may be {self.limits.max_files} files.")
        total = 0
        changes: dict[str, Change | None] = {}
        for name, (lines, unended) in texts.items():
            check_vacant(name, changes)
            change = changes[name] = Change(0, 0, lines, unended)
            size = Page(Text(), 1).size_after(change)
            total += size
            self._check_room(name, len(lines), size, total)
        self.commit_all(changes, 0, routine, "seed")

    def restore(self, revision: int, step: int, routine: str) -> list[str]:
        """Bring the files back to a revision, as a new one; return the names of those that changed."""
        texts = self.replay(revision).texts
        changes: dict[str, Change | None] = {name: None for name in self.pages if name not in texts}
        for name, text in texts.items():
            page = self.pages.get(name)
            if page is None or (page.lines, page.unended) != (text.lines, text.unended):
                changes[name] = change_between(page.lines if page else [], text.lines, text.unended)
        if changes:
            self.commit_all(changes, step, routine, "restore")
        return sorted(changes)

    def rewind(self, revision: int) -> None:
        """Forget every revision after this one."""
        self._check_open()
        state = self.replay(revision)
        before = {name: page.text() for name, page in self.pages.items()}
        try:
            self.journal.cut(state.end)
            self._adopt(state)
            self._disk.settle(self.pages, before)
        except NotebookFailure as failure:
            self._stopped = str(failure)
            raise

    def replay(self, revision: int) -> Replay:
        """Rebuild a revision from the journal; NotebookMisuse when there is none of that number."""
        if not 0 <= revision <= self.revision:
            raise NotebookMisuse(f"There is no revision {revision}; the notebook has revisions 0 to {self.revision}.")
        return replay(self.journal, revision)

    def close(self) -> None:
        """Let go of the files."""
        self._stopped = self._stopped or "the notebook was closed"
        self.journal.close()
        self._disk.close()

    def _adopt(self, state: Replay) -> None:
        self.pages = {name: Page(text, self.limits.search_lines) for name, text in state.texts.items()}
        self.revision = state.revision
        self._bytes = sum(page.size for page in self.pages.values())

    def _check_open(self) -> None:
        if self._stopped:
            raise NotebookFailure(f"Nothing can be written before the notebook is reopened: {self._stopped}")

    def _check_room(self, name: str, lines: int, size: int, grown: int) -> None:
        """Refuse a file of this many lines and bytes, or a notebook that grows by so many bytes."""
        most = self.limits
        if lines > most.max_file_lines or size > most.max_file_bytes:
            raise Refused(
                RejectionCode.FILE_FULL,
                f"{name} would have {lines} lines and {size} bytes; a file holds {most.max_file_lines} lines and "
                f"{most.max_file_bytes} bytes. Write it anew, shorter, or go on in another file.",
            )
        if grown > 0 and self._bytes + grown > most.max_total_bytes:
            raise Refused(
                RejectionCode.NOTEBOOK_FULL,
                f"The files would have {self._bytes + grown} bytes; together they hold {most.max_total_bytes}. "
                "Write one of them anew, shorter.",
            )

    def _write_record(self, source: Source, routine: str, operation: str, changes: Mapping[str, Change | None]) -> None:
        self.journal.append(source, routine, operation, changes)
        self.revision = source.revision


def beside(root: Path, ending: str) -> Path:
    """Return the path next to `root` with this ending."""
    return root.with_name(root.name + ending)


def _check_places(root: Path, journal: Path) -> None:
    """Refuse places in which the notebook and its journal would be mixed with each other or with other files."""
    if root == journal or root in journal.parents or journal in root.parents:
        raise NotebookMisuse(f"The journal {journal} must lie outside the folder {root}.")
    if not root.name:
        raise NotebookMisuse("A notebook cannot be the root folder of the system; choose another.")
    if not journal.exists() and root.is_dir() and any(root.iterdir()):
        raise NotebookMisuse(f"{root} holds files but {journal} does not exist; give an empty folder, or seed files.")

"""The notebook as a scaffold's code sees it: the file operations, and a limit on what may be written."""

from collections.abc import Collection
from typing import Protocol

from memory_fs import MemoryResult
from scaffolds.scaffold_code import BrokenPromise


class NotebookView(Protocol):
    """What hooks and operations may do with the notebook; the methods are those of `memory_fs.MemoryFS`.

    Arguments and results are plain data. A refusal of the notebook (bad name, over quota) is a result with outcome
    `rejected`, not an exception.
    """

    def search(self, file: str, keyword: str) -> MemoryResult:
        """The lines of a file that hold the keyword."""

    def read(self, file: str) -> MemoryResult:
        """A whole file."""

    def tail(self, file: str, lines: int) -> MemoryResult:
        """The last lines of a file."""

    def count(self, file: str, keyword: str) -> MemoryResult:
        """How many lines of a file hold the keyword."""

    def append(self, file: str, text: str) -> MemoryResult:
        """Add lines at the end of a file."""

    def write(self, file: str, text: str) -> MemoryResult:
        """Replace a whole file."""

    def create(self, file: str) -> MemoryResult:
        """Make an empty file."""

    def upsert(self, file: str, key: str, text: str) -> MemoryResult:
        """Set the one line of a file that belongs to a key."""

    def index(self) -> dict[str, int]:
        """File names and their line counts."""


class GuardedNotebook:
    """A notebook of which only `writable` files may be written (None: all); `rule` is the sentence that says why."""

    def __init__(self, notebook: NotebookView, writable: Collection[str] | None, rule: str = "") -> None:
        self.broken = ""
        """What was attempted against the rule; catching the exception does not undo the attempt."""
        self._notebook = notebook
        self._writable = writable
        self._rule = rule
        self.search, self.read, self.tail = notebook.search, notebook.read, notebook.tail
        self.count, self.index = notebook.count, notebook.index

    def append(self, file: str, text: str) -> MemoryResult:
        """Add lines at the end of a file."""
        return self._open(file).append(file, text)

    def write(self, file: str, text: str) -> MemoryResult:
        """Replace a whole file."""
        return self._open(file).write(file, text)

    def create(self, file: str) -> MemoryResult:
        """Make an empty file."""
        return self._open(file).create(file)

    def upsert(self, file: str, key: str, text: str) -> MemoryResult:
        """Set the one line of a file that belongs to a key."""
        return self._open(file).upsert(file, key, text)

    def check(self) -> None:
        """The code is done: BrokenPromise if it went against the rule."""
        if self.broken:
            raise BrokenPromise(self.broken)

    def _open(self, file: str) -> NotebookView:
        if self._writable is not None and file not in self._writable:
            self.broken = f"{file!r:.200} may not be written here: {self._rule}"
            raise BrokenPromise(self.broken)
        return self._notebook

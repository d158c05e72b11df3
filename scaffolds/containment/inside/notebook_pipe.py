"""The notebook as contained code has it: each operation is a request to the parent, who carries it out or refuses."""

from collections.abc import Callable
from typing import Any

from memory_fs import MemoryResult, Outcome, RejectionCode, Source
from scaffolds.scaffold_code import BrokenPromise


class NotebookPipe:
    """A NotebookView. `ask` sends a request and returns the parent's reply."""

    def __init__(self, ask: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
        self._ask = ask

    def search(self, file: str, keyword: str) -> MemoryResult:
        """The lines of a file that hold the keyword."""
        return self._result("search", file, keyword)

    def read(self, file: str) -> MemoryResult:
        """A whole file."""
        return self._result("read", file)

    def tail(self, file: str, lines: int) -> MemoryResult:
        """The last lines of a file."""
        return self._result("tail", file, lines)

    def count(self, file: str, keyword: str) -> MemoryResult:
        """How many lines of a file hold the keyword."""
        return self._result("count", file, keyword)

    def append(self, file: str, text: str) -> MemoryResult:
        """Add lines at the end of a file."""
        return self._result("append", file, text)

    def write(self, file: str, text: str) -> MemoryResult:
        """Replace a whole file."""
        return self._result("write", file, text)

    def create(self, file: str) -> MemoryResult:
        """Make an empty file."""
        return self._result("create", file)

    def upsert(self, file: str, key: str, text: str) -> MemoryResult:
        """Set the one line of a file that belongs to a key."""
        return self._result("upsert", file, key, text)

    def index(self) -> dict[str, int]:
        """File names and their line counts."""
        return dict(self._reply("index"))

    def _reply(self, operation: str, *arguments: object) -> dict[str, Any]:
        reply = self._ask({"ask": operation, "arguments": arguments})
        if "refused" in reply:
            raise BrokenPromise(reply["refused"])
        return dict(reply["result"])

    def _result(self, operation: str, *arguments: object) -> MemoryResult:
        facts = self._reply(operation, *arguments)
        return MemoryResult(
            **{
                **facts,
                "outcome": Outcome(facts["outcome"]),
                "lines": tuple(facts["lines"]),
                "provenance": tuple(Source(*source) for source in facts["provenance"]),
                "code": RejectionCode(facts["code"]) if facts["code"] else None,
            }
        )

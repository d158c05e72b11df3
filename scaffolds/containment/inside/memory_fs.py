"""`memory_fs` as contained code imports it: results, but no notebook; that one stays with the parent."""

from memory_fs.results import MemoryResult, Outcome, RejectionCode, Source

__all__ = ["MemoryResult", "NotebookFailure", "Outcome", "RejectionCode", "Source"]


class NotebookFailure(RuntimeError):
    """The machine's failure. It is never raised in here: it ends the call on the other side of the pipe."""

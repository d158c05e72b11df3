"""`memory_fs` as contained code imports it: results, but no notebook, which stays with the parent."""

from memory_fs.results import MemoryResult, Outcome, RejectionCode, Source

__all__ = ["MemoryResult", "NotebookFailure", "Outcome", "RejectionCode", "Source"]


class NotebookFailure(RuntimeError):
    """The machine's failure. Never raised here: it ends the call in the parent."""

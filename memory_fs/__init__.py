"""The notebook of an episode: the text files an agent keeps, and their whole history."""

from memory_fs.arms import OneFile, OthersNotebook, RankedLog
from memory_fs.journal import NotebookFailure
from memory_fs.names import Limits, NotebookMisuse
from memory_fs.notebook import MemoryFS, fork, seeded
from memory_fs.replay import files_at
from memory_fs.results import MemoryResult, Outcome, RejectionCode, Source

__all__ = [
    "Limits",
    "MemoryFS",
    "MemoryResult",
    "NotebookFailure",
    "NotebookMisuse",
    "OneFile",
    "OthersNotebook",
    "Outcome",
    "RankedLog",
    "RejectionCode",
    "Source",
    "files_at",
    "fork",
    "seeded",
]

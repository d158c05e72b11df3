"""The schema of operations: every memory operation and world action, and the dialects that models write them in."""

from tools.dialect import DIALECT_NAMES, Dialect, UnknownDialect, dialect
from tools.memory_operations import MEMORY_OPERATIONS
from tools.operation import DONE, Kind, Operation, act_operation
from tools.reading import Call, Mistake, MistakeCode, Reading, Reply
from tools.schema import Vocabulary, VocabularyError

__all__ = [
    "DIALECT_NAMES",
    "DONE",
    "MEMORY_OPERATIONS",
    "Call",
    "Dialect",
    "Kind",
    "Mistake",
    "MistakeCode",
    "Operation",
    "Reading",
    "Reply",
    "UnknownDialect",
    "Vocabulary",
    "VocabularyError",
    "act_operation",
    "dialect",
]

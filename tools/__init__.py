"""The one schema: every memory operation and world action, and the dialects a model speaks it in."""

from tools.dialect import DIALECT_NAMES, Dialect, UnknownDialect, dialect
from tools.memory_operations import MEMORY_OPERATIONS
from tools.operation import Kind, Operation
from tools.reading import Call, Mistake, MistakeCode, Reading, Reply
from tools.schema import Vocabulary, VocabularyError
from tools.world_action import DONE, act_operation

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

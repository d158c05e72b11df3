"""A scaffold's own operations: what operations.py declares, with a checked argument model."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, create_model
from pydantic_core import SchemaError

from memory_fs import MemoryFS, MemoryResult
from scaffolds.faults import ScaffoldError
from scaffolds.operations import Declaration, declarations
from scaffolds.scaffold_code import ScaffoldCode
from tools import DONE, MEMORY_OPERATIONS, Kind, Operation, Vocabulary, VocabularyError

Run = Callable[[MemoryFS, Mapping[str, Any]], MemoryResult]


def read_operations(code: ScaffoldCode) -> tuple[Operation, ...]:
    """The operations of a trusted operations.py, which run in this process. ScaffoldError names a fault's line."""
    return tuple(own_operation(code.path, one) for one in declarations(code))


def own_operation(path: Path, declared: Declaration) -> Operation:
    """The operation that `path` declares. ScaffoldError if no vocabulary could hold it."""
    name, line = declared.name, declared.line
    if name in (*MEMORY_OPERATIONS, DONE.name, "act"):
        raise ScaffoldError(f"there is an operation {name!r} already: choose another name", path, line)
    fields: dict[str, Any] = {argument: (hint, ...) for argument, hint in declared.arguments.items()}
    try:
        model = create_model(name, __config__=ConfigDict(extra="forbid", frozen=True), **fields)
        operation = Operation(name, Kind(declared.kind), model, declared.help, _executor(name, declared.run))
        Vocabulary("LOG", [operation])
    except VocabularyError as error:
        raise ScaffoldError(str(error), path, line) from error
    except (NameError, TypeError, ValueError, SchemaError) as error:
        raise ScaffoldError(f"the arguments of operation {name} cannot be used: {error}", path, line) from error
    return operation


def rebound(operation: Operation, run: Run) -> Operation:
    """The same operation, carried out by `run`."""
    return replace(operation, run=_executor(operation.name, run))


def _executor(name: str, run: Run) -> Callable[[MemoryFS, BaseModel], MemoryResult]:
    def carry_out(notebook: MemoryFS, arguments: BaseModel) -> MemoryResult:
        result = run(notebook, dict(arguments))
        text = _cut(result.text, notebook.limits.result_chars)
        return replace(result, operation=name, text=text, revision=notebook.revision)

    return carry_out


def _cut(text: str, most: int) -> str:
    """Limit a result to the notebook's own length: an operation may join several."""
    mark = "\n… (cut here)"
    return text if len(text) <= most else text[: most - len(mark)] + mark

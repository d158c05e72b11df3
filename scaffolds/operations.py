"""New operations of a scaffold: typed functions over the notebook, read from its operations.py.

    @operation(kind="record")
    def upsert_map(notebook: NotebookView, coordinate: str, description: str) -> MemoryResult:
        \"\"\"Set the one line that describes a coordinate.\"\"\"
        return notebook.upsert("map_notes.md", coordinate, description)

The function's name is the operation's, its docstring the one line of help the model reads, its parameters after the
notebook are the arguments, in the order of the tag form; an argument may carry a description:
`Annotated[str, Field(description="…")]`. A `recall` cannot write. To answer the model's mistake, return
`refused("…")`; what breaks becomes a HookFailure.
Operations keep nothing between calls: the notebook is their only memory.
"""

import inspect
from collections.abc import Callable
from dataclasses import replace
from types import FunctionType
from typing import Any, Literal, TypeVar, get_type_hints

from pydantic import BaseModel, ConfigDict, create_model

from memory_fs import MemoryFS, MemoryResult, Outcome
from scaffolds.faults import ScaffoldError
from scaffolds.notebook_view import DirectNotebook, NotebookView
from scaffolds.scaffold_code import BrokenPromise, ScaffoldCode
from tools import DONE, MEMORY_OPERATIONS, Kind, Operation, Vocabulary, VocabularyError

__all__ = ["NotebookView", "operation", "read_operations", "refused"]

_F = TypeVar("_F", bound=Callable[..., MemoryResult])
_KIND = "__operation_kind__"
_ARGUMENT_TYPES = "str, int, float, bool or Literal[…]"


def operation(*, kind: Literal["recall", "record"]) -> Callable[[_F], _F]:
    """Mark a function of operations.py as an operation: `recall` reads the notebook, `record` writes it."""
    if kind not in ("recall", "record"):
        raise ValueError(f'an operation is of kind "recall" or "record", not {kind!r}')

    def mark(function: _F) -> _F:
        setattr(function, _KIND, kind)
        return function

    return mark


def refused(sentence: str) -> MemoryResult:
    """A result that tells the model what was wrong with its arguments."""
    return MemoryResult(operation="", outcome=Outcome.REJECTED, text=sentence)


def read_operations(code: ScaffoldCode) -> tuple[Operation, ...]:
    """The operations of an operations.py, in the order written. Runs the file; ScaffoldError names a fault's line."""
    functions = [value for value in vars(code.run()).values() if code.is_home_of(value)]
    operations = []
    for function in functions:
        line = function.__code__.co_firstlineno
        if hasattr(function, _KIND):
            operations.append(_read_operation(code, function, line))
        elif not function.__name__.startswith("_"):
            problem = (
                f'{function.__name__} is not marked @operation(kind="…") (what is your own begins with an underscore)'
            )
            raise ScaffoldError(problem, code.path, line)
    if not operations:
        raise ScaffoldError(
            "operations.py defines no operation: delete it, or mark functions with @operation", code.path
        )
    return tuple(operations)


def _read_operation(code: ScaffoldCode, function: FunctionType, line: int) -> Operation:
    name = function.__name__
    help_text = (function.__doc__ or "").strip()
    if not help_text or "\n" in help_text:
        raise ScaffoldError(
            f"operation {name} needs a docstring of one line: the model reads it as help", code.path, line
        )
    try:
        hints = get_type_hints(function, include_extras=True)
        parameters = list(inspect.signature(function).parameters.values())
    except (NameError, TypeError) as error:
        raise ScaffoldError(f"the types of operation {name} cannot be read: {error}", code.path, line) from error
    if not parameters or hints.get(parameters[0].name) is not NotebookView or hints.get("return") is not MemoryResult:
        form = f"def {name}(notebook: NotebookView, …) -> MemoryResult"
        raise ScaffoldError(f"an operation is written {form}", code.path, line)
    kind = Kind(getattr(function, _KIND))
    read = Operation(
        name=name,
        kind=kind,
        arguments=_argument_model(code, name, parameters[1:], hints, line),
        help=help_text,
        run=_runner(code, function, kind),
    )
    _check_name(code, read, line)
    return read


def _check_name(code: ScaffoldCode, read: Operation, line: int) -> None:
    if read.name in (*MEMORY_OPERATIONS, DONE.name, "act"):
        raise ScaffoldError(f"there is an operation {read.name!r} already: choose another name", code.path, line)
    try:
        Vocabulary("LOG", [read])
    except VocabularyError as error:
        raise ScaffoldError(str(error), code.path, line) from error


def _argument_model(
    code: ScaffoldCode, name: str, parameters: list[inspect.Parameter], hints: dict[str, Any], line: int
) -> type[BaseModel]:
    fields: dict[str, Any] = {}
    for parameter in parameters:
        what = f"argument {parameter.name!r} of operation {name}"
        if parameter.kind is not inspect.Parameter.POSITIONAL_OR_KEYWORD or parameter.default is not parameter.empty:
            raise ScaffoldError(f"{what} must be plain: no default, no *, no /", code.path, line)
        hint = hints.get(parameter.name)
        bare = getattr(hint, "__origin__", hint)
        if bare not in (str, int, float, bool) and getattr(bare, "__origin__", bare) is not Literal:
            raise ScaffoldError(f"{what} needs a type: {_ARGUMENT_TYPES}", code.path, line)
        fields[parameter.name] = (hint, ...)
    try:
        return create_model(name, __config__=ConfigDict(extra="forbid", frozen=True), **fields)
    except (NameError, TypeError, ValueError) as error:
        raise ScaffoldError(f"the arguments of operation {name} cannot be used: {error}", code.path, line) from error


def _runner(code: ScaffoldCode, function: FunctionType, kind: Kind) -> Callable[[MemoryFS, BaseModel], MemoryResult]:
    name = function.__name__
    writable = None if kind is Kind.RECORD else frozenset[str]()
    rule = f'{name} is of kind "{kind.value}"'

    def run(notebook: MemoryFS, arguments: BaseModel) -> MemoryResult:
        with code.blamed(f"operation {name}"):
            result = function(DirectNotebook(notebook, writable, rule), **dict(arguments))
            if not isinstance(result, MemoryResult):
                raise BrokenPromise(f"it must return a MemoryResult, not {result!r:.200}")
            return replace(result, operation=name, revision=notebook.revision)

    return run

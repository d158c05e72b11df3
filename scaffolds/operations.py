"""New operations of a scaffold: typed functions over the notebook, read from its operations.py.

    @operation(kind="record")
    def upsert_map(notebook: NotebookView, coordinate: str, description: str) -> MemoryResult:
        \"\"\"Set the one line that describes a coordinate.\"\"\"
        return notebook.upsert("map_notes.md", coordinate, description)

The function's name is the operation's, its docstring the one line of help the model reads, its parameters after the
notebook are the arguments, in the order of the tag form; an argument may carry a description:
`Annotated[str, Field(description="…")]`. A `recall` cannot write. To answer the model's mistake, return
`refused("…")`; an exception becomes a HookFailure.
Operations keep nothing between calls: the notebook is their only memory.

This file imports the standard library only: it runs in contained processes too. `own_operations` turns declarations
into operations of a vocabulary.
"""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import FunctionType
from typing import Any, Literal, TypeVar, get_args, get_type_hints

from memory_fs import MemoryResult, Outcome
from scaffolds.faults import ScaffoldError
from scaffolds.notebook_view import GuardedNotebook, NotebookView
from scaffolds.scaffold_code import BrokenPromise, ScaffoldCode

__all__ = ["Declaration", "NotebookView", "declarations", "operation", "refused"]

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
    """A result that names the fault in the model's arguments."""
    return MemoryResult(operation="", outcome=Outcome.REJECTED, text=sentence)


@dataclass(frozen=True, slots=True)
class Declaration:
    """An operation as its function declares it."""

    name: str
    kind: Literal["recall", "record"]
    help: str
    line: int
    """Its line in operations.py."""
    arguments: Mapping[str, Any]
    """Type hint of each argument, in the order of the tag form."""
    run: Callable[[NotebookView, Mapping[str, Any]], MemoryResult]
    """Runs it on arguments of those types. What breaks is a HookFailure."""


def declarations(code: ScaffoldCode) -> tuple[Declaration, ...]:
    """The operations of an operations.py, in the order written. Runs the file; ScaffoldError names a fault's line."""
    functions = [value for value in vars(code.run()).values() if code.is_home_of(value)]
    found = []
    for function in functions:
        line = function.__code__.co_firstlineno
        if hasattr(function, _KIND):
            found.append(_declaration(code, function, line))
        elif not function.__name__.startswith("_"):
            problem = (
                f'{function.__name__} is not marked @operation(kind="…") (what is your own begins with an underscore)'
            )
            raise ScaffoldError(problem, code.path, line)
    if not found:
        raise ScaffoldError(
            "operations.py defines no operation: delete it, or mark functions with @operation", code.path
        )
    return tuple(found)


def guarded(notebook: NotebookView, name: str, kind: str) -> GuardedNotebook:
    """The notebook for an operation of this kind: only a record may write."""
    return GuardedNotebook(notebook, None if kind == "record" else frozenset(), f'{name} is of kind "{kind}"')


def _declaration(code: ScaffoldCode, function: FunctionType, line: int) -> Declaration:
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
    kind: Literal["recall", "record"] = getattr(function, _KIND)
    arguments = {one.name: _hint(code, name, one, hints, line) for one in parameters[1:]}
    return Declaration(name, kind, help_text, line, arguments, _runner(code, function, kind))


def _hint(code: ScaffoldCode, name: str, parameter: inspect.Parameter, hints: dict[str, Any], line: int) -> Any:
    what = f"argument {parameter.name!r} of operation {name}"
    if parameter.kind is not inspect.Parameter.POSITIONAL_OR_KEYWORD or parameter.default is not parameter.empty:
        raise ScaffoldError(f"{what} must be plain: no default, no *, no /", code.path, line)
    hint: Any = hints.get(parameter.name)
    bare = hint.__origin__ if hasattr(hint, "__metadata__") else hint
    choices = get_args(bare) if getattr(bare, "__origin__", None) is Literal else ()
    if bare not in (str, int, float, bool) and not (choices and all(isinstance(one, str | int) for one in choices)):
        raise ScaffoldError(f"{what} needs a type: {_ARGUMENT_TYPES}", code.path, line)
    return hint


def _runner(
    code: ScaffoldCode, function: FunctionType, kind: Literal["recall", "record"]
) -> Callable[[NotebookView, Mapping[str, Any]], MemoryResult]:
    name = function.__name__

    def run(notebook: NotebookView, arguments: Mapping[str, Any]) -> MemoryResult:
        with code.blamed(f"operation {name}"):
            shown = guarded(notebook, name, kind)
            result = function(shown, **arguments)
            shown.check()
            if not isinstance(result, MemoryResult):
                raise BrokenPromise(f"it must return a MemoryResult, not {result!r:.200}")
            return result

    return run

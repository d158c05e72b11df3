"""What a foreign scaffold's code declares, read by running it in a contained process."""

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from memory_fs import MemoryResult
from scaffolds.containment.bubblewrap import CannotContain, refusal
from scaffolds.containment.conversation import Broke, ContainedCalls, sent
from scaffolds.containment.wire import Bounds, Stopped
from scaffolds.faults import ScaffoldError
from scaffolds.notebook_view import NotebookView
from scaffolds.operations import Declaration
from scaffolds.own_operations import own_operation
from scaffolds.scaffold_code import ScaffoldCode
from tools import Operation

_Scalar = str | int | float | bool | None
_FIELD_SETTINGS = frozenset(
    ("description", "title", "ge", "gt", "le", "lt", "multiple_of", "min_length", "max_length", "pattern", "strict")
)
"""Settings of `Field` that contained code may use."""
_TYPES: dict[str, Any] = {"str": str, "int": int, "float": float, "bool": bool}


class Declared(NamedTuple):
    """The hooks of hooks.py, and the operations of operations.py, which run once an episode binds them."""

    entry_points: frozenset[str]
    operations: tuple[Operation, ...]


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class _Argument(_Table):
    name: Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_]{0,63}$")]
    type: Literal["str", "int", "float", "bool"] | None
    choices: Annotated[list[str | int | bool], Field(max_length=100)]
    fields: Annotated[list[dict[str, _Scalar]], Field(max_length=10)]


class _Operation(_Table):
    name: Annotated[str, Field(max_length=100)]
    kind: Literal["recall", "record"]
    help: Annotated[str, Field(min_length=1, max_length=1_000, pattern=r"^[^\n]+$")]
    line: Annotated[int, Field(ge=1)]
    arguments: Annotated[list[_Argument], Field(max_length=20)]


class _Declared(_Table):
    entry_points: list[Literal["observe", "maintain", "act"]]
    operations: Annotated[list[_Operation], Field(max_length=50)]


def declared(code: Mapping[str, ScaffoldCode], bounds: Bounds, modules: tuple[str, ...]) -> Declared:
    """What the code, which may import `modules`, declares.

    ScaffoldError names file and line of a fault, or says why the code cannot be contained.
    """
    return _declared(tuple((name, one.path, one.source) for name, one in code.items()), bounds, modules)


@lru_cache(maxsize=16)  # a scaffold is loaded for every episode
def _declared(files: tuple[tuple[str, Path, str], ...], bounds: Bounds, modules: tuple[str, ...]) -> Declared:
    code = {name: ScaffoldCode(path, source) for name, path, source in files}
    folder = files[0][1].parent
    try:
        calls = ContainedCalls(bounds, modules)
    except CannotContain as error:
        raise ScaffoldError(refusal(error, code), folder) from error
    try:
        found = _Declared.model_validate(calls.ask("declare", {"code": sent(code)}))
    except Broke as broke:
        path = code[broke.file].path if broke.file in code else folder
        raise ScaffoldError(broke.what, path, broke.line if broke.file in code else None) from None
    except Stopped as stopped:
        raise ScaffoldError(f"running its code ({', '.join(code)}) in a container: {stopped}", folder) from None
    except ValidationError:
        raise ScaffoldError("its contained process declares something invalid", folder) from None
    finally:
        calls.close()
    operations = tuple(own_operation(code["operations.py"].path, _read(one)) for one in found.operations)
    return Declared(frozenset(found.entry_points), operations)


def _read(one: _Operation) -> Declaration:
    arguments = {argument.name: _hint(argument) for argument in one.arguments}
    return Declaration(one.name, one.kind, one.help, one.line, arguments, _unbound)


def _hint(argument: _Argument) -> Any:
    bare = Literal[tuple(argument.choices)] if argument.type is None else _TYPES[argument.type]
    settings = [Field(**_field_settings(one)) for one in argument.fields]
    return Annotated[(bare, *settings)] if settings else bare


def _field_settings(given: Mapping[str, _Scalar]) -> dict[str, Any]:
    return {name: value for name, value in given.items() if name in _FIELD_SETTINGS}


def _unbound(notebook: NotebookView, arguments: Mapping[str, Any]) -> MemoryResult:
    raise RuntimeError("contained operations run in an episode's process: give its hooks to Scaffold.vocabulary")

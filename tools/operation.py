"""What an operation is: one thing a model can do to its notebook or to the world, described once for every dialect."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel

if TYPE_CHECKING:
    from memory_fs import MemoryFS, MemoryResult

ACT = "act"
DONE = "done"


class Kind(StrEnum):
    """What an operation does: recalls from the notebook, records in it, acts on the world, or controls the routine."""

    RECALL = "recall"
    RECORD = "record"
    WORLD = "world"
    CONTROL = "control"


@dataclass(frozen=True)
class Operation:
    """One operation of the schema.

    `arguments` is a flat pydantic model; its field order is the order of the arguments in a tag. `help` is one line.
    `run` takes the notebook and validated arguments and answers with a result, never raising on what a model wrote;
    it is None for `act` and `done`, which the graph carries out itself.
    """

    name: str
    kind: Kind
    arguments: type[BaseModel]
    help: str
    run: "Callable[[MemoryFS, Any], MemoryResult] | None" = None

    @cached_property
    def fields(self) -> tuple[str, ...]:
        """The argument names, in the order of the tag."""
        return tuple(self.arguments.model_fields)

    @cached_property
    def required(self) -> int:
        """How many arguments have no default; they come first."""
        return sum(field.is_required() for field in self.arguments.model_fields.values())

    @cached_property
    def tag(self) -> str:
        """The word between the pipes of a tag: ACTION for `act`, as the paper has it, else the name in capitals."""
        return "ACTION" if self.name == ACT else self.name.upper()

    @cached_property
    def carries_text(self) -> bool:
        """Whether the last argument is text of any number of lines, as in `append`; all else is one line."""
        if self.kind is not Kind.RECORD or len(self.fields) < 2:
            return False
        return self.arguments.model_fields[self.fields[-1]].annotation is str

    @property
    def ends_routine(self) -> bool:
        """Whether nothing after this operation in the same message is carried out."""
        return self.kind in (Kind.WORLD, Kind.CONTROL)

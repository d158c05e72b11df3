"""What an operation is, and the two that end a routine: `done` ends LOG, `act` commits the one world action of PLAN."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, create_model
from pydantic.config import JsonDict

if TYPE_CHECKING:
    from memory_fs import MemoryFS, MemoryResult

ACT = "act"


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


class Arguments(BaseModel):
    """Base of the argument models: flat, closed, unchangeable."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class DoneArguments(Arguments):
    """`done` takes no arguments."""


DONE = Operation("done", Kind.CONTROL, DoneArguments, "Nothing more to record: end this routine.")


def act_operation(actions: Iterable[str]) -> Operation:
    """The operation that sends one action to the world.

    `actions` are the world's action names, shown to the model as an enumeration. Any other text still reads as a call:
    whether it is one of the world's actions, or can be repaired into one, is for the graph to decide.
    """
    return _act_operation(tuple(actions))


@lru_cache(maxsize=64)  # one per world and task; building a pydantic model costs about a millisecond
def _act_operation(names: tuple[str, ...]) -> Operation:
    shown: JsonDict = {"enum": list(names)} if names else {}
    action = Field(min_length=1, description="The world action to take now.", json_schema_extra=shown)
    arguments = create_model("ActArguments", __base__=Arguments, action=(Annotated[str, action], ...))
    return Operation(ACT, Kind.WORLD, arguments, "Take one action in the world and end this routine.")

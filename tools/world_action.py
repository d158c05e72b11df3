"""How a routine ends: `done` closes LOG, `act` commits the one world action of PLAN. The graph carries out both."""

from collections.abc import Iterable
from functools import lru_cache
from typing import Annotated

from pydantic import Field, create_model
from pydantic.config import JsonDict

from tools.memory_operations import Arguments
from tools.operation import ACT, Kind, Operation
from tools.operation import DONE as DONE_NAME


class DoneArguments(Arguments):
    """`done` takes no arguments."""


DONE = Operation(DONE_NAME, Kind.CONTROL, DoneArguments, "Nothing more to record: end this routine.")


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

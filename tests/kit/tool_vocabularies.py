"""Vocabularies like those of a first scaffold, and a scaffold's own operation, for tests that need a schema."""

from pydantic import Field

from memory_fs import MemoryFS, MemoryResult
from tools import DONE, MEMORY_OPERATIONS, Kind, Operation, Vocabulary, act_operation
from tools.operation import Arguments

ACTIONS = (
    *("Noop", "Move West", "Move East", "Move North", "Move South", "Do", "Sleep"),
    *("Place Stone", "Place Table", "Place Furnace", "Place Plant"),
    *("Make Wood Pickaxe", "Make Stone Pickaxe", "Make Iron Pickaxe"),
    *("Make Wood Sword", "Make Stone Sword", "Make Iron Sword"),
)
RECALLS = tuple(MEMORY_OPERATIONS[name] for name in ("search", "read", "tail", "count"))
RECORDS = tuple(MEMORY_OPERATIONS[name] for name in ("append", "write", "create"))
LOG = Vocabulary("LOG", (*RECALLS, *RECORDS, DONE))
PLAN = Vocabulary("PLAN", (*RECALLS, act_operation(ACTIONS)))


class UpsertMapArguments(Arguments):
    """Arguments of a scaffold's own operation."""

    coordinate: str = Field(min_length=1, description="x,y")
    description: str = Field(description="What is there.")


def _upsert_map(notebook: MemoryFS, arguments: UpsertMapArguments) -> MemoryResult:
    return notebook.upsert("map.md", arguments.coordinate, arguments.description)


UPSERT_MAP = Operation("upsert_map", Kind.RECORD, UpsertMapArguments, "Set the line of a coordinate.", _upsert_map)
EVOLVED_LOG = Vocabulary("LOG", (*RECALLS, *RECORDS, MEMORY_OPERATIONS["upsert"], UPSERT_MAP, DONE))
EVOLVED_PLAN = Vocabulary("PLAN", PLAN.operations, elsewhere={"upsert_map": UPSERT_MAP})

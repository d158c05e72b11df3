"""The notebook's operations: argument models, one-line helps and executors that pass the arguments to the notebook."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from tools.operation import Arguments, Kind, Operation

if TYPE_CHECKING:
    from memory_fs import MemoryFS, MemoryResult

FileName = Annotated[str, Field(min_length=1, description="Name of a notebook file, for example map_notes.md.")]
Keyword = Annotated[str, Field(min_length=1, description="Text to look for; upper and lower case are the same.")]


class SearchArguments(Arguments):
    """Arguments of `search` and `count`."""

    file: FileName
    keyword: Keyword


class FileArguments(Arguments):
    """Arguments of `read` and `create`."""

    file: FileName


class TailArguments(Arguments):
    """Arguments of `tail`."""

    file: FileName
    lines: Annotated[int, Field(ge=1, description="How many lines from the end.")]


class AppendArguments(Arguments):
    """Arguments of `append`."""

    file: FileName
    text: Annotated[str, Field(description="What to add at the end, one or more lines.")]


class WriteArguments(Arguments):
    """Arguments of `write`."""

    file: FileName
    text: Annotated[str, Field(description="The whole new content of the file.")]


class UpsertArguments(Arguments):
    """Arguments of `upsert`."""

    file: FileName
    key: Annotated[str, Field(min_length=1, description="What the line is about; a file holds one line per key.")]
    text: Annotated[str, Field(description="What to note under the key.")]


def _search(notebook: "MemoryFS", arguments: SearchArguments) -> "MemoryResult":
    return notebook.search(arguments.file, arguments.keyword)


def _read(notebook: "MemoryFS", arguments: FileArguments) -> "MemoryResult":
    return notebook.read(arguments.file)


def _tail(notebook: "MemoryFS", arguments: TailArguments) -> "MemoryResult":
    return notebook.tail(arguments.file, arguments.lines)


def _count(notebook: "MemoryFS", arguments: SearchArguments) -> "MemoryResult":
    return notebook.count(arguments.file, arguments.keyword)


def _append(notebook: "MemoryFS", arguments: AppendArguments) -> "MemoryResult":
    return notebook.append(arguments.file, arguments.text)


def _write(notebook: "MemoryFS", arguments: WriteArguments) -> "MemoryResult":
    return notebook.write(arguments.file, arguments.text)


def _create(notebook: "MemoryFS", arguments: FileArguments) -> "MemoryResult":
    return notebook.create(arguments.file)


def _upsert(notebook: "MemoryFS", arguments: UpsertArguments) -> "MemoryResult":
    return notebook.upsert(arguments.file, arguments.key, arguments.text)


SEARCH = Operation("search", Kind.RECALL, SearchArguments, "Show the lines of a file that contain a keyword.", _search)
READ = Operation("read", Kind.RECALL, FileArguments, "Show a file.", _read)
TAIL = Operation("tail", Kind.RECALL, TailArguments, "Show the last lines of a file.", _tail)
COUNT = Operation("count", Kind.RECALL, SearchArguments, "Count the lines of a file that contain a keyword.", _count)
APPEND = Operation("append", Kind.RECORD, AppendArguments, "Add text at the end of a file.", _append)
WRITE = Operation("write", Kind.RECORD, WriteArguments, "Replace the whole content of a file.", _write)
CREATE = Operation("create", Kind.RECORD, FileArguments, "Start a new empty file.", _create)
UPSERT = Operation("upsert", Kind.RECORD, UpsertArguments, "Set the one line of a file that belongs to a key.", _upsert)

MEMORY_OPERATIONS: Mapping[str, Operation] = MappingProxyType(
    {operation.name: operation for operation in (SEARCH, READ, TAIL, COUNT, APPEND, WRITE, CREATE, UPSERT)},
)
"""The notebook's operations by name, recalls first, in the order prompts show them."""

"""The dataset of a memory specialist: JSON lines, one conversation each, read as a stream.

    {"id": "…", "messages": [{"role": "system|user|assistant", "content": "…"}, …], "certificate": {…} | null}

An optional system message, then user and assistant in turn, ending with assistant; see README.md of this folder.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Literal, NoReturn

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from training import TrainingError, TrainingFailure


class Message(BaseModel):
    """One message, as the model saw or wrote it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    role: Literal["system", "user", "assistant"]
    content: str


class Example(BaseModel):
    """One routine's conversation."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str = Field(min_length=1)
    messages: tuple[Message, ...]
    certificate: dict[str, Any] | None = None
    """Which traced turn it was made from (`training.certificate`); None in a dataset that was not made from traces."""

    @model_validator(mode="after")
    def _check_turns(self) -> Example:
        roles = [message.role for message in self.messages]
        first = 1 if roles[:1] == ["system"] else 0
        turns = roles[first:]
        for index, role in enumerate(turns):
            expected = "assistant" if index % 2 else "user"
            if role != expected:
                raise ValueError(f"message {first + index + 1} is of {role}, {expected} was expected")
        if not turns or turns[-1] != "assistant":
            raise ValueError("the conversation does not end with assistant")
        blank = [n for n, m in enumerate(self.messages, 1) if m.role == "assistant" and not m.content.strip()]
        if blank:
            raise ValueError(f"message {blank[0]}, of assistant, is empty")
        return self


def read_dataset(path: Path) -> Iterator[Example]:
    """Yield the examples in order. TrainingError names file and line of an invalid one; blank lines are skipped."""
    seen: dict[str, int] = {}
    try:
        with path.open("rb") as lines:
            for number, line in enumerate(lines, 1):
                if not line.strip():
                    continue
                try:
                    example = Example.model_validate_json(line)
                except ValidationError as error:
                    _refuse(path, number, sentence(error))
                if example.id in seen:
                    _refuse(path, number, f"the id {example.id!r} is already used in line {seen[example.id]}")
                seen[example.id] = number
                yield example
    except OSError as error:
        raise TrainingError(f"The dataset {path} cannot be read: {error.strerror}.") from error
    if not seen:
        raise TrainingError(f"The dataset {path} is empty: it needs at least one example, one JSON object a line.")


def write_dataset(path: Path, examples: Iterable[Example]) -> int:
    """Write the examples, all of them or none; return how many. TrainingFailure when the disk refuses."""
    temporary = path.with_name(f"{path.name}.tmp")
    count = 0
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with temporary.open("w", encoding="utf-8") as file:
            for example in examples:
                file.write(example.model_dump_json() + "\n")
                count += 1
        temporary.replace(path)
    except OSError as error:
        raise TrainingFailure(f"The dataset {path} cannot be written: {error.strerror}.") from error
    return count


def dataset_digest(path: Path) -> str:
    """SHA-256 of the file, in hexadecimal. TrainingError when it cannot be read."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise TrainingError(f"The dataset {path} cannot be read: {error.strerror}.") from error


def sentence(error: ValidationError) -> str:
    """The first fault of a pydantic model, as part of a sentence: where in it, and what."""
    fault = error.errors(include_url=False, include_context=False)[0]
    where = ".".join(str(part) for part in fault["loc"])
    what = fault["msg"].removeprefix("Value error, ")
    return f"{where}: {what}" if where else what


def _refuse(path: Path, line: int, why: str) -> NoReturn:
    raise TrainingError(f"{path}:{line}: not a valid example ({why}); training/README.md shows the form.")

"""The memory operations of an episode that can be measured, and what is changed of one."""

from __future__ import annotations

import dataclasses
import tempfile
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, Literal
from zlib import crc32

from chat_models import Completion
from graphs.inner_agent.run_file import FREE, run_of
from graphs.inner_agent.session import RecordedStart
from graphs.settings import SettingsError
from memory_fs import Outcome, files_at, fork
from memory_fs.recall import nothing_found
from memory_fs.text import split
from traces import EpisodeFolder, StepRecord, TraceReader, read_run
from traces.effects import MemoryKind, measurable
from traces.plain_json import dump
from traces.records import OperationRecord


@dataclass(frozen=True, slots=True)
class MemoryOperation:
    """An operation that changed the notebook, or a recall that found something."""

    kind: MemoryKind
    step: int
    index: int
    """Its number among those of the step, from 1."""
    routine: str
    record: OperationRecord
    conversation: int
    """Which of the step's conversations holds it, from 0."""
    place: int
    """Its index among the operations of that conversation."""
    lines: int = 0
    """Of a write: its lines that later recalls showed, each time counted, by provenance. Of a recall: the lines it
    showed that were written in the episode."""

    @property
    def name(self) -> str:
        """As `--at` takes it."""
        return f"{self.step}.{self.index}"

    @property
    def first(self) -> int:
        """The first step in which the arms may differ: that of a recall, the one after a write."""
        return self.step + (self.kind == "write")


@dataclass(frozen=True, slots=True)
class Change:
    """What is different in the changed arm: the operation left out, its text replaced, or whole files given."""

    text: str | None = None
    files: Mapping[str, str] = dataclasses.field(default_factory=dict)

    @property
    def kind(self) -> Literal["drop", "edit", "file"]:
        """drop, edit or file."""
        return "file" if self.files else "drop" if self.text is None else "edit"

    @property
    def name(self) -> str:
        """Of its folder: its kind and, of texts, a number by which they differ, the same in every process."""
        content = repr((self.text, sorted(self.files.items())))
        return self.kind if self.kind == "drop" else f"{self.kind}-{crc32(content.encode()):08x}"


def operations_of(folder: EpisodeFolder, kind: MemoryKind) -> list[MemoryOperation]:
    """All writes or all recalls of an episode in their order."""
    shown: Counter[int] = Counter()
    found: list[MemoryOperation] = []
    with TraceReader(folder) as reader:
        for step in reader:
            found += [one for one in _operations(step) if one.kind == kind]
            recalled = (one for conversation in step.conversations for one in conversation.operations)
            shown.update(revision for one in recalled for _, revision in one.provenance)
    return [dataclasses.replace(one, lines=_lines(one, shown)) for one in found]


def _lines(operation: MemoryOperation, shown: Mapping[int, int]) -> int:
    if operation.kind == "write":
        return shown.get(operation.record.revision, 0)
    return sum(step > 0 for step, _ in operation.record.provenance)


def _operations(step: StepRecord) -> list[MemoryOperation]:
    places = {
        id(one): (number, place)
        for number, conversation in enumerate(step.conversations)
        for place, one in enumerate(conversation.operations)
    }
    return [
        MemoryOperation(kind, step.step, index, conversation.routine, one, *places[id(one)])
        for index, (kind, conversation, one) in enumerate(measurable(step), 1)
    ]


def find_operation(folder: EpisodeFolder, at: str) -> MemoryOperation:
    """The operation that `at` names: STEP.INDEX, or STEP where it has one write, or one recall and no write.

    SettingsError, naming those there are.
    """
    step, _, index = at.partition(".")
    if not step.isdecimal() or (index and not index.isdecimal()):
        raise SettingsError(f'"{at[:40]}" names no operation: give STEP or STEP.INDEX, such as 12 or 12.2.')
    with TraceReader(folder) as reader:
        if not 1 <= int(step) <= len(reader):
            raise SettingsError(f"{folder.path} has {len(reader)} steps, there is no step {int(step)}.")
        found = _operations(reader.step(int(step)))
    writes = [one for one in found if one.kind == "write"]
    chosen = [one for one in found if one.index == int(index)] if index else writes or found
    if len(chosen) == 1:
        return chosen[0]
    there = "; ".join(f"{one.name} {one.record.operation} {one.record.file}" for one in found) or "none"
    raise SettingsError(
        f"Step {int(step)} of {folder.path} has these writes, and recalls that found something: {there}. Name one."
    )


def recording_digest(folder: EpisodeFolder, step: int) -> str:
    """SHA-256 of what an episode was played with and recorded up to a step, that step included."""
    found = read_run(run_of(folder))
    configuration: Mapping[str, Any] = found["configuration"] if found is not None else {"settings": {}}
    settings = {name: value for name, value in configuration["settings"].items() if name not in (*FREE, "scaffold")}
    digest = sha256(dump([configuration.get("scaffold_digest"), sorted(settings.items())]))
    with TraceReader(folder) as reader:
        for number in range(1, step + 1):
            digest.update(reader.line(number))
    return digest.hexdigest()


def edited_files(folder: EpisodeFolder, write: MemoryOperation, change: Change) -> dict[str, str]:
    """The files of the notebook that the changed arm begins with, where they differ from the recorded ones."""
    if change.files:
        return dict(change.files)
    file = str(write.record.file)
    with TraceReader(folder) as reader:
        step = reader.step(write.step)
    later = [one for _, _, one in measurable(step) if one.outcome == "written"]
    if any(one.file == file and one.revision > write.record.revision for one in (*later, *step.hook_operations)):
        raise SettingsError(
            f"Another operation of step {write.step} changes {file} after {write.name}: say what the file holds "
            f"without it, with --file {file}=PATH."
        )
    before = write.record.revision - 1
    if change.text is None:
        return {file: files_at(folder.journal, before).get(file, "")}
    with tempfile.TemporaryDirectory() as place, fork(folder.journal, before, Path(place) / "memory") as other:
        other.mark(write.step, write.routine)
        arguments = write.record.arguments | {"text": change.text}
        result = getattr(other, write.record.operation)(**arguments)
        if result.outcome is not Outcome.WRITTEN:
            raise SettingsError(f"The edited {write.record.operation} would not be carried out: {result.text}")
        return {file: other.at(other.revision).get(file, "")}


def changed_answer(folder: EpisodeFolder, recall: MemoryOperation, change: Change) -> tuple[Outcome, str]:
    """What the model reads of a recall in the changed arm: the text given, or the notebook's words for finding nothing.

    SettingsError where files are given: a recall changes none.
    """
    if change.files:
        raise SettingsError(f"{recall.name} is a recall: it changes no file. Drop it, or give another answer to it.")
    if change.text is not None:
        return Outcome.HIT, change.text
    record = recall.record
    if record.operation not in ("search", "count", "read", "tail"):
        return Outcome.EMPTY, "Nothing was found."
    file = str(record.file)
    lines, _ = split(files_at(folder.journal, record.revision).get(file, ""))
    return Outcome.EMPTY, nothing_found(record.operation, file, len(lines), str(record.arguments.get("keyword", "")))


def recorded_start_of(
    folder: EpisodeFolder, recall: MemoryOperation, answer: tuple[Outcome, str] | None
) -> RecordedStart:
    """The recorded beginning of a recall's step: all replies up to the one that holds it. `answer`: in place of its
    own."""
    with TraceReader(folder) as reader:
        conversations = reader.step(recall.step).conversations[: recall.conversation + 1]
    replies = [
        Completion(
            message=conversation.messages[call.prompt_length],
            prompt_tokens=call.prompt_tokens,
            completion_tokens=call.completion_tokens,
            cached_tokens=call.cached_tokens,
            latency_s=call.latency_s,
            attempts=0,
            finish_reason=call.finish_reason,
            thoughts=call.thoughts,
        )
        for number, conversation in enumerate(conversations)
        for call in conversation.calls[: recall.record.call + 1 if number == recall.conversation else None]
    ]
    return RecordedStart(replies, recall.record, recall.place, answer)

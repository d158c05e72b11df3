"""Build a dataset with certificates from selected ids, and check a dataset against the traces.

A certificate names the traced turn of an example: episode, step, routine and conversation, the SHA-256 of the trace up
to and including that step's line (a line may refer to texts of earlier ones), and the scaffold's digest. `certify`
rebuilds every example from the trace with the rules of `postprocess` and compares all messages. So each word of a sound
dataset was sent to the model or written by it, and nothing is added or left out against the rules.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field, fields
from itertools import zip_longest
from pathlib import Path
from typing import Any

import orjson
from pydantic import ValidationError

from tools import dialect
from traces import EpisodeFolder, RunFolder, read_result
from training.dataset import Example, Message, sentence, write_dataset
from training.postprocess import Dropped, Processed, process
from training.source import CandidateId, SourceError, TraceSource

FAULTS_SHOWN = 50
"""Faults reported before the check stops; more are mostly the same fault repeated."""


@dataclass(slots=True)
class DatasetReport:
    """Counts of what became of the selected candidates; written to postprocess.json next to the dataset."""

    run: str
    selected: int = 0
    examples: int = 0
    changed: Counter[str] = field(default_factory=Counter)
    """Examples changed, by transformation."""
    dropped: Counter[str] = field(default_factory=Counter)
    """Candidates that gave no example, by reason."""
    routines: Counter[str] = field(default_factory=Counter)
    evaluation_seeds: list[int] = field(default_factory=list)
    """Seeds that no example may come from; `automem certify` reads them here."""

    def to_plain(self) -> dict[str, Any]:
        """Plain data for JSON, counts in the order of names."""
        plain = {one.name: getattr(self, one.name) for one in fields(self)}
        return {
            name: dict(sorted(value.items())) if isinstance(value, Counter) else value for name, value in plain.items()
        }


def build_dataset(
    run: RunFolder, ids: Iterable[str], out: Path, *, evaluation_seeds: Collection[int] = ()
) -> DatasetReport:
    """Write the examples of these candidates to `out` (JSON lines), in the order of episodes and steps, each once.

    Raises SourceError for an id that the run does not have, or one of an evaluation seed.
    """
    chosen = sorted({CandidateId.parse(text) for text in ids}, key=_order)
    if wrong := [which for which in chosen if which.seed in evaluation_seeds]:
        raise SourceError(f"{wrong[0]} is of an evaluation seed: those are never trained on.")
    report = DatasetReport(run=str(run.path.resolve()), evaluation_seeds=sorted(evaluation_seeds))
    with TraceSource(run) as source:
        write_dataset(out, _examples(source, chosen, report))
    report_file = out.with_name("postprocess.json")
    report_file.write_bytes(orjson.dumps(report.to_plain(), option=orjson.OPT_INDENT_2))
    return report


def _examples(source: TraceSource, chosen: Iterable[CandidateId], report: DatasetReport) -> Iterator[Example]:
    """The examples of these candidates, counted in the report."""
    prefixes = _Prefixes()
    for which in chosen:
        report.selected += 1
        made = process_turn(source, which)
        if isinstance(made, Dropped):
            report.dropped[str(made)] += 1
            continue
        report.examples += 1
        report.routines[which.routine] += 1
        report.changed.update(made.changed)
        yield Example(
            id=str(which),
            messages=tuple(Message.model_validate(message) for message in made.messages),
            certificate=_certificate(source, which, prefixes),
        )


def origin(dataset: Path, run: Path | None = None) -> tuple[RunFolder, list[int]]:
    """The run that a dataset was made from, or `run` if given, and the seeds that no example may come from.

    Both are read from postprocess.json next to the dataset. SourceError where there is no dataset, or where that file
    is unreadable, or missing and no `run` given.
    """
    if not dataset.is_file():
        raise SourceError(f"There is no dataset {dataset}.")
    report_file = dataset.with_name("postprocess.json")
    if not report_file.exists():
        if run is None:
            raise SourceError(f"The run of {dataset} is unknown: there is no {report_file} that names it; give --run.")
        return RunFolder(run), []
    try:
        report = orjson.loads(report_file.read_bytes())
        return RunFolder(run or Path(report["run"])), [int(seed) for seed in report["evaluation_seeds"]]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise SourceError(f"{report_file} cannot be read: restore it, or move it away and give --run.") from error


def certify(dataset: Path, run: RunFolder, *, evaluation_seeds: Collection[int] = ()) -> list[str]:
    """Compare every example of a dataset with the traces; return the faults, none for a sound dataset."""
    faults: list[str] = []
    seen: set[str] = set()
    with TraceSource(run) as source, dataset.open("rb") as file:
        prefixes = _Prefixes()
        for number, line in enumerate(file, start=1):
            fault = _fault(source, line, prefixes, evaluation_seeds, seen)
            if fault is not None:
                faults.append(f"{dataset}:{number}: {fault}.")
            if len(faults) >= FAULTS_SHOWN:
                faults.append(f"{dataset}: the check stopped after {FAULTS_SHOWN} faults.")
                break
    return faults if seen or faults else [f"{dataset}: it has no examples."]


def _order(which: CandidateId) -> tuple[str, str, int, int, str]:
    return (which.world, which.task, which.seed, which.step, which.routine)


def process_turn(source: TraceSource, which: CandidateId) -> Processed | Dropped:
    """The training messages of a traced turn, or why it gives none. SourceError where there is no such turn."""
    _, conversation = source.conversation(which)
    vocabulary = source.vocabulary(which.world, which.task, which.routine)
    truncated = any(call.finish_reason == "length" for call in conversation.calls)
    return process(conversation.as_sent(), which.routine, vocabulary, dialect("tags"), truncated=truncated)


def _certificate(source: TraceSource, which: CandidateId, prefixes: _Prefixes) -> dict[str, Any]:
    folder = source.folder(which)
    return {
        "episode": str(folder.path.relative_to(source.run.path)),
        "world": which.world,
        "task": which.task,
        "seed": which.seed,
        "step": which.step,
        "routine": which.routine,
        "conversation": source.conversation(which)[0],
        "scaffold": source.scaffold.name,
        "scaffold_digest": source.scaffold.digest,
        "trace_sha256": prefixes.digest(source, folder, which.step),
    }


class _Prefixes:
    """SHA-256 of a trace up to a step. Steps requested in ascending order are hashed once."""

    def __init__(self) -> None:
        self._path: Path | None = None
        self._step = 0
        self._hash = hashlib.sha256()

    def digest(self, source: TraceSource, folder: EpisodeFolder, step: int) -> str:
        reader = source.reader(folder)
        if self._path != folder.path or step < self._step:
            self._path, self._step, self._hash = folder.path, 0, hashlib.sha256()
        for number in range(self._step + 1, step + 1):
            self._hash.update(reader.line(number))
        self._step = step
        return self._hash.hexdigest()


_UNFIT = {"failed": "a failure ended", "damaged": "is damaged"}


def _fault(
    source: TraceSource, line: bytes, prefixes: _Prefixes, evaluation_seeds: Collection[int], seen: set[str]
) -> str | None:
    """What is wrong with a line of a dataset, if anything; adds its id to `seen`."""
    try:
        example = Example.model_validate_json(line)
    except ValidationError as error:
        return f"not a valid example ({sentence(error)}); training/README.md shows the form"
    if example.certificate is None:
        return "the example has no certificate"
    try:
        which = CandidateId.parse(example.id)
        if example.id in seen:
            return f"the id {which} is used twice"
        seen.add(example.id)
        if which.seed in evaluation_seeds:
            return f"{which} is of an evaluation seed"
        traced = _certificate(source, which, prefixes)
        result = read_result(source.folder(which))
        if result is None or not result.scored:
            return f"{which} is of an episode that {_UNFIT[result.status] if result else 'has not ended'}"
        if example.certificate.get("trace_sha256") != traced["trace_sha256"]:
            return f"the trace up to step {which.step} is not the one that the certificate names"
        for name, value in traced.items():
            if example.certificate.get(name) != value:
                return f"the certificate's {name} is not that of {which}"
        made = process_turn(source, which)
    except SourceError as error:
        return str(error).rstrip(".")
    return f"post-processing gives no example: {made}" if isinstance(made, Dropped) else _difference(example, made)


def _difference(example: Example, made: Processed) -> str | None:
    """The first message of an example that differs from the one made from the trace."""
    for number, (given, traced) in enumerate(zip_longest(example.messages, made.messages), start=1):
        if given is None or traced is None:
            return f"it has {len(example.messages)} messages, the traced turn gives {len(made.messages)}"
        if given.model_dump() != traced:
            source = (
                "the model's reply after post-processing" if given.role == "assistant" else "what the model was sent"
            )
            return f"message {number} is not {source}"
    return None

"""From selected ids to a dataset with certificates, and the examination of one: every word re-cut from the traces.

A certificate says where an example comes from: the episode, step, routine and conversation, the SHA-256 of the trace up
to and including that step's line (a line may refer to texts of earlier ones), the scaffold's digest, and of every
assistant message the byte spans of the traced reply that it consists of. `certify` trusts nobody who chose or wrote
the examples: it takes the traced messages, cuts them by the spans, and compares byte for byte; then it cuts them anew
by the rules of `postprocess`, so that no span leaves out, or keeps, what those would not.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import orjson

from tools import dialect
from traces import EpisodeFolder, RunFolder, read_result
from training.postprocess import Dropped, Example, process, unfit
from training.source import CandidateId, SourceError, TraceSource
from training.spans import cut_bytes

FAULTS_SHOWN = 50
"""Faults that are told one by one; a dataset with more is broken in one way, many times."""


@dataclass(slots=True)
class DatasetReport:
    """What became of the selected candidates; written to postprocess.json beside the dataset."""

    run: str
    selected: int = 0
    examples: int = 0
    changed: Counter[str] = field(default_factory=Counter)
    """Examples changed, by transformation."""
    dropped: Counter[str] = field(default_factory=Counter)
    """Candidates that gave no example, by reason."""
    routines: Counter[str] = field(default_factory=Counter)
    evaluation_seeds: list[int] = field(default_factory=list)
    """Seeds that no example may come from, for whoever certifies the dataset later."""

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
    out.parent.mkdir(parents=True, exist_ok=True)
    with TraceSource(run) as source, out.open("wb") as file:
        prefixes = _Prefixes()
        for which in chosen:
            report.selected += 1
            example = example_of(source, which)
            if isinstance(example, Dropped):
                report.dropped[str(example)] += 1
                continue
            line = _line(source, which, example, prefixes)
            file.write(orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE))
            report.examples += 1
            report.routines[which.routine] += 1
            report.changed.update(example.changed)
    report_file = out.with_name("postprocess.json")
    report_file.write_bytes(orjson.dumps(report.to_plain(), option=orjson.OPT_INDENT_2))
    return report


def origin(dataset: Path, run: Path | None = None) -> tuple[RunFolder, list[int]]:
    """The run that a dataset was cut from, unless it is given, and the seeds that no example may come from.

    As postprocess.json beside it says. SourceError where there is no dataset, or where that file does not say.
    """
    if not dataset.is_file():
        raise SourceError(f"There is no dataset {dataset}.")
    report_file = dataset.with_name("postprocess.json")
    if not report_file.exists():
        if run is None:
            raise SourceError(f"Which run was {dataset} cut from? There is no {report_file} that says so: give --run.")
        return RunFolder(run), []
    try:
        report = orjson.loads(report_file.read_bytes())
        return RunFolder(run or Path(report["run"])), [int(seed) for seed in report["evaluation_seeds"]]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise SourceError(f"{report_file} cannot be read: restore it, or move it away and give --run.") from error


def certify(dataset: Path, run: RunFolder, *, evaluation_seeds: Collection[int] = ()) -> list[str]:
    """Examine every example of a dataset against the traces; return the faults, none for a sound dataset."""
    faults: list[str] = []
    seen: set[str] = set()
    with TraceSource(run) as source:
        prefixes = _Prefixes()
        for number, line in _lines(dataset):
            where = f"{dataset}:{number}"
            fault = (
                "this is no example in the documented form"
                if line is None
                else _fault(source, line, prefixes, evaluation_seeds, seen)
            )
            if fault is not None:
                faults.append(f"{where}: {fault}.")
            if len(faults) >= FAULTS_SHOWN:
                faults.append(f"{dataset}: examined no further after {FAULTS_SHOWN} faults.")
                break
    return faults if seen or faults else [f"{dataset}: it holds no example."]


def _order(which: CandidateId) -> tuple[str, str, int, int, str]:
    return (which.world, which.task, which.seed, which.step, which.routine)


def example_of(source: TraceSource, which: CandidateId) -> Example | Dropped:
    """The training example that a traced turn makes, or why it makes none. SourceError where there is no such turn."""
    _, conversation = source.conversation(which)
    vocabulary = source.vocabulary(which.world, which.task, which.routine)
    truncated = any(call.finish_reason == "length" for call in conversation.calls)
    return process(conversation.messages, which.routine, vocabulary, dialect("tags"), truncated=truncated)


def _line(source: TraceSource, which: CandidateId, example: Example, prefixes: _Prefixes) -> dict[str, Any]:
    index, _ = source.conversation(which)
    folder = source.folder(which)
    certificate = {
        "episode": str(folder.path.relative_to(source.run.path)),
        "world": which.world,
        "task": which.task,
        "seed": which.seed,
        "step": which.step,
        "routine": which.routine,
        "conversation": index,
        "scaffold": source.scaffold.name,
        "scaffold_digest": source.scaffold.digest,
        "trace_sha256": prefixes.digest(source, folder, which.step),
        "spans": [cut.byte_spans() for cut in example.cuts],
    }
    return {"id": str(which), "messages": list(example.messages), "certificate": certificate}


class _Prefixes:
    """SHA-256 of a trace up to a step, going on from the last one asked where it can."""

    def __init__(self) -> None:
        self._path: Path | None = None
        self._step = 0
        self._hash = hashlib.sha256()

    def digest(self, source: TraceSource, folder: EpisodeFolder, step: int) -> str:
        reader = source.reader(folder)
        if self._path != folder.path or step < self._step:
            self._path, self._step, self._hash = folder.path, 0, hashlib.sha256()
        for number in range(self._step + 1, step + 1):
            self._hash.update(reader.raw(number))
        self._step = step
        return self._hash.hexdigest()


def _lines(dataset: Path) -> Iterator[tuple[int, dict[str, Any] | None]]:
    with dataset.open("rb") as file:
        for number, raw in enumerate(file, start=1):
            try:
                line = orjson.loads(raw)
            except orjson.JSONDecodeError:
                line = None
            sound = isinstance(line, dict) and isinstance(line.get("certificate"), dict)
            yield number, line if sound and isinstance(line.get("messages"), list) else None


_UNFIT = {"failed": "a failure ended", "damaged": "is damaged"}


def _fault(
    source: TraceSource,
    line: Mapping[str, Any],
    prefixes: _Prefixes,
    evaluation_seeds: Collection[int],
    seen: set[str],
) -> str | None:
    """What is wrong with an example, if anything; notes its id in `seen`."""
    certificate = line["certificate"]
    try:
        which = CandidateId.parse(str(line.get("id")))
        index, conversation = source.conversation(which)
        expected = {"world", "task", "seed", "step", "routine"}
        if any(certificate.get(name) != getattr(which, name) for name in expected):
            return f"its certificate is of another turn than its id {which} says"
        if str(which) in seen:
            return f"{which} stands in the dataset twice"
        seen.add(str(which))
        if which.seed in evaluation_seeds:
            return f"{which} is of an evaluation seed"
        result = read_result(source.folder(which))
        if result is None or not result.scored:
            return f"{which} is of an episode that {_UNFIT[result.status] if result else 'has not ended'}"
        if certificate.get("conversation") != index or certificate.get("scaffold_digest") != source.scaffold.digest:
            return f"its certificate names another conversation or scaffold than {which} has"
        if prefixes.digest(source, source.folder(which), which.step) != certificate.get("trace_sha256"):
            return f"the trace up to step {which.step} is not the one it was cut from"
    except SourceError as error:
        return str(error).rstrip(".")
    replies = sum(message["role"] == "assistant" for message in conversation.messages)
    if replies != len(conversation.calls) or any(call.finish_reason == "length" for call in conversation.calls):
        return f"{which} holds a model call that failed or was cut"
    fault = _difference(line["messages"], conversation.messages, certificate.get("spans"))
    return fault or _cut_otherwise(line["messages"], example_of(source, which))


def _cut_otherwise(given: Sequence[Any], example: Example | Dropped) -> str | None:
    """What the rules of post-processing would have made of the turn, if that is something else."""
    if isinstance(example, Dropped):
        return f"post-processing makes no example of it: {example}"
    return None if list(given) == list(example.messages) else "post-processing cuts its turn otherwise"


def _difference(given: Sequence[Any], traced: Sequence[Mapping[str, Any]], spans: Any) -> str | None:
    """The first message of an example that is not the traced one, or not the cut of it that its certificate claims."""
    if len(given) > len(traced) or not given or not isinstance(given[-1], dict) or given[-1].get("role") != "assistant":
        return "its messages do not end on an assistant's, or are more than were traced"
    cuts = iter(spans if isinstance(spans, list) else [])
    for number, (message, original) in enumerate(zip(given, traced, strict=False), start=1):
        if not isinstance(message, dict) or message.get("role") != original["role"]:
            return f"message {number} is not of the role {original['role']!r}"
        text = message.get("content")
        if original["role"] != "assistant":
            if text != original["content"]:
                return f"message {number} is not what the model was sent"
            continue
        if not isinstance(text, str) or text != cut_bytes(str(original["content"]), next(cuts, [])):
            return f"message {number} is not cut from the model's reply by its spans"
        if (fault := unfit(text)) is not None:
            return f"message {number} holds {fault}"
    return "it has more spans than assistant messages" if next(cuts, None) is not None else None

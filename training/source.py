"""The memory model's turns in the traces of a run: read by candidate id, counted by validity."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, cast

from traces import Conversation, EpisodeFolder, Message, RunFolder, StepRecord, TraceReader, read_result, read_run
from training import TrainingError

if TYPE_CHECKING:
    from scaffolds import Scaffold
    from tools import Vocabulary


Routine = Literal["LOG", "PLAN"]

_ID = re.compile(r"([\w.-]{1,100})/([\w.-]{1,100})/seed-(\d{1,20})/step-(\d{1,12})/(LOG|PLAN)", re.ASCII)


class SourceError(TrainingError):
    """A run or an id that gives no training turn; one sentence."""


@dataclass(frozen=True, slots=True)
class CandidateId:
    """A routine of a step of an episode, written `WORLD/TASK/seed-42/step-17/LOG`."""

    world: str
    task: str
    seed: int
    step: int
    routine: Routine

    def __str__(self) -> str:
        return f"{self.world}/{self.task}/seed-{self.seed}/step-{self.step}/{self.routine}"

    @classmethod
    def parse(cls, text: str) -> CandidateId:
        """The id written as `text`. SourceError for an invalid one."""
        found = _ID.fullmatch(text)
        if found is None:
            raise SourceError(f"{text[:200]!r} is not the id of a candidate, such as WORLD/TASK/seed-42/step-17/LOG.")
        world, task, seed, step, routine = found.groups()
        return cls(world, task, int(seed), int(step), cast(Routine, routine))


def memory_conversation(record: StepRecord, routine: Routine) -> int | None:
    """Index in the step of the memory model's conversation of a routine; None if there is none."""
    for index, conversation in enumerate(record.conversations):
        if conversation.routine == routine and conversation.role == "memory":
            return index
    return None


class TraceSource:
    """The traced routines of a run. It keeps one trace open at a time, so read in the order of episodes."""

    def __init__(self, run: RunFolder) -> None:
        if not run.run.exists():
            raise SourceError(f"{run.path} holds no run: there is no run.json. Give the folder of an evaluation.")
        self.run = run
        self._open: tuple[Path, TraceReader] | None = None
        self._last: tuple[Path, int, StepRecord] | None = None
        self._vocabularies: dict[tuple[str, Routine], Vocabulary] = {}
        self._scaffold: Scaffold | None = None

    def __enter__(self) -> TraceSource:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the open trace."""
        if self._open is not None:
            self._open[1].close()
            self._open = None

    def folder(self, which: CandidateId) -> EpisodeFolder:
        """The folder of a candidate's episode. SourceError for invalid names."""
        try:
            return self.run.episode(which.world, which.task, which.seed)
        except ValueError as error:
            raise SourceError(f"{which} is not a candidate of {self.run.path}: {error}.") from error

    def reader(self, folder: EpisodeFolder) -> TraceReader:
        """The open trace of an episode. SourceError where there is none."""
        if self._open is None or self._open[0] != folder.path:
            self.close()
            if not folder.steps.exists():
                raise SourceError(f"There is no trace {folder.steps}.")
            self._open = (folder.path, TraceReader(folder))
        return self._open[1]

    def step(self, which: CandidateId) -> StepRecord:
        """The step of a candidate. SourceError where the trace has no such step."""
        folder = self.folder(which)
        if self._last is None or self._last[:2] != (folder.path, which.step):
            try:
                self._last = (folder.path, which.step, self.reader(folder).step(which.step))
            except IndexError:
                raise SourceError(f"{folder.steps} has no step {which.step}.") from None
        return self._last[2]

    def conversation(self, which: CandidateId) -> tuple[int, Conversation]:
        """Index and content of a candidate's conversation. SourceError where the memory model had none."""
        record = self.step(which)
        index = memory_conversation(record, which.routine)
        if index is None:
            raise SourceError(
                f"Step {which.step} of {self.folder(which).path} has no {which.routine} of the memory model."
            )
        return index, record.conversations[index]

    def messages(self, which: CandidateId) -> list[Message]:
        """The exact messages of a candidate, system first, as they went to and came from the model."""
        return self.conversation(which)[1].as_sent()

    @property
    def scaffold(self) -> Scaffold:
        """The scaffold of the run. SourceError if it has changed since, or the run was not played in tags."""
        if self._scaffold is None:
            self._scaffold = _scaffold_of(self.run)
        return self._scaffold

    def vocabulary(self, world: str, task: str, routine: Routine) -> Vocabulary:
        """The operations of a routine, as its prompts offered them."""
        key = (f"{world}/{task}", routine)
        if key not in self._vocabularies:
            from worlds import make_world

            engine = make_world(world, task)
            try:
                self._vocabularies[key] = self.scaffold.vocabulary(routine, engine.actions)
            finally:
                engine.close()
        return self._vocabularies[key]


def _scaffold_of(run: RunFolder) -> Scaffold:
    from scaffolds import Scaffold

    recorded = read_run(run)
    if recorded is None:
        raise SourceError(f"{run.run} is missing or empty: repeat the run.")
    configuration = recorded["configuration"]
    settings = configuration["settings"]
    scaffold = Scaffold.load(settings["scaffold"])
    if scaffold.digest != configuration["scaffold_digest"]:
        raise SourceError(
            f"The scaffold {settings['scaffold']} has changed since {run.path} was played: restore it or collect again."
        )
    if configuration.get("effective_dialect") != "tags":
        raise SourceError(
            f"{run.path} was played in the dialect {configuration.get('effective_dialect')!r}: "
            "a specialist learns text, so collect with the dialect tags."
        )
    return scaffold


@dataclass(frozen=True, slots=True)
class Validity:
    """Turns of the memory role by routine, and how many of them are valid."""

    turns: dict[str, int]
    valid: dict[str, int]

    def share(self, routine: str | None = None) -> float | None:
        """The share of valid turns, in all or of one routine; None without any turn."""
        whole = self.turns[routine] if routine else sum(self.turns.values())
        part = self.valid[routine] if routine else sum(self.valid.values())
        return part / whole if whole else None


def validity(run: RunFolder) -> Validity:
    """Count the turns of a run."""
    turns: Counter[str] = Counter()
    valid: Counter[str] = Counter()
    for folder in run.episodes():
        result = read_result(folder, content=True)
        if result is None or not result.scored or not folder.steps.exists():
            continue
        with TraceReader(folder) as reader:
            for record in reader:
                for conversation in record.conversations:
                    if conversation.role == "memory":
                        turns[conversation.routine] += len(conversation.calls)
                        valid[conversation.routine] += _valid_turns(conversation)
    routines = ("LOG", "PLAN")
    return Validity({name: turns[name] for name in routines}, {name: valid[name] for name in routines})


def _valid_turns(conversation: Conversation) -> int:
    outcomes: dict[int, set[str]] = {}
    for operation in conversation.operations:
        outcomes.setdefault(operation.call, set()).add(str(operation.outcome))
    return sum(not outcomes.get(call, {"mistake"}) & {"mistake", "rejected"} for call in range(len(conversation.calls)))

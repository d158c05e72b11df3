"""What did this note do? An episode played on from a write of its notebook, with the note and with a change of it.

Both arms begin with the step after the write, in branches of one world, and call for call with the same sampling seeds.
The difference between them is the effect of the change: on the note, and on all that the player does differently then.
"""

from __future__ import annotations

import asyncio
import dataclasses
import tempfile
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Literal

from chat_models.keys import new_context
from graphs.evaluation.episode import play_step
from graphs.evaluation.statistics import all_subsets, spared_subsets, subset_means
from graphs.inner_agent.forking import fork_episode, notebook_of
from graphs.inner_agent.opening import Living, check
from graphs.inner_agent.result import Account
from graphs.inner_agent.run_file import begin_run, recorded_settings
from graphs.inner_agent.sessions import SESSIONS
from graphs.settings import EpisodeSettings, SettingsError
from graphs.spending import Spending
from memory_fs import Outcome
from traces import EpisodeFolder, EpisodeResult, RunFolder, StepRecord, TraceReader, read_result
from traces.effects import Effect, Estimate, step_writes
from traces.records import OperationRecord, total_tokens
from traces.run_file import versions
from worlds import CannotBranch, World, open_world

ERROR = 0.025
"""What each end of an interval may be wrong with: 95 % for both."""
FEWEST = 6
"""Samples below which no interval of that error exists: of 2^5 subsets of the differences, one is 3 %."""
ARMS = ("unchanged", "changed")


@dataclass(frozen=True, slots=True)
class Write:
    """An operation that changed the notebook."""

    step: int
    index: int
    """Its number among the writes of the step, from 1."""
    routine: str
    record: OperationRecord
    recalled: int = 0
    """Lines of it that later operations recalled, each time counted, by provenance."""

    @property
    def name(self) -> str:
        """As `--at` takes it."""
        return f"{self.step}.{self.index}"


@dataclass(frozen=True, slots=True)
class Change:
    """What is different in the changed arm: the write left out, its text replaced, or whole files given."""

    text: str | None = None
    files: Mapping[str, str] = dataclasses.field(default_factory=dict)

    @property
    def kind(self) -> Literal["drop", "edit", "file"]:
        """drop, edit or file."""
        return "file" if self.files else "drop" if self.text is None else "edit"


def estimate(differences: list[float], error: float = ERROR) -> Estimate:
    """A mean difference with the exact paired bootstrap that loop 1's gate uses, where samples are enough for one."""
    if spared_subsets(error, all_subsets(len(differences))) == 0:
        return Estimate(fmean(differences), None, None)
    low, high = subset_means(differences, seed=0).interval(error)
    return Estimate(fmean(differences), low, high)


def writes_of(folder: EpisodeFolder) -> list[Write]:
    """All writes of an episode in their order, with how often their lines were recalled later."""
    recalled: Counter[int] = Counter()
    found: list[Write] = []
    with TraceReader(folder) as reader:
        for step in reader:
            found += _writes(step)
            recalled.update(
                revision
                for conversation in step.conversations
                for one in conversation.operations
                for _, revision in one.provenance
            )
    return [dataclasses.replace(write, recalled=recalled[write.record.revision]) for write in found]


def _writes(step: StepRecord) -> list[Write]:
    return [Write(step.step, index, routine, one) for index, (routine, one) in enumerate(step_writes(step), 1)]


def find_write(folder: EpisodeFolder, at: str) -> Write:
    """The write that `at` names, STEP or STEP.INDEX. SettingsError, naming those there are."""
    step, _, index = at.partition(".")
    if not step.isdecimal() or (index and not index.isdecimal()):
        raise SettingsError(f'"{at[:40]}" names no operation: give STEP or STEP.INDEX, such as 12 or 12.2.')
    with TraceReader(folder) as reader:
        if not 1 <= int(step) <= len(reader):
            raise SettingsError(f"{folder.path} has {len(reader)} steps, there is no step {int(step)}.")
        found = _writes(reader.step(int(step)))
    chosen = [one for one in found if not index or one.index == int(index)]
    if len(chosen) == 1:
        return chosen[0]
    there = "; ".join(f"{one.name} {one.record.operation} {one.record.file}" for one in found) or "none"
    raise SettingsError(f"Step {int(step)} of {folder.path} has these writes: {there}. Name one of them.")


def edited_files(folder: EpisodeFolder, write: Write, change: Change) -> dict[str, str]:
    """The files of the notebook that the changed arm begins with, where they differ from the recorded ones."""
    if change.files:
        return dict(change.files)
    file = str(write.record.file)
    with TraceReader(folder) as reader:
        step = reader.step(write.step)
    later = [one for one in _writes(step) if one.index > write.index and one.record.file == file]
    if later or any(one.file == file and one.revision > write.record.revision for one in step.hook_operations):
        raise SettingsError(
            f"Another operation of step {write.step} changes {file} after {write.name}: say what the file holds "
            f"without it, with --file {file}=PATH."
        )
    before = write.record.revision - 1
    with notebook_of(folder) as notebook:
        if change.text is None:
            return {file: notebook.at(before).get(file, "")}
        with tempfile.TemporaryDirectory() as place:
            journal = Path(place) / "journal.jsonl"
            with notebook.fork(before, Path(place) / "memory", journal=journal) as other:
                other.mark(write.step, write.routine)
                arguments = write.record.arguments | {"text": change.text}
                result = getattr(other, write.record.operation)(**arguments)
                if result.outcome is not Outcome.WRITTEN:
                    raise SettingsError(f"The edited {write.record.operation} would not be carried out: {result.text}")
                return {file: other.at(other.revision).get(file, "")}


@dataclass(frozen=True, slots=True)
class Experiment:
    """One change of one write of one episode, and where its samples are played."""

    source: EpisodeFolder
    write: Write
    change: Change
    out: Path
    horizon: int

    async def measure(self, samples: int, budget: Spending, error: float = ERROR) -> Effect:
        """Play both arms `samples` times, what is played already left out, and compare them.

        SettingsError for what cannot be changed; CeilingReached where the budget is spent; the machine's failures as
        they come: nothing is written then, and the same call goes on.
        """
        settings = self._settings()
        edits = await asyncio.to_thread(edited_files, self.source, self.write, self.change)
        origin = await asyncio.to_thread(_world_after, settings, self.source, self.write.step)
        results: dict[str, list[EpisodeResult]] = {arm: [] for arm in ARMS}
        try:
            for sample in range(samples):
                for arm in ARMS:
                    changes = edits if arm == "changed" else None
                    results[arm].append(await self._play(settings, sample, arm, changes, origin, budget))
        finally:
            origin.world.close()
        return self._effect(results, replayed=not _branches(origin.world), error=error)

    def _settings(self) -> EpisodeSettings:
        settings = recorded_settings(self.source)
        if settings is None:
            raise SettingsError(f"{self.source.path} holds no episode: name RUN/episodes/WORLD/TASK/seed-N.")
        if settings.notebook != "on":
            raise SettingsError(
                f"{self.source.path} was played with the notebook {settings.notebook}: it has no writes."
            )
        return settings

    def folder(self, sample: int, arm: str) -> EpisodeFolder:
        """Where an arm of a sample is played: an episode of a run of its own, apart from those of another horizon."""
        world, task, seed = self.source.path.parts[-3:]
        run = RunFolder(self.out / f"{self.horizon}-steps" / f"sample-{sample:02d}" / arm)
        return run.episode(world, task, int(seed.removeprefix("seed-")))

    async def _play(
        self,
        settings: EpisodeSettings,
        sample: int,
        arm: str,
        edits: Mapping[str, str] | None,
        origin: Living,
        budget: Spending,
    ) -> EpisodeResult:
        folder = self.folder(sample, arm)
        played = await asyncio.to_thread(read_result, folder)
        horizon = f"the horizon of {self.horizon} steps"
        if played is not None and (played.status == "finished" or played.end_reason == horizon):
            return played
        budget.check()
        sampled = dataclasses.replace(settings, sampling=settings.sampling + sample, ceilings={})
        living = await asyncio.to_thread(self._begin, sampled, folder, edits, origin)
        session = await asyncio.to_thread(SESSIONS.hold, sampled, folder, living)
        try:
            _share(session.account, budget)
            until = self.write.step + self.horizon
            while not session.position.over and session.position.step <= until:
                await asyncio.create_task(play_step(session), context=new_context())
            result = session.result(limited=None if session.position.over else horizon)
            if not session.position.over:
                session.end(result)
            return result
        finally:
            await asyncio.to_thread(SESSIONS.close, folder)

    def _begin(
        self, settings: EpisodeSettings, folder: EpisodeFolder, edits: Mapping[str, str] | None, origin: Living
    ) -> Living | None:
        """Fork the episode, unless a stopped measurement has; a branch of the world for it."""
        if folder.steps.exists():
            return None  # begun before: its own steps are replayed
        run = RunFolder(folder.path.parents[3])
        plan = {"world": settings.world, "tasks": [settings.task], "seeds": [settings.seed]}
        begin_run(run, settings, check(settings).digest, **plan)
        fork_episode(self.source, folder, self.write.step + 1, edits=edits)
        try:
            return origin._replace(world=origin.world.branch())
        except CannotBranch:
            return None

    def _effect(self, results: Mapping[str, list[EpisodeResult]], *, replayed: bool, error: float) -> Effect:
        unchanged, changed = (results[arm] for arm in ARMS)
        pairs = list(zip(unchanged, changed, strict=True))
        record, both = self.write.record, [*unchanged, *changed]
        calls_before, tokens_before = _spent_before(self.source, self.write.step)
        tokens = _tokens(one.tokens for one in both)
        return Effect(
            step=self.write.step,
            index=self.write.index,
            routine=self.write.routine,
            operation=record.operation,
            file=record.file,
            arguments=record.arguments,
            change=self.change.kind,
            text=self.change.text,
            samples=len(pairs),
            horizon=self.horizon,
            progression=estimate([after.progression - before.progression for before, after in pairs], error),
            episode_return=estimate([after.episode_return - before.episode_return for before, after in pairs], error),
            unchanged=fmean(one.progression for one in unchanged),
            changed=fmean(one.progression for one in changed),
            calls=sum(one.model_calls for one in both) - len(both) * calls_before,
            tokens=None if tokens is None or tokens_before is None else tokens - len(both) * tokens_before,
            replayed=replayed,
            versions=versions(),
        )


def _world_after(settings: EpisodeSettings, source: EpisodeFolder, step: int) -> Living:
    """The world of an episode after one of its steps, and what it shows."""
    world = open_world(settings.world, settings.task, max_steps=settings.max_steps, **settings.world_options)
    world.reset(seed=settings.seed)
    with TraceReader(source) as reader:
        actions = [one.action for one in reader.outlines(1, step)]
    for _ in world.replay(actions[:-1]):
        pass
    shown, _, terminated, truncated, _ = world.step(actions[-1])
    if terminated or truncated:
        world.close()
        raise SettingsError(f"{source.path} ends with step {step}: nothing can be played after it.")
    return Living(world, shown)


def _branches(world: World) -> bool:
    return type(world).branch is not World.branch


def _share(account: Account, budget: Spending) -> None:
    """Count what is played from now on against the budget; the steps of the recording were paid for before."""
    before = dict(budget.spent)
    account.share(budget)
    past = {name: budget.spent[name] - before[name] for name in ("calls", "tokens", "cost")}
    budget.add(calls=-int(past["calls"]), tokens=-int(past["tokens"]), cost=-past["cost"])


def _spent_before(source: EpisodeFolder, last: int) -> tuple[int, int | None]:
    """Model calls and tokens of the steps that both arms share; None where a server did not report tokens."""
    with TraceReader(source) as reader:
        steps = [reader.step(number) for number in range(1, last + 1)]
    return sum(step.model_calls for step in steps), _tokens(step.tokens for step in steps)


def _tokens(parts: Iterable[Mapping[str, int | None]]) -> int | None:
    total = total_tokens(parts)
    prompt, completion = total["prompt"], total["completion"]
    return None if prompt is None or completion is None else prompt + completion

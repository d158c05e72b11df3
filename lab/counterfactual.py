"""What did this note, or this recall, do? An episode played on from it, with it and with a change of it.

Both arms begin in branches of one world, and call for call with the same sampling seeds: after a write with the next
step, and for a recall with its own step, whose recorded replies are taken up to the one that asks for it. The
difference between them is the effect of the change, all that the player does differently then included.
"""

from __future__ import annotations

import asyncio
import dataclasses
import shutil
import threading
from collections.abc import Coroutine, Iterable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean
from typing import Any, TypeVar

from graphs.evaluation.episode import EpisodePart, players_own
from graphs.evaluation.player import player
from graphs.evaluation.playing import Halted
from graphs.evaluation.state import CONCURRENCY
from graphs.evaluation.statistics import all_subsets, spared_subsets, subset_means
from graphs.inner_agent.branches import Living
from graphs.inner_agent.forking import fork_episode, origin_of
from graphs.inner_agent.node import in_thread
from graphs.inner_agent.opening import check
from graphs.inner_agent.run_file import begin_run, recorded_settings, run_of
from graphs.run_lock import run_lock
from graphs.settings import EpisodeSettings, SettingsError
from graphs.spending import Amounts, CeilingReached, Spending, read_prices
from lab.folder import LabFolder
from lab.operations import Change, MemoryOperation, changed_answer, edited_files, recorded_start_of, recording_digest
from memory_fs import Outcome
from traces import EpisodeFolder, EpisodeResult, RunFolder, TraceReader, read_result
from traces.effects import Effect, Estimate
from traces.folders import disk_failures
from traces.plain_json import read_file, write_file
from traces.records import total_tokens
from traces.run_file import versions
from worlds import CannotBranch, World, open_world

T = TypeVar("T")
ERROR = 0.025
"""What each end of an interval may be wrong with: 95 % for both."""
FEWEST = 6
"""Samples below which no interval of that error exists: of 2^5 subsets of the differences, one is 3 %."""
ARMS = ("unchanged", "changed")
_forking = threading.Lock()
"""A notebook is opened by one thread at a time; arms that are played side by side begin in the same one."""
Changed = Mapping[str, str] | tuple[Outcome, str]
"""Of a write the files that the changed arm begins with, of a recall the answer to it."""


def estimate(differences: list[float], error: float = ERROR) -> Estimate:
    """A mean difference with the exact paired bootstrap that loop 1's gate uses, where samples are enough for one."""
    if spared_subsets(error, all_subsets(len(differences))) == 0:
        return Estimate(fmean(differences), None, None)
    low, high = subset_means(differences, seed=0).interval(error)
    return Estimate(fmean(differences), low, high)


@dataclass(frozen=True, slots=True)
class Experiment:
    """One change of one operation of one episode, and the lab folder that its samples are played in."""

    source: EpisodeFolder
    operation: MemoryOperation
    change: Change
    lab: Path
    horizon: int
    servers: Mapping[str, Any] = field(default_factory=dict)
    """`base_url` and `gameplay_base_url`, where the models are no longer at those that the run was begun with."""

    @property
    def out(self) -> Path:
        """Where its samples are, and the page of the first one."""
        return self.lab.joinpath(*self.source.path.parts[-3:], self.operation.name, self.change.name)

    async def measure(self, samples: int, budget: Spending, error: float = ERROR) -> Effect:
        """Play both arms `samples` times, what is played already left out, and compare them.

        SettingsError for what cannot be changed, or cannot be played with the change; CeilingReached where the budget
        is spent; the machine's failures as they come: nothing is written then, and the same call goes on.
        """
        settings = await asyncio.to_thread(self.check, budget.ceilings)
        await asyncio.to_thread(player().check, settings, [settings.task])
        changed = await asyncio.to_thread(self._changed)
        await asyncio.to_thread(LabFolder(self.lab).begin, run_of(self.source))
        with disk_failures():
            await asyncio.to_thread(self.out.mkdir, parents=True, exist_ok=True)
        with run_lock(self.out):
            await asyncio.to_thread(self._check_recording)
            results, replayed = await self._results(settings, changed, samples, budget)
        return self._effect(results, replayed=replayed, error=error)

    async def _results(
        self, settings: EpisodeSettings, changed: Changed, samples: int, budget: Spending
    ) -> tuple[dict[str, list[EpisodeResult]], bool]:
        """The results of each arm, and whether each sample had to replay the world."""
        side_by_side = asyncio.Semaphore(CONCURRENCY if player().workers else 1)
        worlds: list[Living] = []

        async def one(sample: int, arm: str) -> EpisodeResult:
            async with side_by_side:
                return await self._play(settings, sample, arm, changed if arm == "changed" else None, worlds, budget)

        try:
            await in_thread(lambda: worlds.append(_world_after(settings, self.source, self.operation.first - 1)))
            played = await _all([one(sample, arm) for sample in range(samples) for arm in ARMS])
        finally:
            with (
                ExitStack() as stack
            ):  # an episode closes its own world, but for one that was cancelled before it began
                for living in worlds:
                    stack.callback(living.world.close)
        results = {arm: played[number :: len(ARMS)] for number, arm in enumerate(ARMS)}
        return results, bool(player().workers) or not _branches(worlds[0].world)

    def check(self, ceilings: Mapping[str, float]) -> EpisodeSettings:
        """The settings of the recording. SettingsError where it cannot be played on with them as they were, or these
        ceilings cannot be held."""
        settings = self._settings()
        begin_run(run_of(self.source), settings, check(settings).digest)
        models = {settings.model, settings.gameplay_model or settings.model}
        if "cost" in ceilings and (unpriced := sorted(models - read_prices(settings.prices).keys())):
            raise SettingsError(
                f"{run_of(self.source).path} was begun without the price of {unpriced[0]}: limit calls, tokens or "
                "minutes, not the cost."
            )
        return settings

    def _settings(self) -> EpisodeSettings:
        settings = recorded_settings(self.source)
        if settings is None:
            raise SettingsError(f"{self.source.path} holds no episode: name RUN/episodes/WORLD/TASK/seed-N.")
        return dataclasses.replace(settings, **self.servers)

    def _check_recording(self) -> None:
        """SettingsError where the samples that are there belong to another recording of the episode."""
        digest = recording_digest(self.source, self.operation.step)
        kept = self.out / "recording.json"
        if not kept.exists():
            write_file(kept, {"digest": digest})
        elif read_file(kept) != {"digest": digest}:
            raise SettingsError(
                f"The samples in {self.out} belong to another recording of {self.source.path}, which was played again "
                "since: move them away, or give another `out`."
            )

    def _changed(self) -> Changed:
        """What is different in the changed arm."""
        if self.operation.kind == "recall":
            return changed_answer(self.source, self.operation, self.change)
        return edited_files(self.source, self.operation, self.change)

    def spent(self, samples: int) -> Amounts:
        """Calls, tokens and cost of what is played of so many samples, by the traces; recorded replies cost nothing."""
        total: Amounts = dict.fromkeys(("calls", "tokens", "cost"), 0.0)
        if not self.out.exists():
            return total
        settings = self._settings()
        prices = read_prices(settings.prices)
        folders = (self.folder(sample, arm) for sample in range(samples) for arm in ARMS)
        for folder in (one for one in folders if one.steps.exists()):
            with TraceReader(folder) as reader:
                later = (one for step in reader.steps(self.operation.first) for one in step.conversations)
                for model, call in [(one.model, call) for one in later for call in one.calls if call.attempts]:
                    prompt, completion = call.prompt_tokens or 0, call.completion_tokens or 0
                    price = prices.get(model)
                    total["calls"] += 1
                    total["tokens"] += prompt + completion
                    total["cost"] += price.cost(prompt, completion, call.cached_tokens or 0) if price else 0.0
        return total

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
        changed: Changed | None,
        worlds: list[Living],
        budget: Spending,
    ) -> EpisodeResult:
        folder = self.folder(sample, arm)
        played = await asyncio.to_thread(read_result, folder)
        horizon = f"the horizon of {self.horizon} steps"
        if played is not None and (played.status == "finished" or played.end_reason == horizon):
            return played
        budget.check()
        # What ends an episode early in a run must not end one arm before the other.
        sampled = dataclasses.replace(
            settings, sampling=settings.sampling + sample, ceilings={}, stop_when=[], alarms=[]
        )
        living = await in_thread(self._begin, sampled, folder, changed, worlds)
        recorded_start = None
        if self.operation.kind == "recall":
            answer = changed if isinstance(changed, tuple) else None
            start = await asyncio.to_thread(recorded_start_of, self.source, self.operation, answer)
            recorded_start = self.operation.step, start
        part = EpisodePart(self.operation.first - 1 + self.horizon, horizon, recorded_start)
        result = await player().play(sampled, folder, lambda _: None, budget, part, living)
        if result.failure is not None and players_own(dataclasses.asdict(result.failure)):
            # Played again it fails again. A failed arm has no score: as 0 it would count for or against the note.
            raise SettingsError(
                f"The {arm} arm of {self.operation.name} cannot be measured: {result.failure.sentence} ({folder.path})"
            )
        if result.failure is not None:
            raise Halted(f"{folder.path} could not be played: {result.failure.sentence}")
        if str(result.end_reason).startswith(f"the {budget.whose}'s ceiling"):
            raise CeilingReached(str(result.end_reason), budget.whose)
        return result

    def _begin(
        self, settings: EpisodeSettings, folder: EpisodeFolder, changed: Changed | None, worlds: list[Living]
    ) -> Living | None:
        """Fork the episode, unless a stopped measurement has; for it a branch of the first world, put to the others."""
        if origin_of(folder) is not None:
            return None  # begun before: its own steps are replayed
        shutil.rmtree(folder.path, ignore_errors=True)  # what a killed fork has left
        run = RunFolder(folder.path.parents[3])
        plan = {"world": settings.world, "tasks": [settings.task], "seeds": [settings.seed]}
        begin_run(run, settings, check(settings).digest, **plan)
        edits = None if isinstance(changed, tuple) else changed
        with _forking:
            fork_episode(self.source, folder, self.operation.first, edits=edits)
        if self.operation.first == 1 or player().workers:
            return None  # nothing is to be replayed, or it is elsewhere
        try:
            branch = worlds[0]._replace(world=worlds[0].world.branch())
        except CannotBranch:
            return None
        worlds.append(branch)
        return branch

    def _effect(self, results: Mapping[str, list[EpisodeResult]], *, replayed: bool, error: float) -> Effect:
        unchanged, changed = (results[arm] for arm in ARMS)
        pairs = list(zip(unchanged, changed, strict=True))
        operation, both = self.operation, [*unchanged, *changed]
        calls_before, tokens_before = _spent_before(self.source, operation)
        tokens = _tokens(one.tokens for one in both)
        return Effect(
            kind=operation.kind,
            step=operation.step,
            index=operation.index,
            routine=operation.routine,
            operation=operation.record.operation,
            file=operation.record.file,
            arguments=operation.record.arguments,
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
    """The world of an episode after one of its steps, or none of them, and what it shows."""
    world = open_world(settings.world, settings.task, max_steps=settings.max_steps, **settings.world_options)
    with ExitStack() as stack:
        stack.callback(world.close)
        shown, _ = world.reset(seed=settings.seed)
        if step > 0:
            with TraceReader(source) as reader:
                actions = [one.action for one in reader.outlines(1, step)]
            for _ in world.replay(actions[:-1]):
                pass
            shown, _, terminated, truncated, _ = world.step(actions[-1])
            if terminated or truncated:
                raise SettingsError(f"{source.path} ends with step {step}: nothing can be played after it.")
        stack.pop_all()  # it stays open
    return Living(world, shown)


def _branches(world: World) -> bool:
    return type(world).branch is not World.branch


async def _all(playing: list[Coroutine[Any, Any, T]]) -> list[T]:
    """What all of them return, in their order; where one raises, the others are cancelled."""
    tasks = [asyncio.create_task(one) for one in playing]
    try:
        return list(await asyncio.gather(*tasks))
    except BaseException:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        raise


def _spent_before(source: EpisodeFolder, operation: MemoryOperation) -> tuple[int, int | None]:
    """Model calls and tokens of the recording that both arms share; None where a server did not report tokens."""
    with TraceReader(source) as reader:
        steps = [reader.step(number) for number in range(1, operation.first)]
    replies = recorded_start_of(source, operation, None).replies if operation.kind == "recall" else []
    of_replies = ({"prompt": one.prompt_tokens, "completion": one.completion_tokens} for one in replies)
    return (
        sum(step.model_calls for step in steps) + len(replies),
        _tokens([*(step.tokens for step in steps), *of_replies]),
    )


def _tokens(parts: Iterable[Mapping[str, int | None]]) -> int | None:
    total = total_tokens(parts)
    prompt, completion = total["prompt"], total["completion"]
    return None if prompt is None or completion is None else prompt + completion

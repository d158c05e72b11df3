"""A worker: plays the episodes it is sent side by side in its own event loop, and handles over what is new of them.

The head calls `collect` again and again, one call at a time: it brings new episodes and takes with it what they wrote
since the last call. A worker knows nothing of Ray, which only runs it.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import logging
import os
import pickle
import platform
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from chat_models.keys import new_context
from cluster.budget import Allowance, Grant, Share
from cluster.packing import Assignment, Package, Unpacked, code_digest
from cluster.shipping import Outbox, Parcel, Warnings
from cluster.temporary import own_folder, remove_leftovers
from graphs.evaluation.episode import Progress, play_episode
from graphs.inner_agent.opening import check_first
from graphs.settings import OUR_ERRORS
from graphs.spending import Amounts
from memory_fs.file_lock import InUse, locked
from traces import EpisodeFolder, EpisodeResult
from traces.results import write_result

T = TypeVar("T")
ABANDONED_S = 120.0
"""Seconds without a call of the head after which a worker plays no further: what it plays reaches nobody."""
FREED_S = 60.0
"""Seconds that an episode in a shared folder may still be held by a worker that is thought to be dead."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What a worker is."""

    node: str
    process: int
    python: str
    code: str
    """Digest of its source."""


@dataclass(frozen=True, kw_only=True)
class Orders:
    """What a call of `collect` brings."""

    packages: Sequence[Package]
    assignments: Sequence[Assignment]
    withdrawn: Sequence[int]
    """Episodes to be given back as they are."""
    grants: Mapping[int, Grant]
    """By budget."""
    wait_s: float
    """How long to wait for news."""


@dataclass(frozen=True, kw_only=True)
class Report:
    """What a call of `collect` takes with it. Everything in it is by the episode's number, or by the budget's."""

    parcels: Mapping[int, Parcel]
    progress: Mapping[int, Progress]
    """The latest of each episode that has some."""
    ended: Mapping[int, EpisodeResult | BaseException | None]
    """With their results, or what was raised; None for one that was withdrawn."""
    notes: Mapping[str, Sequence[str]]
    """New notes on runs, by package."""
    warnings: Sequence[str]
    """What was logged as a warning; of notes too."""
    used: Mapping[int, Amounts]
    """Of each budget, in all."""
    counted: Mapping[int, Amounts]
    """Of each episode, in all."""


@dataclass
class _Playing:
    """An episode that is played here."""

    package: str
    folder: EpisodeFolder
    outbox: Outbox | None
    """None in a shared folder."""
    share: Share
    task: asyncio.Task[EpisodeResult | None] | None = None
    progress: Progress | None = None


@dataclass
class Worker:
    """Plays episodes in this process. All methods but `check` are called in its event loop."""

    _place: Path = field(default_factory=own_folder)
    _packages: dict[str, Unpacked] = field(default_factory=dict)
    _noted: dict[str, int] = field(default_factory=dict)
    _playing: dict[int, _Playing] = field(default_factory=dict)
    _allowances: dict[int, Allowance] = field(default_factory=dict)
    _news: asyncio.Event = field(default_factory=asyncio.Event)
    _abandoned: asyncio.TimerHandle | None = None
    _warnings: Warnings = field(default_factory=Warnings)
    _aside: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(1, thread_name_prefix="shipping"))
    """For what a call of the head waits for: the threads of the event loop may all be opening episodes."""

    async def begin(self, variables: Mapping[str, str]) -> Facts:
        """Begin with these environment variables; what this worker is."""
        os.environ.update(variables)
        os.environ.setdefault("LANGSMITH_USE_DAEMON", "true")
        logging.getLogger().setLevel(logging.WARNING)
        logging.getLogger().addHandler(self._warnings)
        self._expect_the_head()
        await asyncio.to_thread(remove_leftovers)
        digest = await asyncio.to_thread(code_digest)
        return Facts(platform.node(), os.getpid(), platform.python_version(), digest)

    async def check(self, package: Package, tasks: Sequence[str]) -> str | None:
        """Why episodes with these settings cannot be played here, in a sentence; None if they can."""
        return await asyncio.to_thread(self._check, package, tasks)

    def _check(self, package: Package, tasks: Sequence[str]) -> str | None:
        with tempfile.TemporaryDirectory(dir=self._place) as place:
            unpacked = Unpacked(package, Path(place))
            try:
                check_first(unpacked.settings(tasks[0], package.settings.seed), list(tasks))
            except OUR_ERRORS as error:
                return unpacked.on_head(str(error)).replace(str(place), "")
        return None

    async def collect(self, orders: Orders) -> Report:
        """Take orders, wait for news, and hand over what is new."""
        if self._abandoned is not None:
            self._abandoned.cancel()
        try:
            return await self._collect(orders)
        finally:
            self._expect_the_head()

    async def _collect(self, orders: Orders) -> Report:
        for package in orders.packages:
            place = self._place / package.key
            self._packages[package.key] = await self._apart(Unpacked, package, place)
        for number, grant in orders.grants.items():
            self._allowance(number).grant(grant)
        for assignment in orders.assignments:
            await self._start(assignment)
        for number in orders.withdrawn:
            task = self._playing[number].task if number in self._playing else None
            if task is not None:
                task.cancel()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._news.wait(), orders.wait_s)
        self._news.clear()
        over = [number for number, one in self._playing.items() if one.task is not None and one.task.done()]
        parcels = await self._apart(self._parcels)  # after `over`: the last parcel of one that ended is whole
        progress = {number: one.progress for number, one in self._playing.items() if one.progress is not None}
        counted = {number: dict(one.share.spent) for number, one in self._playing.items() if number in progress}
        for one in self._playing.values():
            one.progress = None
        warnings = [self._on_head(sentence) for sentence in self._warnings.take()]  # before the notes they are of
        notes = await self._apart(self._notes)  # before its episodes are forgotten
        ended = {number: await self._end(number) for number in over}
        return Report(
            parcels=parcels,
            progress=progress,
            ended=ended,
            notes=notes,
            warnings=warnings,
            used={number: dict(one.spent) for number, one in self._allowances.items()},
            counted=counted,
        )

    async def wake(self) -> None:
        """Let the call of `collect` that waits return."""
        self._news.set()

    async def end(self) -> None:
        """Play no further and leave nothing behind on this machine."""
        tasks = [one.task for one in self._playing.values() if one.task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.to_thread(_send_traces)
        await asyncio.to_thread(shutil.rmtree, self._place, ignore_errors=True)

    async def _start(self, assignment: Assignment) -> None:
        unpacked = self._packages[assignment.package]
        folder = await self._apart(unpacked.episode, assignment)
        outbox = None if unpacked.package.shared else Outbox(folder, assignment.files)
        share = Share(self._allowance(assignment.budget), assignment.counted)
        playing = self._playing[assignment.number] = _Playing(assignment.package, folder, outbox, share)
        playing.task = asyncio.create_task(self._play(unpacked, assignment, playing), context=new_context())
        playing.task.add_done_callback(lambda _: self._news.set())

    async def _play(self, unpacked: Unpacked, assignment: Assignment, playing: _Playing) -> EpisodeResult | None:
        def report(progress: Progress) -> None:
            if playing.outbox is not None and progress["event"] == "began":
                playing.outbox.opened()
            playing.progress = progress if progress["event"] != "ended" else None

        settings = unpacked.settings(assignment.task, assignment.seed)
        if unpacked.package.shared:
            await asyncio.to_thread(_wait_until_free, playing.folder)
        try:
            result = await play_episode(settings, playing.folder, report, playing.share, assignment.part)
        except asyncio.CancelledError:
            return None
        return await asyncio.to_thread(_with_the_heads_paths, result, playing.folder, unpacked.on_head)

    async def _apart(self, work: Callable[..., T], *arguments: object) -> T:
        """What `work` returns, in the thread that is kept for it."""
        return await asyncio.get_running_loop().run_in_executor(self._aside, work, *arguments)

    def _allowance(self, budget: int) -> Allowance:
        if budget not in self._allowances:
            self._allowances[budget] = Allowance(self._news.set)
        return self._allowances[budget]

    def _parcels(self) -> dict[int, Parcel]:
        return {
            number: parcel
            for number, one in list(self._playing.items())
            if one.outbox is not None and (parcel := one.outbox.parcel()) is not None
        }

    async def _end(self, number: int) -> EpisodeResult | BaseException | None:
        """How an episode ended here; its files are no longer needed."""
        one = self._playing.pop(number)
        assert one.task is not None
        if one.outbox is not None:
            await self._apart(shutil.rmtree, one.folder.path, True)
        try:
            return one.task.result()
        except BaseException as error:  # noqa: BLE001 - raised again on the head
            return _portable(error)

    def _on_head(self, sentence: str) -> str:
        for unpacked in self._packages.values():
            sentence = unpacked.on_head(sentence)
        return sentence

    def _notes(self) -> dict[str, Sequence[str]]:
        """New notes on the runs whose episodes are played."""
        found: dict[str, Sequence[str]] = {}
        for key in {one.package for one in list(self._playing.values())}:
            unpacked = self._packages[key]
            notes = unpacked.notes
            if new := notes[self._noted.get(key, unpacked.noted) :]:
                found[key] = [unpacked.on_head(one) for one in new]
            self._noted[key] = len(notes)
        return found

    def _expect_the_head(self) -> None:
        """Leave if the head does not call for long."""
        if self._abandoned is not None:
            self._abandoned.cancel()
        self._abandoned = asyncio.get_running_loop().call_later(ABANDONED_S, self._leave)

    def _leave(self) -> None:
        if not self._playing:  # it waits to be needed
            self._expect_the_head()
            return
        shutil.rmtree(self._place, ignore_errors=True)
        os._exit(1)


def _with_the_heads_paths(result: EpisodeResult, folder: EpisodeFolder, on_head: Callable[[str], str]) -> EpisodeResult:
    """A result whose failure names the head's paths, also on disk if it was written."""
    if result.failure is None or (sentence := on_head(result.failure.sentence)) == result.failure.sentence:
        return result
    result = dataclasses.replace(result, failure=dataclasses.replace(result.failure, sentence=sentence))
    if folder.failure.exists():
        write_result(folder, result)
    return result


def _portable(error: BaseException) -> BaseException:
    """An error as another process can read it."""
    try:
        pickle.loads(pickle.dumps(error))  # noqa: S301 - our own
    except Exception:  # noqa: BLE001 - whatever its class does when it is copied
        return RuntimeError(f"{type(error).__name__}: {error}")
    return error


def _wait_until_free(folder: EpisodeFolder) -> None:
    """Wait for a worker that was given up to let go of an episode in a shared folder."""
    until = time.monotonic() + FREED_S
    while folder.journal.exists() and time.monotonic() < until:
        try:
            with locked(folder.journal, folder.journal):
                return
        except InUse:
            time.sleep(0.2)


def _send_traces() -> None:
    export = sys.modules.get("traces.langsmith_export")
    if export is not None:
        export.begin_to_close()
        export.close()

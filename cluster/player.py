"""The head: gives episodes to workers, writes what they ship, and gives a dead worker's episodes to others."""

from __future__ import annotations

import asyncio
import concurrent.futures
import dataclasses
import itertools
import logging
import time
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

from chat_models.keys import new_context
from cluster.budget import Budget
from cluster.head_state import AssignedWorker, PendingEpisode
from cluster.packing import Assignment, Package, pack, pack_episode
from cluster.ray_workers import RayWorkers, WorkerHandle, WorkerLost, ray_running
from cluster.shipping import Inbox
from cluster.temporary import remove_leftovers
from cluster.worker import Orders, Report
from graphs.evaluation.episode import EpisodePart, Progress, ended, ended_before, unopened
from graphs.evaluation.player import played_by
from graphs.inner_agent.branches import Living
from graphs.inner_agent.result import failure_record
from graphs.settings import EpisodeSettings, SettingsError
from graphs.spending import Spending
from traces import EpisodeFolder, EpisodeResult, Failure, RunFolder, TraceFailure
from traces.run_file import add_note

logger = logging.getLogger(__name__)
T = TypeVar("T")

SHIPPED_EVERY_S = 0.7
"""Seconds between two calls of a worker, if it has no news before."""
DEATHS = 5
"""Workers that may die one after the other while they play an episode, and ship no step of it."""
SAME_S = 10.0
"""Seconds within which a warning that several workers give is shown once."""
NO_WORKER_S = 300.0
"""Seconds that episodes wait for a worker where there is none."""


class ClusterPlayer:
    """Plays episodes on workers. `graphs.evaluation.player.Player` says what its methods do."""

    def __init__(self, ray: RayWorkers, *, shared: bool) -> None:
        self.shared = shared
        """Whether workers write into the run folder themselves."""
        self._ray = ray
        self._assigned: list[AssignedWorker] = []
        self._waiting: list[PendingEpisode] = []
        self._numbers = itertools.count(1)
        self._packages: dict[str, Package] = {}
        self._runs: dict[str, RunFolder] = {}
        self._budgets: dict[int, Budget] = {}
        self._checked: tuple[Package, list[str]] | None = None
        self._starting: set[asyncio.Task[None]] = set()
        self._noted: set[str] = set()
        self._warned: dict[str, float] = {}
        """Warnings shown lately, and when they were last given."""

    @property
    def workers(self) -> str:
        """The workers there are."""
        here, wanted = len(self._assigned), self._ray.workers
        return f"{here} of {wanted} workers" if here < wanted else f"{wanted} workers" if wanted > 1 else "1 worker"

    @property
    def processes(self) -> list[int]:
        """Of the workers, on their nodes."""
        return [worker.handle.facts.process for worker in self._assigned if worker.handle.facts is not None]

    def start(self) -> None:
        """Start the workers. SettingsError where one cannot."""
        self._assigned = [AssignedWorker(handle) for handle in _finished(self._ray.start_all())]

    def end(self) -> None:
        """End the workers."""

        async def all_of_them() -> None:
            await asyncio.wait([asyncio.ensure_future(_ended(worker.handle)) for worker in self._assigned])

        if self._assigned:
            _finished(all_of_them())
        for worker in self._assigned:
            worker.handle.kill()
        self._assigned = []

    def check(self, settings: EpisodeSettings, tasks: Sequence[str]) -> None:
        """SettingsError naming a node on which the episodes cannot be played."""
        alone = dataclasses.replace(settings, arm="none", others=None)  # what an arm needs is checked on the head
        package, asked = pack(alone, None, shared=self.shared), list(tasks)
        if self._checked is not None and (self._checked[0].key, self._checked[1]) == (package.key, asked):
            return
        _finished(self._check_all(package, asked))
        self._checked = package, asked

    async def _check_all(self, package: Package, tasks: list[str]) -> None:
        """Ask every worker. One that dies meanwhile is found out when it is called."""
        handles = [worker.handle for worker in self._assigned]
        answers = await asyncio.gather(
            *(handle.call("check", package, tasks) for handle in handles), return_exceptions=True
        )
        for handle, answer in zip(handles, answers, strict=True):
            if isinstance(answer, str):
                raise SettingsError(f"A worker on the node {handle.node} cannot play: {answer}")
            if isinstance(answer, BaseException) and not isinstance(answer, WorkerLost):
                raise answer

    async def play(
        self,
        settings: EpisodeSettings,
        folder: EpisodeFolder,
        report: Callable[[Progress], None],
        run: Spending,
        part: EpisodePart | None = None,
        living: Living | None = None,
    ) -> EpisodeResult:
        """Play an episode on a worker, which replays what was played."""
        assert living is None, "a world cannot be sent"
        before = await ended_before(folder, report, run)
        if before is not None:
            return before
        self._budgets.setdefault(id(run), Budget(run))
        future: asyncio.Future[EpisodeResult] = asyncio.get_running_loop().create_future()
        episode = PendingEpisode(next(self._numbers), settings, folder, report, id(run), part, future)
        self._give(episode)
        try:
            return await asyncio.shield(future)
        except asyncio.CancelledError:
            await self._withdraw(episode)
            raise

    # Who plays what

    def _give(self, episode: PendingEpisode) -> None:
        """Give an episode to the worker with the fewest; it waits where there is none."""
        self._replace()
        if not self._assigned:
            self._waiting.append(episode)
            return
        worker = min(self._assigned, key=lambda one: len(one.episodes))
        worker.episodes[episode.number] = episode
        worker.to_send.append(episode)
        if worker.pump is None or worker.pump.done():
            worker.pump = asyncio.get_running_loop().create_task(self._pump(worker), context=new_context())
        else:
            worker.wake()

    async def _withdraw(self, episode: PendingEpisode) -> None:
        """Take back an episode whose call was cancelled; its last parcel has arrived then."""
        episode.withdrawn = True
        if episode in self._waiting:
            self._waiting.remove(episode)
            return
        for worker in self._assigned:
            if episode.number in worker.episodes:
                worker.to_withdraw.add(episode.number)
                worker.wake()
        if not episode.future.done():
            await asyncio.wait([episode.future])

    async def _pump(self, worker: AssignedWorker) -> None:
        """Call a worker as long as it plays something."""
        try:
            while worker.episodes:
                orders = await self._orders(worker)
                report = await worker.handle.call("collect", orders)
                await asyncio.to_thread(self._write, worker, report)
                self._take(worker, report)
        except WorkerLost as lost:
            self._lose(worker, lost)
        except Exception as error:  # noqa: BLE001 - a fault of ours must not leave its episodes waiting
            for episode in worker.episodes.values():
                if not episode.future.done():
                    episode.future.set_exception(error)
            self._assigned.remove(worker)
            worker.handle.kill()

    async def _orders(self, worker: AssignedWorker) -> Orders:
        sending, worker.to_send = worker.to_send, []
        withdrawing, worker.to_withdraw = worker.to_withdraw, set()
        packages, assignments = [], []
        for episode in sending:
            try:
                package, assignment = await asyncio.to_thread(self._packed, episode)
            except Exception as error:  # noqa: BLE001 - the call's own: the other episodes go on
                self._settle(worker.episodes.pop(episode.number), error)
                continue
            if package.key not in worker.packages:
                worker.packages.add(package.key)
                packages.append(package)
            assignments.append(assignment)
        playing = {episode.budget for episode in worker.episodes.values()}
        grants = {
            budget: self._budgets[budget].grant(
                worker.handle.name,
                [one.handle.name for one in self._assigned if any(e.budget == budget for e in one.episodes.values())],
            )
            for budget in playing
        }
        return Orders(
            packages=packages,
            assignments=assignments,
            withdrawn=sorted(withdrawing),
            grants=grants,
            wait_s=SHIPPED_EVERY_S,
        )

    def _packed(self, episode: PendingEpisode) -> tuple[Package, Assignment]:
        run = episode.folder.path.parents[3]
        key = f"{run}:{dataclasses.replace(episode.settings, task='', seed=0)!r}"
        if key not in self._packages:
            package = self._packages[key] = pack(episode.settings, run, shared=self.shared)
            self._runs[package.key] = RunFolder(run)
        package = self._packages[key]
        # A part of an episode counts its new calls alone, and those that a dead worker shipped are not made again.
        counted = episode.counted if episode.part is None else {}
        return package, pack_episode(
            episode.number,
            package,
            episode.settings,
            episode.folder,
            budget=episode.budget,
            part=episode.part,
            counted=counted,
        )

    # What comes back

    def _write(self, worker: AssignedWorker, report: Report) -> None:
        """Write what was shipped. An episode whose files cannot be written goes no further."""
        for number, parcel in report.parcels.items():
            episode = worker.episodes[number]
            try:
                Inbox(episode.folder).take(parcel)
            except TraceFailure as failure:
                self._fail(worker, episode, failure)
            if any(piece.data for piece in parcel.appended.values()):
                episode.deaths = 0
        for key, notes in report.notes.items():
            self._noted.update(notes)
            for note in notes:
                if add_note(self._runs[key], note):
                    logger.warning(note)

    def _fail(self, worker: AssignedWorker, episode: PendingEpisode, failure: TraceFailure) -> None:
        result = unopened(episode.settings, episode.folder, failure_record(failure, 0))
        episode.future.get_loop().call_soon_threadsafe(_set, episode.future, result)
        worker.to_withdraw.add(episode.number)

    def _warn(self, sentences: Sequence[str]) -> None:
        """Show what a worker has warned of, if it is no note and no other has just given the same warning."""
        now = time.monotonic()
        self._warned = {sentence: at for sentence, at in self._warned.items() if now - at < SAME_S}
        for sentence in sentences:
            if sentence not in self._noted and sentence not in self._warned:
                logger.warning("%s", sentence)
            self._warned[sentence] = now

    def _take(self, worker: AssignedWorker, report: Report) -> None:
        self._warn(report.warnings)
        for budget, used in report.used.items():
            self._budgets[budget].confirm(worker.handle.name, used)
        for number, counted in report.counted.items():
            worker.episodes[number].counted = dict(counted)
        for number, progress in report.progress.items():
            worker.episodes[number].show(progress)
        for number, result in report.ended.items():
            self._settle(worker.episodes.pop(number), result)

    def _settle(self, episode: PendingEpisode, result: EpisodeResult | BaseException | None) -> None:
        if episode.future.done():
            return
        if isinstance(result, EpisodeResult):
            episode.show(ended(result))
            episode.future.set_result(result)
        elif isinstance(result, BaseException):
            episode.future.set_exception(result)
        elif episode.withdrawn:
            episode.future.cancel()
        else:
            episode.moving = False
            self._give(episode)

    # Workers that die

    def _lose(self, worker: AssignedWorker, lost: WorkerLost) -> None:
        """Give a dead worker's episodes to the others, and have it replaced."""
        logger.info("%s", lost)
        self._assigned.remove(worker)
        worker.handle.kill()
        for budget in self._budgets.values():
            budget.lose(worker.handle.name)
        for episode in worker.episodes.values():
            episode.deaths += episode not in worker.to_send
            if episode.future.done():
                continue
            if episode.withdrawn:
                episode.future.cancel()
            elif episode.deaths >= DEATHS:
                sentence = (
                    f"{episode.deaths} workers died while they played this episode, the last on {worker.handle.node}"
                )
                self._settle(episode, _failed(episode, sentence))
            else:
                self._give(episode)
        self._replace()

    def _replace(self) -> None:
        """Start workers in the place of those that died."""
        missing = self._ray.workers - len(self._assigned) - len(self._starting)
        for _ in range(missing):
            task = asyncio.get_running_loop().create_task(self._replace_one(), context=new_context())
            self._starting.add(task)
            task.add_done_callback(self._starting.discard)

    async def _replace_one(self) -> None:
        until = asyncio.get_running_loop().time() + NO_WORKER_S
        while asyncio.get_running_loop().time() < until:
            try:
                handle = await self._ray.start_one()
                refused = await handle.call("check", *self._checked) if self._checked is not None else None
            except (WorkerLost, TimeoutError, SettingsError) as error:
                refused = str(error)
            if refused is None:
                self._join(AssignedWorker(handle))
                return
            logger.warning("a worker could not be replaced: %s", refused)
            await asyncio.sleep(1)
        if not self._assigned:
            waiting, self._waiting = self._waiting, []
            for episode in waiting:
                self._settle(episode, _failed(episode, f"there was no worker for {NO_WORKER_S:.0f} seconds"))

    def _join(self, worker: AssignedWorker) -> None:
        """Take in a new worker: it gets what waits, and its part of what the others play."""
        self._assigned.append(worker)
        waiting, self._waiting = self._waiting, []
        for episode in waiting:
            self._give(episode)
        even = sum(len(one.episodes) for one in self._assigned) // len(self._assigned)
        wanted = even - len(worker.episodes)
        for other in self._assigned:
            begun = [one for one in other.episodes.values() if one not in other.to_send and not one.moving]
            surplus = begun[: max(0, min(wanted, len(other.episodes) - even))] if other is not worker else []
            wanted -= len(surplus)
            for episode in surplus:
                episode.moving = True
                other.to_withdraw.add(episode.number)
                other.wake()


def _failed(episode: PendingEpisode, sentence: str) -> EpisodeResult:
    failure = Failure(where="cluster", kind="workers", sentence=f"{sentence}: resume the run", step=0)
    return unopened(episode.settings, episode.folder, failure)


def _set(future: asyncio.Future[EpisodeResult], result: EpisodeResult) -> None:
    if not future.done():
        future.set_result(result)


async def _ended(handle: WorkerHandle) -> None:
    try:
        await asyncio.wait_for(handle.call("end"), 10)
    except (WorkerLost, TimeoutError):
        return


def _finished(work: Coroutine[Any, Any, T]) -> T:
    """What a coroutine returns, run in a loop and a thread of its own: the caller may have a loop that runs."""
    with concurrent.futures.ThreadPoolExecutor(max_workers=1) as thread:
        return thread.submit(asyncio.run, work).result()


@contextmanager
def workers(number: int | None, address: str | None, *, shared: bool) -> Iterator[ClusterPlayer]:
    """Workers that play the episodes of all evaluations within the block; a local Ray where there is no `address`."""
    try:
        with ray_running(number, address) as ray:
            player = ClusterPlayer(ray, shared=shared)
            player.start()
            try:
                with played_by(player):
                    yield player
            finally:
                player.end()
    finally:
        remove_leftovers()  # of workers on this machine that were killed

"""The head: gives episodes to workers, writes what they ship, and gives a dead worker's episodes to others."""

from __future__ import annotations

import asyncio
import concurrent.futures
import dataclasses
import itertools
import logging
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

from chat_models.keys import new_context
from cluster.budget import Budget
from cluster.crew import Crew, Hand, Lost, ray_running
from cluster.packing import Assignment, Package, pack, pack_episode
from cluster.posts import Errand, Post
from cluster.shipping import Inbox
from cluster.worker import Orders, Report
from graphs.evaluation.episode import Progress, Stretch, ended, ended_before, unopened
from graphs.evaluation.player import played_by
from graphs.inner_agent.result import failure_record
from graphs.inner_agent.session import Living
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
NO_WORKER_S = 300.0
"""Seconds that episodes wait for a worker where there is none."""


class ClusterPlayer:
    """Plays episodes on workers. `graphs.evaluation.player.Player` says what its methods do."""

    def __init__(self, crew: Crew, *, shared: bool) -> None:
        self.shared = shared
        """Whether workers write into the run folder themselves."""
        self._crew = crew
        self._posts: list[Post] = []
        self._waiting: list[Errand] = []
        self._numbers = itertools.count(1)
        self._packages: dict[str, Package] = {}
        self._runs: dict[str, RunFolder] = {}
        self._budgets: dict[int, Budget] = {}
        self._checked: tuple[Package, list[str]] | None = None
        self._hiring: set[asyncio.Task[None]] = set()

    @property
    def crew(self) -> str:
        """The workers there are."""
        here, wanted = len(self._posts), self._crew.workers
        return f"{here} of {wanted} workers" if here < wanted else f"{wanted} workers" if wanted > 1 else "1 worker"

    @property
    def processes(self) -> list[int]:
        """Of the workers, on their nodes."""
        return [post.hand.facts.process for post in self._posts if post.hand.facts is not None]

    def start(self) -> None:
        """Start the workers. SettingsError where one cannot."""
        self._posts = [Post(hand) for hand in _finished(self._crew.hire_all())]

    def end(self) -> None:
        """End the workers."""

        async def all_of_them() -> None:
            await asyncio.wait([asyncio.ensure_future(_ended(post.hand)) for post in self._posts])

        if self._posts:
            _finished(all_of_them())
        for post in self._posts:
            post.hand.dismiss()
        self._posts = []

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
        hands = [post.hand for post in self._posts]
        answers = await asyncio.gather(*(hand.call("check", package, tasks) for hand in hands), return_exceptions=True)
        for hand, answer in zip(hands, answers, strict=True):
            if isinstance(answer, str):
                raise SettingsError(f"A worker on the node {hand.node} cannot play: {answer}")
            if isinstance(answer, BaseException) and not isinstance(answer, Lost):
                raise answer

    async def play(
        self,
        settings: EpisodeSettings,
        folder: EpisodeFolder,
        report: Callable[[Progress], None],
        run: Spending,
        stretch: Stretch | None = None,
        living: Living | None = None,
    ) -> EpisodeResult:
        """Play an episode on a worker, which replays what was played."""
        assert living is None, "a world cannot be sent"
        before = await ended_before(folder, report, run)
        if before is not None:
            return before
        self._budgets.setdefault(id(run), Budget(run))
        future: asyncio.Future[EpisodeResult] = asyncio.get_running_loop().create_future()
        errand = Errand(next(self._numbers), settings, folder, report, id(run), stretch, future)
        self._give(errand)
        try:
            return await asyncio.shield(future)
        except asyncio.CancelledError:
            await self._withdraw(errand)
            raise

    # Who plays what

    def _give(self, errand: Errand) -> None:
        """Give an episode to the worker with the fewest; it waits where there is none."""
        self._replace()
        if not self._posts:
            self._waiting.append(errand)
            return
        post = min(self._posts, key=lambda one: len(one.errands))
        post.errands[errand.number] = errand
        post.to_send.append(errand)
        if post.pump is None or post.pump.done():
            post.pump = asyncio.get_running_loop().create_task(self._pump(post), context=new_context())
        else:
            post.wake()

    async def _withdraw(self, errand: Errand) -> None:
        """Take back an episode whose call was cancelled; its last parcel has arrived then."""
        errand.withdrawn = True
        if errand in self._waiting:
            self._waiting.remove(errand)
            return
        for post in self._posts:
            if errand.number in post.errands:
                post.to_withdraw.add(errand.number)
                post.wake()
        if not errand.future.done():
            await asyncio.wait([errand.future])

    async def _pump(self, post: Post) -> None:
        """Call a worker as long as it plays something."""
        try:
            while post.errands:
                orders = await self._orders(post)
                report = await post.hand.call("collect", orders)
                await asyncio.to_thread(self._write, post, report)
                self._take(post, report)
        except Lost as lost:
            self._lose(post, lost)
        except Exception as error:  # noqa: BLE001 - a fault of ours must not leave its episodes waiting
            for errand in post.errands.values():
                if not errand.future.done():
                    errand.future.set_exception(error)
            self._posts.remove(post)
            post.hand.dismiss()

    async def _orders(self, post: Post) -> Orders:
        sending, post.to_send = post.to_send, []
        withdrawing, post.to_withdraw = post.to_withdraw, set()
        packages, assignments = [], []
        for errand in sending:
            try:
                package, assignment = await asyncio.to_thread(self._packed, errand)
            except Exception as error:  # noqa: BLE001 - the call's own: the other episodes go on
                self._settle(post.errands.pop(errand.number), error)
                continue
            if package.key not in post.packages:
                post.packages.add(package.key)
                packages.append(package)
            assignments.append(assignment)
        playing = {errand.budget for errand in post.errands.values()}
        grants = {
            budget: self._budgets[budget].grant(
                post.hand.name,
                [one.hand.name for one in self._posts if any(e.budget == budget for e in one.errands.values())],
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

    def _packed(self, errand: Errand) -> tuple[Package, Assignment]:
        run = errand.folder.path.parents[3]
        key = f"{run}:{dataclasses.replace(errand.settings, task='', seed=0)!r}"
        if key not in self._packages:
            package = self._packages[key] = pack(errand.settings, run, shared=self.shared)
            self._runs[package.key] = RunFolder(run)
        package = self._packages[key]
        # A stretch counts its new calls alone, and those that a dead worker shipped are not made again.
        counted = errand.counted if errand.stretch is None else {}
        return package, pack_episode(
            errand.number,
            package,
            errand.settings,
            errand.folder,
            budget=errand.budget,
            stretch=errand.stretch,
            counted=counted,
        )

    # What comes back

    def _write(self, post: Post, report: Report) -> None:
        """Write what was shipped. An episode whose files cannot be written goes no further."""
        for number, parcel in report.parcels.items():
            errand = post.errands[number]
            try:
                Inbox(errand.folder).take(parcel)
            except TraceFailure as failure:
                self._fail(post, errand, failure)
            if any(piece.data for piece in parcel.appended.values()):
                errand.deaths = 0
        for key, notes in report.notes.items():
            for note in notes:
                if add_note(self._runs[key], note):
                    logger.warning(note)

    def _fail(self, post: Post, errand: Errand, failure: TraceFailure) -> None:
        result = unopened(errand.settings, errand.folder, failure_record(failure, 0))
        errand.future.get_loop().call_soon_threadsafe(_set, errand.future, result)
        post.to_withdraw.add(errand.number)

    def _take(self, post: Post, report: Report) -> None:
        for budget, used in report.used.items():
            self._budgets[budget].confirm(post.hand.name, used)
        for number, counted in report.counted.items():
            post.errands[number].counted = dict(counted)
        for number, progress in report.progress.items():
            post.errands[number].show(progress)
        for number, result in report.ended.items():
            self._settle(post.errands.pop(number), result)

    def _settle(self, errand: Errand, result: EpisodeResult | BaseException | None) -> None:
        if errand.future.done():
            return
        if isinstance(result, EpisodeResult):
            errand.show(ended(result))
            errand.future.set_result(result)
        elif isinstance(result, BaseException):
            errand.future.set_exception(result)
        elif errand.withdrawn:
            errand.future.cancel()
        else:
            errand.moving = False
            self._give(errand)

    # Workers that die

    def _lose(self, post: Post, lost: Lost) -> None:
        """Give a dead worker's episodes to the others, and have it replaced."""
        logger.info("%s", lost)
        self._posts.remove(post)
        post.hand.dismiss()
        for budget in self._budgets.values():
            budget.lose(post.hand.name)
        for errand in post.errands.values():
            errand.deaths += errand not in post.to_send
            if errand.future.done():
                continue
            if errand.withdrawn:
                errand.future.cancel()
            elif errand.deaths >= DEATHS:
                sentence = f"{errand.deaths} workers died while they played this episode, the last on {post.hand.node}"
                self._settle(errand, _failed(errand, sentence))
            else:
                self._give(errand)
        self._replace()

    def _replace(self) -> None:
        """Start workers in the place of those that died."""
        missing = self._crew.workers - len(self._posts) - len(self._hiring)
        for _ in range(missing):
            task = asyncio.get_running_loop().create_task(self._hire(), context=new_context())
            self._hiring.add(task)
            task.add_done_callback(self._hiring.discard)

    async def _hire(self) -> None:
        until = asyncio.get_running_loop().time() + NO_WORKER_S
        while asyncio.get_running_loop().time() < until:
            try:
                hand = await self._crew.hire()
                refused = await hand.call("check", *self._checked) if self._checked is not None else None
            except (Lost, TimeoutError, SettingsError) as error:
                refused = str(error)
            if refused is None:
                self._join(Post(hand))
                return
            logger.warning("a worker could not be replaced: %s", refused)
            await asyncio.sleep(1)
        if not self._posts:
            waiting, self._waiting = self._waiting, []
            for errand in waiting:
                self._settle(errand, _failed(errand, f"there was no worker for {NO_WORKER_S:.0f} seconds"))

    def _join(self, post: Post) -> None:
        """Take in a new worker: it gets what waits, and its part of what the others play."""
        self._posts.append(post)
        waiting, self._waiting = self._waiting, []
        for errand in waiting:
            self._give(errand)
        even = sum(len(one.errands) for one in self._posts) // len(self._posts)
        wanted = even - len(post.errands)
        for other in self._posts:
            begun = [one for one in other.errands.values() if one not in other.to_send and not one.moving]
            surplus = begun[: max(0, min(wanted, len(other.errands) - even))] if other is not post else []
            wanted -= len(surplus)
            for errand in surplus:
                errand.moving = True
                other.to_withdraw.add(errand.number)
                other.wake()


def _failed(errand: Errand, sentence: str) -> EpisodeResult:
    failure = Failure(where="cluster", kind="workers", sentence=f"{sentence}: resume the run", step=0)
    return unopened(errand.settings, errand.folder, failure)


def _set(future: asyncio.Future[EpisodeResult], result: EpisodeResult) -> None:
    if not future.done():
        future.set_result(result)


async def _ended(hand: Hand) -> None:
    try:
        await asyncio.wait_for(hand.call("end"), 10)
    except (Lost, TimeoutError):
        return


def _finished(work: Coroutine[Any, Any, T]) -> T:
    """What a coroutine returns, run in a loop and a thread of its own: the caller may have a loop that runs."""
    with concurrent.futures.ThreadPoolExecutor(max_workers=1) as thread:
        return thread.submit(asyncio.run, work).result()


@contextmanager
def workers(number: int | None, address: str | None, *, shared: bool) -> Iterator[ClusterPlayer]:
    """Workers that play the episodes of all evaluations within the block; a local Ray where there is no `address`."""
    with ray_running(number, address) as crew:
        player = ClusterPlayer(crew, shared=shared)
        player.start()
        try:
            with played_by(player):
                yield player
        finally:
            player.end()

"""The live sessions of this process, keyed by episode folder; a missing one is rebuilt from its folder."""

from __future__ import annotations

import re
import threading
import uuid
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from enum import Enum, auto
from pathlib import Path
from typing import Any
from weakref import WeakValueDictionary

from graphs.events import emit
from graphs.fields import shown_value
from graphs.inner_agent.branches import Living
from graphs.inner_agent.caller import Caller
from graphs.inner_agent.forking import fork_episode, next_free, origin_of
from graphs.inner_agent.opening import open_session
from graphs.inner_agent.result import MACHINE_FAILURES, failure_record
from graphs.inner_agent.run_file import check_not_summed_up, check_place, thread_settings
from graphs.inner_agent.served_runs import PROCESS, ServedRuns
from graphs.inner_agent.session import Session
from graphs.settings import (
    Context,
    EpisodeSettings,
    SettingsError,
    check_usable,
    episode_settings,
    validated,
)
from graphs.spending import CeilingReached
from traces import EpisodeFolder, RunFolder, TraceFailure, TraceReader

KEPT = 64
"""Idle sessions kept alive by a server: beyond that the least recently used one is closed, to be replayed when asked
for again. Evaluation holds its own and closes them."""


class Sessions:
    """Opens, finds and closes sessions. Safe to call from several threads."""

    def __init__(self) -> None:
        self._live: OrderedDict[str, Session] = OrderedDict()
        self._held: set[str] = set()
        self._lock = threading.RLock()
        self._opening: WeakValueDictionary[str, Door] = WeakValueDictionary()

    def matching(self, state: Mapping[str, Any], *, begins: bool) -> Session | None:
        """The live session at the step of `state`; None if there is none and one has to be opened.

        `begins`: the run is about to begin a step, so that nothing of an earlier try at it counts; in the middle of a
        step the notebook must be at the revision of `state`.
        """
        episode = state.get("episode")
        if not isinstance(episode, str):
            return None
        with self._lock:
            session = self._live.get(episode)
            if session is None or not _agrees(session.settings, state):
                return None
            self._live.move_to_end(episode)
        if "step" in state and session.position.step != state["step"]:
            return None
        return session if begins or session.notebook.revision == state["revision"] else None

    def open(self, state: Mapping[str, Any], context: Context | None, caller: Caller, *, begins: bool) -> Session:
        """The session for a run: live, rebuilt from its folder, or of a new episode.

        Raises SettingsError if the run asks for another episode than its thread plays, or for other settings.
        """
        folder = episode_folder(state, context, caller.thread)
        begun = ServedRuns(folder).get(caller.run)
        if begun is not None and begun.fork is not None:
            folder = EpisodeFolder(Path(begun.fork))  # the same run again: it continues its own fork
        with self._one_opening(folder):
            settings = thread_settings(folder, state, context)
            if not _agrees(settings, state):
                raise SettingsError(
                    f"This thread plays {settings.world}/{settings.task} seed {settings.seed} with {settings.model} "
                    f"({folder.path}): start a new thread for another episode."
                )
            live = self._live.get(str(folder.path))
            if live is not None and "episode" not in state and live.settings == settings:
                return live
            if live is None:
                check_not_summed_up(folder)
            step, middle = state.get("step"), None if begins else state["revision"]
            past = _past(folder, state, caller)
            if past is Past.PLAYED:
                # The trace is ahead of the checkpoint: what was played, and paid for, is not played again.
                step = middle = None
                if live is not None:
                    return live
            elif past is not None:
                origin = folder
                folder = self._another_future(past, folder, state["step"], middle, caller)
                session, replayed = self._start(settings, folder, step, middle)
                if past is Past.FORKED:
                    facts = {"origin": str(origin.path), "episode": str(folder.path)}
                    emit("fork", **facts, step=state["step"], replayed=replayed)
                return session
            elif live is not None:
                live.lease.acquire(
                    state.get("run"), caller.served_thread
                )  # Busy, rather than closing the session of another run
                self._drop(live)
            return self._start(settings, folder, step, middle)[0]

    def hold(self, settings: EpisodeSettings, folder: EpisodeFolder, living: Living | None = None) -> Session:
        """Open an episode and keep its session alive until `close`; `living`: its world, where that need not be
        replayed."""
        with self._one_opening(folder):
            session, _ = self._start(settings, folder, None, None, living)
            self._held.add(str(folder.path))
            return session

    def close(self, folder: EpisodeFolder) -> None:
        """Close an episode's session, if it is live."""
        with self._lock:
            self._held.discard(str(folder.path))
            session = self._live.get(str(folder.path))
        if session is not None:
            self._drop(session)

    def give_up(self, session: Session, error: BaseException) -> None:
        """Close a session that any `error` interrupted; the next run rebuilds it.

        A machine's failure is recorded with the episode first.
        """
        try:
            if isinstance(error, MACHINE_FAILURES):
                session.end(session.result(failure_record(error, session.position.step)))
        except TraceFailure as second:
            error.add_note(f"The failure could not be recorded with the episode either: {second}")
        finally:
            self._drop(session)

    def limit(self, session: Session, reached: CeilingReached) -> None:
        """Record that a ceiling ended the episode and close its session; with a higher one it can go on."""
        try:
            session.end(session.result(limited=str(reached)))
        finally:
            self._drop(session)

    def lives(self, folder: EpisodeFolder) -> bool:
        """Whether an episode is open in this process, so that its forks need not replay all of it."""
        with self._lock:
            return str(folder.path) in self._live

    def _start(
        self,
        settings: EpisodeSettings,
        folder: EpisodeFolder,
        step: int | None,
        revision: int | None,
        living: Living | None = None,
    ) -> tuple[Session, int]:
        """Open an episode, in a branch of its parent's world where that lives; the session, and the actions that were
        replayed."""
        replayed = 0
        if living is None:
            living, replayed = self._branched(settings, folder)
        try:
            session = open_session(settings, folder, step=step, revision=revision, living=living)
        except BaseException:
            if living is not None:
                living.world.close()
            raise
        with self._lock:
            self._live[str(folder.path)] = session
            idle = [one for key, one in self._live.items() if key not in self._held and one.lease.run is None]
        for one in idle[: max(0, len(idle) - KEPT)]:
            self._drop(one)
        return session, replayed

    def _branched(self, settings: EpisodeSettings, folder: EpisodeFolder) -> tuple[Living | None, int]:
        """For a fork that no step was played of: its world as a branch of its parent's, where that is kept; and the
        actions replayed in it, else those that are to be replayed."""
        played = 0
        if folder.steps.exists():
            with TraceReader(folder) as reader:
                played = len(reader)
        origin = origin_of(folder)
        if origin is None or origin.step != played + 1 or played == 0:
            return None, played
        with self._lock:
            parent = self._live.get(origin.episode)
        same = ("world", "task", "seed", "max_steps", "world_options")
        if parent is None or any(getattr(parent.settings, name) != getattr(settings, name) for name in same):
            return None, played
        try:
            return parent.living(folder, origin.step) or (None, played)
        except RuntimeError:  # the parent's world has ended: its actions are replayed
            return None, played

    def _another_future(
        self, past: Past, folder: EpisodeFolder, step: int, middle: int | None, caller: Caller
    ) -> EpisodeFolder:
        """The folder in which an episode continues from an earlier step; the steps after it are kept elsewhere."""
        live = self._live.get(str(folder.path))
        if past is Past.FORKED:
            target = next_free(folder)
            fork_episode(folder, target, step, middle=middle)
            if caller.run is not None:
                ServedRuns(folder).begin(caller.run, step, 0, fork=str(target.path))
            return target
        if live is not None:
            live.lease.acquire(None, caller.served_thread)
            self._drop(live)
        aside = folder.set_attempt_aside()
        assert aside is not None, "an episode with a past has files"
        fork_episode(EpisodeFolder(aside), folder, step, middle=middle)
        return folder

    def _drop(self, session: Session) -> None:
        with self._lock:
            if self._live.get(str(session.folder.path)) is session:
                del self._live[str(session.folder.path)]
        session.close()

    @contextmanager
    def _one_opening(self, folder: EpisodeFolder) -> Iterator[None]:
        """One opening of an episode at a time; others' openings go on."""
        with self._lock:
            door = self._opening.setdefault(str(folder.path), Door())
        with door.lock:
            yield


class Door:
    """A lock that a weak dictionary can hold."""

    def __init__(self) -> None:
        self.lock = threading.Lock()


SESSIONS = Sessions()


def episode_folder(state: Mapping[str, Any], context: Context | None, thread: str | None) -> EpisodeFolder:
    """Where a run's episode lives: the folder it names, or its thread's run folder."""
    context = validated(context or Context())
    if (episode := state.get("episode")) not in (None, ""):
        if not isinstance(episode, str):
            raise SettingsError(f"The input episode must name a folder, not {shown_value(episode)}.")
        check_usable({"episode": episode})
        return EpisodeFolder(Path(episode))
    check_place(context.runs)
    run = RunFolder(thread_run(context.runs, thread or uuid.uuid4().hex))
    for begun in run.episodes():
        return begun
    settings = episode_settings(dict(state), context)
    return run.episode(settings.world, settings.task, settings.seed)


def thread_run(runs: str, thread: str) -> Path:
    """The run folder of a thread's episode."""
    usable = re.fullmatch(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,99}", thread)
    return Path(runs) / (thread if usable else uuid.uuid5(uuid.NAMESPACE_URL, thread).hex)


class Past(Enum):
    """What it means that a run begins at a step which the episode has already played."""

    FORKED = auto()
    """The thread holds later checkpoints: the run starts at an earlier one, and the steps after it are kept."""
    ROLLED_BACK = auto()
    """The run that played on was rolled back: the thread no longer knows of it."""
    PLAYED = auto()
    """The checkpoints after that step were lost, by a kill: the episode goes on where its trace ends."""


def _past(folder: EpisodeFolder, state: Mapping[str, Any], caller: Caller) -> Past | None:
    """What `state` means for the episode; None if it does not lie in its past."""
    if not state.get("episode") or "step" not in state or not folder.steps.exists():
        return None
    with TraceReader(folder) as reader:
        if state["step"] > len(reader):
            return None
    served = ServedRuns(folder)
    if served.get(caller.run) is not None:
        return Past.PLAYED
    if caller.saver is None or caller.holds_beyond(str(folder.path), state["step"]):
        return Past.FORKED
    last = served.last
    if last is None or last.process != PROCESS or last.begins != state["step"] or caller.holds_run(last.run):
        return Past.PLAYED
    return Past.ROLLED_BACK


def _agrees(settings: EpisodeSettings, state: Mapping[str, Any]) -> bool:
    return all(state.get(name) in (None, "", getattr(settings, name)) for name in ("world", "task", "seed", "model"))

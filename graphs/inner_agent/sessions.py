"""The live sessions of this process, keyed by episode folder; a missing one is rebuilt from its folder."""

from __future__ import annotations

import re
import threading
import uuid
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from graphs.inner_agent.ceilings import CeilingReached
from graphs.inner_agent.context import Context, EpisodeSettings, SettingsError, episode_settings
from graphs.inner_agent.failures import MACHINE_FAILURES, failure_record
from graphs.inner_agent.forking import fork_episode, next_free
from graphs.inner_agent.opening import open_session
from graphs.inner_agent.run_file import recorded_settings
from graphs.inner_agent.session import Session
from traces import EpisodeFolder, RunFolder, TraceReader

KEPT = 64
"""Idle sessions kept alive by a server: beyond that the least recently used one is closed, to be replayed when asked
for again. Evaluation holds its own and closes them."""


class Sessions:
    """Opens, finds and closes sessions. Safe to call from several threads."""

    def __init__(self) -> None:
        self._live: OrderedDict[str, Session] = OrderedDict()
        self._held: set[str] = set()
        self._lock = threading.RLock()

    def matching(self, state: Mapping[str, Any]) -> Session | None:
        """The live session that stands where `state` does; None if there is none (open one, then).

        Notes taken since `state` was current belong to an attempt that is now repeated, and are taken back.
        """
        episode = state.get("episode")
        if episode is None:
            return None
        with self._lock:
            session = self._live.get(episode)
            if session is None or not _agrees(session.settings, state):
                return None
            self._live.move_to_end(episode)
        if "step" in state and session.moment.step != state["step"]:
            return None
        if state.get("talk") is not None:
            if session.notebook.revision < state["revision"]:
                return None
            if session.notebook.revision > state["revision"]:
                session.notebook.rewind(state["revision"])
        return session

    def open(self, state: Mapping[str, Any], context: Context | None, thread: str | None) -> Session:
        """The session for a run: live, rebuilt from its folder, or of a new episode.

        Raises SettingsError if the run asks for another episode than its thread plays.
        """
        folder = episode_folder(state, context, thread)
        with self._lock:
            live = self._live.get(str(folder.path))
            if live is not None and "episode" not in state:
                _refuse_another(live.settings, state, folder)
                return live
            settings = _settings(folder, state, context)
            _refuse_another(settings, state, folder)
            if _is_past(folder, state):
                # An earlier checkpoint was taken up: what was played since stays, the other future gets its own folder.
                source, folder = folder, next_free(folder)
                middle = state["revision"] if state.get("talk") is not None else None
                notebook = live.notebook if live is not None else None
                fork_episode(source, folder, state["step"], notebook=notebook, middle=middle)
            elif live is not None:
                self._drop(str(folder.path))
            return self._start(settings, folder, state)

    def hold(self, settings: EpisodeSettings, folder: EpisodeFolder) -> Session:
        """Open an episode and keep its session alive until `close`."""
        with self._lock:
            self._held.add(str(folder.path))
            return self._start(settings, folder, {})

    def close(self, folder: EpisodeFolder) -> None:
        """Close an episode's session, if it is live."""
        with self._lock:
            self._held.discard(str(folder.path))
            self._drop(str(folder.path))

    @contextmanager
    def recording(self, session: Session) -> Iterator[None]:
        """Record a machine's failure with the episode, and let the session go: the next run rebuilds it."""
        try:
            yield
        except MACHINE_FAILURES as error:
            session.fail(failure_record(error, session.moment.step))
            with self._lock:
                self._drop(str(session.folder.path))
            raise
        except CeilingReached as reached:
            session.limit(reached)
            with self._lock:
                self._drop(str(session.folder.path))
            raise

    def _start(self, settings: EpisodeSettings, folder: EpisodeFolder, state: Mapping[str, Any]) -> Session:
        middle = state.get("talk") is not None
        session = open_session(settings, folder, step=state.get("step"), revision=state["revision"] if middle else None)
        self._live[str(folder.path)] = session
        for key in [key for key in self._live if key not in self._held][:-KEPT]:
            self._drop(key)
        return session

    def _drop(self, key: str) -> None:
        session = self._live.pop(key, None)
        if session is not None:
            session.close()


SESSIONS = Sessions()


def episode_folder(state: Mapping[str, Any], context: Context | None, thread: str | None) -> EpisodeFolder:
    """Where a run's episode lives: the folder it names, or its thread's run folder."""
    if state.get("episode"):
        return EpisodeFolder(Path(state["episode"]))
    runs = Path((context or Context(scaffold="")).runs)
    name = thread or uuid.uuid4().hex
    if not re.fullmatch(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,99}", name):
        name = uuid.uuid5(uuid.NAMESPACE_URL, name).hex
    run = RunFolder(runs / name)
    for begun in run.episodes():
        return begun
    settings = episode_settings(dict(state), context)
    return run.episode(settings.world, settings.task, settings.seed)


def _settings(folder: EpisodeFolder, state: Mapping[str, Any], context: Context | None) -> EpisodeSettings:
    """The settings an episode was started with; or, for a new one, those its first run asks for."""
    return recorded_settings(folder) or episode_settings(dict(state), context)


def _is_past(folder: EpisodeFolder, state: Mapping[str, Any]) -> bool:
    """Whether `state` stands at a step that the episode has already played."""
    if not state.get("episode") or "step" not in state or not folder.steps.exists():
        return False
    with TraceReader(folder) as reader:
        return bool(state["step"] <= len(reader))


def _agrees(settings: EpisodeSettings, state: Mapping[str, Any]) -> bool:
    return all(state.get(name) in (None, getattr(settings, name)) for name in ("world", "task", "seed", "model"))


def _refuse_another(settings: EpisodeSettings, state: Mapping[str, Any], folder: EpisodeFolder) -> None:
    if not _agrees(settings, state):
        raise SettingsError(
            f"This thread plays {settings.world}/{settings.task} seed {settings.seed} with {settings.model} "
            f"({folder.path}): start a new thread for another episode."
        )

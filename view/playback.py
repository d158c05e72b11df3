"""An episode for the replay page, piece by piece, while it is read: an episode of any length opens at once.

Steps are found by the trace's own index and packed when they are asked for. One thread per episode reads on in the
background: what each step was (the timeline), the notebook's history, and, in another, the frames, played again. It
goes on with an episode that is being played, and ends when nobody has asked for a while.
"""

from __future__ import annotations

import dataclasses
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from graphs.inner_agent.run_file import recorded_settings
from graphs.settings import SettingsError
from memory_fs.journal import NotebookFailure, Record, records
from traces import EpisodeFolder, EpisodeResult, TraceFailure, TraceReader, read_result
from traces.effects import read_effects
from traces.flags import Place, StepFlags, StepJudge, clock_of
from traces.records import StepRecord
from traces.replay import plain_result
from traces.replay_notebook import NotebookBlocks
from traces.replay_steps import PlainSteps
from traces.replay_timeline import MARKS, Timeline
from view.frames import IDLE_S, LOOK_S, ROOM, Drawing, about, drawing
from view.traffic import Traffic
from worlds import UnknownWorld

STEPS = 32
"""Steps of a piece."""
KEPT = 6
"""Episodes kept open; the one that was not asked for longest is closed."""
SOME = 100
"""Steps, and changes of the notebook, that are read between two looks at what else there is to do."""
REACH_S = 20.0
"""Seconds that a request waits for what is still being read."""
ARC_STEPS = 20_000
"""Steps whose gains are followed back to the notes that were recalled before them."""


class Playbacks:
    """The episodes that are open. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._open: OrderedDict[Path, Playback] = OrderedDict()

    def of(self, folder: EpisodeFolder) -> Playback:
        """The playback of an episode, opened if it is not. TraceFailure or TraceDamaged where it cannot be read."""
        with self._lock:
            found = self._open.pop(folder.path, None)
            if found is not None and found.is_stale():
                found.close()
                found = None
            found = found or Playback(folder)
            self._open[folder.path] = found
            if len(self._open) > KEPT:
                self._open.popitem(last=False)[1].close()
        found.asked()
        return found

    def close(self) -> None:
        """Close all."""
        with self._lock:
            for one in self._open.values():
                one.close()
            self._open.clear()


class Playback:
    """One episode. `asked` keeps it read on."""

    def __init__(self, folder: EpisodeFolder) -> None:
        self.folder = folder
        self._inode = _inode(folder)
        self._traffic = Traffic()
        """Requests to which reading on gives way; the first is what this is opened for."""
        with self._traffic.request():
            self._reader = TraceReader(folder)
        self._effects = read_effects(folder)
        self._reading = threading.Lock()
        """Of the reader."""
        self._news = threading.Condition()
        """Of everything below."""
        self.timeline = Timeline()
        self._judging = _Judging(self.timeline)
        self._book = _Book(folder.journal)
        self._arcs: list[dict[str, Any]] = []
        self._frames: Drawing | None = None
        self._fault = ""
        self._asked = time.monotonic()
        self._thread: threading.Thread | None = None
        self._closed = False
        self._waiting = 0
        """Requests that wait for the notebook: it is then read before the steps."""
        self._at_once = threading.Event()
        """Set while reading on gives way to nobody: it is waited for, or is to end."""

    def is_stale(self) -> bool:
        """Whether the trace in the folder is another one, because the episode was begun again."""
        return _inode(self.folder) != self._inode

    def asked(self) -> None:
        """Read on in the background, if that is not done already."""
        self._asked = time.monotonic()
        with self._news:
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._read_on, daemon=True, name=f"read {self.folder.path}")
                self._thread.start()

    def close(self) -> None:
        """Stop reading."""
        with self._news:
            self._closed = True
            self._at_once.set()
            self._news.notify_all()
        if self._frames is not None:
            self._frames.stop()

    @property
    def result(self) -> EpisodeResult | None:
        """How the episode ended; None where it has not, or its result cannot be read."""
        with suppress(TraceFailure):
            return read_result(self.folder)
        return None

    def head(self) -> dict[str, Any]:
        """What the page has to know before it asks for any piece."""
        with self._traffic.request():
            return self._head()

    def _head(self) -> dict[str, Any]:
        result = self.result
        settings, facts = None, dict[str, str]()
        with suppress(SettingsError, TraceFailure, KeyError, TypeError, UnknownWorld):
            settings = recorded_settings(self.folder)
        if settings is not None:
            facts = about(settings)
        if result is not None and result.status == "damaged" and result.failure is not None:
            facts["damaged"] = result.failure.sentence
        if settings is not None and (self._frames is None or self._frames.gave_up):
            self._frames = Drawing(self.folder, drawing(settings, ROOM), settings.max_steps or 2_000)
        more = self.more(0, 0, 0)
        steps = more["steps"]
        title = " · ".join((*self.folder.path.parts[-3:-1], self.folder.path.name.replace("-", " ")))
        episode = {
            "label": self.folder.path.parents[3].name,
            "about": facts,
            "steps": steps,
            "revision": more["revision"],
            "result": more["result"],
            "final": more["final"],
            "timeline": {"marks": [], "rewards": [], "progression": [], "milestones": []},
            "arcs": more["arcs"],
            "streams": {
                "steps": {"firsts": list(range(1, steps + 1, STEPS))},
                "notebook": {"firsts": [0]},
                "frames": {"kind": "none", "note": "", "firsts": [], "steps": []},
            },
        }
        return {"format": 1, "title": title, "marks": MARKS, "episodes": [episode], "parting": None, "every": STEPS}

    def more(self, first: int, pieces: int, frames: int, reach: int = 0) -> dict[str, Any]:
        """What was read since: marks of the steps after `first`, notebook pieces from number `pieces`, frames likewise.

        `reach`: a revision of the notebook up to which to wait, at most REACH_S.
        """
        if reach > 0:
            self._wait(lambda: self._book.revision >= reach)
        with self._reading:
            steps = self._reader.refresh()
            revision = self._reader.step(steps).revision if steps else 0
        result = self.result
        with self._news:
            timeline = self.timeline
            first = min(first, len(timeline.marks))
            since = first - 1  # the mark of the last step known may have changed: the next one judges its action
            found: dict[str, Any] = {
                "steps": steps,
                "revision": revision,
                "from": max(0, since),
                "marks": timeline.marks[max(0, since) :],
                "rewards": [one for one in timeline.rewards if one[0] > since],
                "progression": [one for one in timeline.progression if one[0] > since],
                "scanned": len(timeline.marks),
                "book": {"firsts": self._book.firsts[pieces:], "revision": self._book.revision},
                "arcs": self._arcs,
                "fault": self._fault,
            }
        found["result"] = None if result is None else plain_result(result)
        found["final"] = list(result.final_observation.values()) if result and result.final_observation else None
        found["frames"] = self._frames.since(frames) if self._frames else None
        return found

    def piece(self, kind: str, number: int) -> bytes:
        """A piece of "steps", "notebook" or "frames". IndexError where there is none, TraceDamaged where it is."""
        if kind == "steps":
            with self._traffic.request():
                return self._step_piece(number)
        if kind == "frames" and self._frames is not None:
            return self._frames.pieces[number]
        if kind == "notebook":
            self._wait(lambda: number < len(self._book.firsts))
            with self._news:
                return self._book.piece(number)
        raise IndexError(kind)

    def _step_piece(self, number: int) -> bytes:
        first = number * STEPS + 1
        with self._reading:
            last = min(first + STEPS - 1, self._reader.refresh())
            if not 1 <= first <= last:
                raise IndexError(number)
            before = max(1, first - 3)  # what three observations before say of an action
            found = [*self._reader.heads(before, first - 1), *map(self._reader.step, range(first, last + 1))]
            after = list(self._reader.heads(last + 1, last + 1)) if last < len(self._reader) else []
        final = None if after else (result.final_observation if (result := self.result) else None)
        plain = PlainSteps(self._effects, found[first - before - 1].revision if first > 1 else 0)
        judge = StepJudge()
        seen = [*(one.observation for one in (*found, *after)), final]
        for at, record in enumerate(found):
            clock = clock_of(record.info)
            judge.observe(record.observation, clock)
            redundant, empty = judge.operations(record)
            if record.step < first:
                continue
            if record.step <= len(self.timeline.marks):  # read in the background, with all writes before it
                redundant = self._judging.redundant.get(record.step, ())
            following = seen[at + 1]
            verdict = judge.action(following, clock) if following else None
            plain.add(record, StepFlags(record.step, bool(following), verdict, redundant, empty))
        return plain.packed()

    def _wait(self, come: Callable[[], bool]) -> None:
        with self._news:
            if come():
                return
            self._waiting += 1
            self._at_once.set()
            try:
                self._news.wait_for(lambda: self._closed or bool(self._fault) or come(), REACH_S)
            finally:
                self._waiting -= 1
                if not self._waiting and not self._closed:
                    self._at_once.clear()

    def _read_on(self) -> None:
        """Read what there is and then what comes, until the episode has ended or nobody asks any more."""
        try:
            with self._reading:
                other = self._reader.twin()
            with other as reader:
                while not self._closed and time.monotonic() - self._asked < IDLE_S:
                    if self._read_some(reader):
                        continue
                    result = self.result  # before one more look for steps: it says that no more will come
                    if self._read_some(reader):
                        continue
                    with self._news:
                        if result is not None:
                            self._judging.end(result.final_observation)
                    if result is not None:
                        self._follow_notes()
                        return
                    time.sleep(LOOK_S)
        except (TraceFailure, NotebookFailure) as failure:
            self._fault = str(failure)
        finally:
            with self._news:
                self._news.notify_all()

    def _read_some(self, reader: TraceReader) -> bool:
        """Read on by little, the notebook and the steps; whether there was anything to read."""
        some = SOME if self._traffic.give_way(self._at_once) else 10 * SOME  # without a pause: fewer, longer turns
        with self._news:
            changes = self._book.take(some)
            known = len(self.timeline.marks)
            if changes and self._waiting:
                self._news.notify_all()
                return True
        found = list(reader.heads(known + 1, min(known + some, reader.refresh())))
        with self._news:
            for record in found:
                self._judging.add(record)
            if found or changes:
                self._news.notify_all()
        return bool(found or changes)

    def _follow_notes(self) -> None:
        """Find the notes that were recalled before something was gained, in one more pass over the notebook."""
        if len(self.timeline.marks) <= ARC_STEPS and not self._arcs and self.folder.journal.exists():
            notebook = NotebookBlocks(self.folder.journal, self._book.revision, self.timeline.gains)
            for _ in notebook.blocks():
                pass
            self._arcs = [dataclasses.asdict(one) for one in notebook.arcs]


class _Book:
    """The notebook's history in pieces, taken in by little."""

    def __init__(self, journal: Path) -> None:
        self._journal = journal
        self._blocks = NotebookBlocks(journal, 0, ())
        self._pieces: list[bytes] = []
        self._last: Record | None = None

    @property
    def revision(self) -> int:
        return self._last.revision if self._last else 0

    @property
    def firsts(self) -> list[int]:
        """The revision that each piece begins with, that of the open one too."""
        return self._blocks.head()["firsts"]  # type: ignore[no-any-return]

    def take(self, most: int) -> int:
        """Take in at most so many changes; how many there were."""
        if not self._journal.exists():
            return 0
        taken = 0
        for record in records(self._journal, self.revision + most, self._last):
            ended = self._blocks.take(record)
            if ended is not None:
                self._pieces.append(ended)
            self._last = record
            taken += 1
        return taken

    def piece(self, number: int) -> bytes:
        """A piece; the open one as far as it goes. IndexError."""
        return self._blocks.rest() if number == len(self._pieces) else self._pieces[number]


class _Judging:
    """Fills a timeline step by step; what the observation after a step says of it is added to its mark then."""

    def __init__(self, timeline: Timeline) -> None:
        self._timeline = timeline
        self.redundant: dict[int, tuple[Place, ...]] = {}
        """By step, the writes that added nothing."""
        self._judge = StepJudge()
        self._clock = ""
        self._ended = False

    def add(self, record: StepRecord) -> None:
        clock = clock_of(record.info)
        self._judged(record.observation, clock)
        self._judge.observe(record.observation, clock)
        redundant, empty = self._judge.operations(record)
        if redundant:
            self.redundant[record.step] = redundant
        self._timeline.add(record, StepFlags(record.step, False, None, redundant, empty))
        self._clock = clock

    def end(self, final: Any) -> None:
        if final and not self._ended:
            self._ended = True
            self._judged(final, self._clock)

    def _judged(self, after: Any, clock: str) -> None:
        verdict = self._judge.action(after, clock) if self._judge.begun else None
        if verdict:
            self._timeline.marks[-1] |= MARKS[verdict]


def _inode(folder: EpisodeFolder) -> int:
    try:
        return folder.steps.stat().st_ino
    except OSError:
        return 0

"""What the world looked like at each step: the recorded actions played again, checked against the recorded words.

Pictures are kept as WebP, as sharp as the room for them allows; texts as lines of coloured parts, each line once.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from io import BytesIO
from itertools import chain
from pathlib import Path
from typing import Any

from PIL import Image

from graphs.settings import EpisodeSettings
from traces.folders import EpisodeFolder, TraceFailure
from traces.outline import StepOutline
from traces.plain_json import dump
from traces.reader import TraceReader
from traces.replay_blocks import TextTable, packed
from traces.replay_timeline import Timeline
from traces.report_data import who
from worlds import EngineFailure, MissingEngine, World, make_world
from worlds.world import ColouredText, Frame

ROOM = 8_000_000
"""Bytes of pictures in a page; in base64 they are a third more."""

RUNGS = ((1.0, 60, 0.155), (1.0, 40, 0.12), (0.75, 50, 0.085), (0.5625, 50, 0.05))
"""(scale, WebP quality, bytes per pixel of the unscaled picture) from sharp to coarse, measured on night and day."""

TEXTS = 20_000
"""Text frames of an episode."""

PIECE = 64
"""Frames of one piece."""

SHORT = 16
"""Frames of a piece of an episode that is drawn while it is looked at: the first are there when so many are drawn."""
IDLE_S = 45.0
"""Seconds without a request after which an episode is neither read on nor drawn."""
LOOK_S = 0.5
"""Seconds between looks for new steps."""


class Frames:
    """The frames of one episode; `note` says in a sentence if some or all are missing."""

    def __init__(
        self, make: Callable[[], World], seed: int, reader: TraceReader, timeline: Timeline, room: int
    ) -> None:
        self.note = ""
        self._make, self._seed, self._reader, self._timeline = make, seed, reader, timeline
        self._room = room
        self._kind = "none"
        self._firsts: list[int] = []
        self._steps: list[int] = []
        self._only: set[int] | None = None
        self._more: Callable[[], bool] = lambda: False
        self._expected, self._piece = 0, PIECE

    def only_gains(self) -> Frames:
        """Keep frames of the steps with a gain, before and after it, of the first and of the last one."""
        last = len(self._timeline.marks) + 1
        around = chain.from_iterable((step, step + 1) for step in self._timeline.milestones())
        self._only = {1, last, *around}
        return self

    def following(self, more: Callable[[], bool], expected: int, piece: int) -> Frames:
        """Draw steps written meanwhile, too: at the end of the trace `more` waits, and says whether there may be any.

        `expected`: steps that the room for pictures is shared among, where there are not more already. What is drawn
        before each wait is a piece of its own. `piece`: frames of one at most.
        """
        self._more, self._expected, self._piece = more, expected, piece
        return self

    def head(self) -> dict[str, Any]:
        """Return kind of the frames, their steps, the first step of each piece, and the note."""
        return {"kind": self._kind, "note": self.note, "firsts": self._firsts, "steps": self._steps}

    def blocks(self) -> Iterator[bytes]:
        """Play the episode again and yield its frames, piece by piece, up to where it parts from the trace."""
        try:
            world = self._make()
        except MissingEngine as error:
            self.note = f"No frames: {error}"
            return
        try:
            yield from self._draw(world)
        except EngineFailure as error:
            self.note = f"Frames end here: {error}"
        finally:
            world.close()

    def _draw(self, world: World) -> Iterator[bytes]:
        keeper: _Pictures | _Texts | None = None
        for step in self._played(world):
            if step is None:
                if keeper is not None and keeper.count:
                    yield keeper.piece()
                continue
            if keeper is None:
                frame = world.frame()
                keeper = _Texts() if isinstance(frame, str) else _Pictures(self._room)
                self._kind = keeper.kind
                last = len(self._reader) + 1
                wanted = self._wanted(keeper.most(frame), last)
                keeper.expected = max(len(wanted), self._expected)
            if (step <= last and step not in wanted) or (self._steps and step <= self._steps[-1]):
                continue
            if keeper.count == 0:
                self._firsts.append(step)
            keeper.add(world.frame())
            self._steps.append(step)
            if keeper.count == self._piece:
                yield keeper.piece()
        if keeper is not None and keeper.count:
            yield keeper.piece()

    def _played(self, world: World) -> Iterator[int | None]:
        """Yield the number of each step before its action is played, of one more after the last, None for a wait."""
        observation, _ = world.reset(seed=self._seed)
        last = 0
        for step in self._outlines():
            if step is None:
                if last:
                    yield last + 1
                yield None
                continue
            if step.observation != {"long": observation["long"], "short": observation["short"]}:
                self.note = (
                    f"Played again, the world shows something else than was recorded from step {step.step} on, so no "
                    "frames are shown from there: the episode was recorded with another version of its engine."
                )
                return
            yield step.step
            observation, *_ = world.step(step.action)
            last = step.step

    def _outlines(self) -> Iterator[StepOutline | None]:
        """The steps in order; None before each wait for further ones."""
        last = 0
        while True:
            for step in self._reader.outlines(last + 1):
                yield step
                last = step.step
            yield None
            if not self._more():
                return
            self._reader.refresh()

    def _wanted(self, most: int, last: int) -> set[int]:
        wanted = self._only or set(range(1, last + 1))
        if len(wanted) > most:
            every = -(-len(wanted) // most)
            kept = {step for number, step in enumerate(sorted(wanted)) if number % every == 0}
            gains = [step for step in self._timeline.milestones() if step in wanted][:most]
            self.note = f"So many frames would make the page too large: about every {every}th is shown."
            return {*kept, *gains, last}
        return wanted


class _Texts:
    kind = "text"
    expected = 0

    def __init__(self) -> None:
        self.count = 0
        self._table, self._frames = TextTable(), list[dict[str, Any]]()

    def most(self, _: Frame) -> int:
        return TEXTS

    def add(self, frame: Frame) -> None:
        """Keep a frame: each of its lines as JSON, a list of (text, colour)."""
        assert isinstance(frame, str)
        lines = frame.runs if isinstance(frame, ColouredText) else [((line, ""),) for line in frame.split("\n")]
        cursor = frame.cursor if isinstance(frame, ColouredText) else None
        rows = "\n".join(dump(line).decode() for line in lines)
        self._frames.append({"rows": self._table.add(rows), "cursor": cursor})
        self.count += 1

    def piece(self) -> bytes:
        done = packed({**self._table.plain(), "frames": self._frames})
        self.count, self._table, self._frames = 0, TextTable(), []
        return done


class _Pictures:
    kind = "picture"

    def __init__(self, room: int) -> None:
        self.count = 0
        self.expected = 0
        self._room = room
        self._pictures: list[bytes] = []

    def most(self, frame: Frame) -> int:
        """How many of the coarsest fit into the room."""
        assert not isinstance(frame, str)
        return max(1, int(self._room / (RUNGS[-1][2] * frame.shape[0] * frame.shape[1])))

    def add(self, frame: Frame) -> None:
        """Keep a picture, as sharp as the room left over for each of those to come allows."""
        assert not isinstance(frame, str)
        picture = Image.fromarray(frame[:, :, :3])
        each = self._room / max(1, self.expected)
        pixels = picture.width * picture.height
        scale, quality, _ = next((rung for rung in RUNGS if rung[2] * pixels <= each), RUNGS[-1])
        kept = _webp(picture, quality, scale)
        self._pictures.append(kept)
        self._room -= len(kept)
        self.expected -= 1
        self.count += 1

    def piece(self) -> bytes:
        """The pictures: how many, and the bytes of each, as 32-bit numbers, lowest byte first; then the bytes."""
        numbers = [self.count, *map(len, self._pictures)]
        done = b"".join([*(number.to_bytes(4, "little") for number in numbers), *self._pictures])
        self._pictures, self.count = [], 0
        return done


def _webp(picture: Image.Image, quality: int, scale: float) -> bytes:
    if scale != 1:
        size = round(picture.width * scale), round(picture.height * scale)
        picture = picture.resize(size, Image.Resampling.BOX)
    file = BytesIO()
    picture.save(file, "WEBP", quality=quality, method=2)
    return file.getvalue()


def about(settings: EpisodeSettings) -> dict[str, str]:
    """What a replay page says of an episode's settings, in the order to be shown."""
    scaffold = Path(settings.scaffold)
    about = {"scaffold": "/".join(scaffold.parts[-2:]), "model": who(settings.model)}
    if settings.gameplay_model:
        about["gameplay model"] = who(settings.gameplay_model)
    return about | {"notebook": settings.notebook}


def drawing(
    settings: EpisodeSettings, room: int, *, only_gains: bool = False
) -> Callable[[TraceReader, Timeline], Frames]:
    """What draws the frames of an episode, all of them or those around gains. `room`: bytes of its pictures."""

    def draw(reader: TraceReader, timeline: Timeline) -> Frames:
        drawn = Frames(
            lambda: make_world(settings.world, settings.task, max_steps=settings.max_steps, **settings.world_options),
            settings.seed,
            reader,
            timeline,
            room,
        )
        return drawn.only_gains() if only_gains else drawn

    return draw


class Drawing:
    """Draws the frames of an episode in a thread of its own, from the time the first are asked for."""

    def __init__(self, folder: EpisodeFolder, draw: Callable[[TraceReader, Timeline], Frames], expected: int) -> None:
        self.pieces: list[bytes] = []
        self._folder, self._draw, self._expected = folder, draw, expected
        self._stopped = threading.Event()
        self._asked = time.monotonic()
        self._frames: Frames | None = None
        self.over = False
        self.gave_up = False
        """Whether it stopped before the episode did, because nobody looked."""
        threading.Thread(target=self._work, daemon=True, name=f"draw {folder.path}").start()

    def since(self, number: int) -> dict[str, Any]:
        """What was drawn after the first `number` pieces."""
        self._asked = time.monotonic()
        nothing: dict[str, Any] = {"kind": "none", "note": "", "firsts": [], "steps": []}
        head = self._frames.head() if self._frames else nothing
        done = len(self.pieces)
        firsts = head["firsts"][: done + 1]
        last = firsts[done] if len(firsts) > done else None
        start = firsts[number] if number < len(firsts) else 0
        steps = [one for one in head["steps"] if one >= start and (last is None or one < last)] if number < done else []
        drawn = {"firsts": firsts[number:done], "steps": steps, "done": done}
        return {"kind": head["kind"], "note": head["note"], "over": self.over, **drawn}

    def stop(self) -> None:
        """Draw no further."""
        self._stopped.set()

    def _work(self) -> None:
        try:
            self._draw_all()
        finally:
            self.over = True

    def _draw_all(self) -> None:
        with suppress(TraceFailure), TraceReader(self._folder) as reader:
            frames = self._draw(reader, Timeline()).following(self._more, self._expected, SHORT)
            self._frames = frames
            for piece in frames.blocks():
                self.pieces.append(piece)
                if self._stopped.is_set():
                    return

    def _more(self) -> bool:
        """Wait for further steps, as long as the episode is being played and looked at."""
        if any(path.exists() for path in (self._folder.result, self._folder.failure, self._folder.limited)):
            return False
        self.gave_up = self._stopped.wait(LOOK_S) or time.monotonic() - self._asked > IDLE_S
        return not self.gave_up

"""Frames of a replay page: the recorded actions played again, checked, and kept in bounded room."""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from playing import folder_of, play

from traces import EpisodeFolder, TraceReader
from traces.flags import StepFlags
from traces.replay_timeline import Timeline
from view.frames import RUNGS, Frames
from worlds import MissingEngine, World, make_world
from worlds.world import ColouredText, Frame


def vault(tmp_path: Path, steps: int = 20) -> EpisodeFolder:
    """An episode of the vault, played by its scripted player."""
    play(tmp_path, steps, world="vault", task="one-door", seed=3)
    return folder_of(tmp_path)


def drawn(
    folder: EpisodeFolder, make: Callable[[], World], room: int = 10_000_000, seed: int = 3, gains: bool = False
) -> tuple[dict[str, Any], list[bytes]]:
    """The head and the pieces of an episode's frames."""
    with TraceReader(folder) as reader:
        timeline = Timeline()
        for record in reader:
            timeline.add(record, StepFlags(record.step, False, None))
        frames = Frames(make, seed, reader, timeline, room)
        pieces = list((frames.only_gains() if gains else frames).blocks())
    return frames.head(), pieces


def rows(piece: bytes) -> list[str]:
    """The frames of a piece of text frames, without colours."""
    told = json.loads(zlib.decompress(piece, -15))
    frames = []
    for frame in told["frames"]:
        at, lines = 0, []
        for difference in told["texts"][frame["rows"]]:
            at += difference
            lines.append("".join(text for text, _ in json.loads(told["lines"][at])))
        frames.append("\n".join(lines))
    return frames


def one_door() -> World:
    return make_world("vault", "one-door", max_steps=100)


def pictures(piece: bytes) -> list[bytes]:
    """The pictures of a piece."""
    numbers = np.frombuffer(piece, "<u4", int.from_bytes(piece[:4], "little") + 1)
    found, at = [], 4 * len(numbers)
    for length in numbers[1:]:
        found.append(piece[at : at + length])
        at += int(length)
    assert at == len(piece)
    return found


def test_each_step_has_what_stood_there_before_its_action_and_the_end_what_came_of_the_last(tmp_path: Path) -> None:
    folder = vault(tmp_path)
    head, pieces = drawn(folder, one_door)
    world = one_door()
    world.reset(seed=3)
    stood = [str(world.frame())]
    with TraceReader(folder) as reader:
        for record in reader:
            world.step(record.action)
            stood.append(str(world.frame()))
    assert [frame for piece in pieces for frame in rows(piece)] == stood
    assert (head["kind"], head["note"]) == ("text", "")
    assert head["steps"] == list(range(1, len(stood) + 1))


def test_frames_of_gains_are_those_before_and_after_and_both_ends(tmp_path: Path) -> None:
    folder = vault(tmp_path)
    head, _ = drawn(folder, one_door, gains=True)
    with TraceReader(folder) as reader:
        gained = [record.step for record in reader if record.reward]
        last = len(reader) + 1
    assert head["steps"] == sorted({1, last, *gained, *(step + 1 for step in gained)})


def test_a_replay_that_shows_something_else_ends_the_frames_and_says_so(tmp_path: Path) -> None:
    folder = vault(tmp_path)
    head, pieces = drawn(folder, lambda: make_world("vault", "three-doors", max_steps=100))
    assert "shows something else than was recorded from step 1 on" in head["note"]
    assert (pieces, head["kind"], head["steps"]) == ([], "none", [])


def test_without_the_engine_there_are_no_frames_but_a_sentence(tmp_path: Path) -> None:
    def make() -> World:
        raise MissingEngine("The engine of world 'vault' cannot be imported; install it with: pip install vault")

    head, pieces = drawn(vault(tmp_path), make)
    assert pieces == []
    assert head["note"].startswith("No frames: The engine of world 'vault'")


class _Noisy(World):
    """The vault in pictures of noise, which nothing compresses, or in colours."""

    def __init__(self, look: Callable[[int], Frame]) -> None:
        self._world = one_door()
        self.name, self.tasks, self.actions = "noisy", ("t",), self._world.actions
        super().__init__("t", 100)
        self._look = look

    def _reset(self, seed: int) -> Any:
        return self._world._reset(seed)

    def _step(self, action: str) -> Any:
        return self._world._step(action)

    def frame(self) -> Frame:
        return self._look(self.steps)


def noise(step: int) -> NDArray[np.uint8]:
    return np.random.default_rng(step).integers(0, 255, (96, 128, 3), np.uint8)


def test_pictures_fit_the_room_and_are_sharper_where_there_is_more(tmp_path: Path) -> None:
    from io import BytesIO

    from PIL import Image

    folder = vault(tmp_path)
    pixels = 96 * 128
    with TraceReader(folder) as reader:
        frames = len(reader) + 1
    widths, sizes = [], []
    for room in (10_000_000, int(frames * pixels * RUNGS[2][2]) + 1):
        head, pieces = drawn(folder, lambda: _Noisy(noise), room)
        assert head["kind"] == "picture"
        found = [Image.open(BytesIO(one)) for piece in pieces for one in pictures(piece)]
        assert len(found) == frames
        widths.append(found[0].width)
        sizes.append(sum(map(len, pieces)))
    assert widths == [128, 96]
    assert sizes[1] < sizes[0]


def test_too_many_pictures_are_thinned_and_the_page_says_so(tmp_path: Path) -> None:
    folder = vault(tmp_path)
    head, pieces = drawn(folder, lambda: _Noisy(noise), int(4 * RUNGS[-1][2] * 96 * 128) + 1)
    assert "is shown" in head["note"]
    assert 2 <= len(head["steps"]) <= 7
    assert head["steps"][0] == 1
    assert sum(len(pictures(piece)) for piece in pieces) == len(head["steps"])


def test_coloured_text_keeps_its_colours_and_its_cursor(tmp_path: Path) -> None:
    look = ColouredText.of(((("@", "#ffffff"), ("..<script>", "#5c5c5c")), ()), (0, 1))
    _, pieces = drawn(vault(tmp_path), lambda: _Noisy(lambda _: look))
    told = json.loads(zlib.decompress(pieces[0], -15))
    assert [json.loads(line) for line in told["lines"]] == [[["@", "#ffffff"], ["..<script>", "#5c5c5c"]], []]
    assert told["frames"][0]["cursor"] == [0, 1]

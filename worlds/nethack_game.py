"""What the worlds on NetHack's engine share: keys by name, BALROG's text, endings, and pictures for people."""

from __future__ import annotations

from abc import abstractmethod
from itertools import groupby
from typing import Any

import numpy as np
from numpy.typing import NDArray

from worlds.frame_image import picture
from worlds.nethack_engine import Answer, NetHackEngine, find_files_by_working_directory, keys
from worlds.nethack_text import Wording, observation
from worlds.world import ColouredText, Frame, Turn, World

COLOURS = (
    *("#5c5c5c", "#cd3131", "#0dbc79", "#b5843f", "#3b6fe0", "#bc3fbc", "#11a8cd", "#cccccc"),
    *("#808080", "#ff8c1a", "#23d18b", "#f5f543", "#6f9bff", "#ff6fff", "#29e5ff", "#ffffff"),
)
"""NetHack's sixteen colours; black, which is shown on black, is dark grey, and brown is brown."""

_MAP_ROWS = slice(1, 22)
"""Of the terminal; above them is the message, below them the status."""
_LETTERS = 26
"""Size of the letters around the tiles, in pixels: eighty of them are about as wide as the map's tiles."""


def coloured_text(
    tty_chars: NDArray[np.uint8], tty_colors: NDArray[np.int8], tty_cursor: NDArray[np.uint8]
) -> ColouredText:
    """The terminal's 24 lines of 80; characters and colours have shape (24, 80), the cursor is (row, column)."""
    rows = []
    for line, colours in zip(tty_chars, (tty_colors & 15).tolist(), strict=True):
        shown = "".join(c if c.isprintable() else " " for c in line.tobytes().decode("latin-1"))
        cells = zip(shown, colours, strict=True)
        rows.append(
            tuple(
                ("".join(c for c, _ in same), COLOURS[colour]) for colour, same in groupby(cells, lambda cell: cell[1])
            )
        )
    row, column = tty_cursor.tolist()
    return ColouredText.of(tuple(rows), (row, column))


def tiled(terminal: ColouredText, tiles: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The map's tiles (RGB) with the terminal's message above and its status below: RGB of the tiles' width.

    A menu covers the terminal's map, not the tiles: it is seen in the terminal alone.
    """
    lines = terminal.runs
    parts = (lines[: _MAP_ROWS.start], None, lines[_MAP_ROWS.stop :])
    return np.vstack([tiles if part is None else _strip(part, tiles.shape[1]) for part in parts])


def _strip(lines: tuple[tuple[tuple[str, str], ...], ...], width: int) -> NDArray[np.uint8]:
    """Lines of the terminal as a picture of that width."""
    drawn = picture(ColouredText.of(lines), _LETTERS)[:, :width]
    return np.pad(drawn, ((0, 0), (0, width - drawn.shape[1]), (0, 0)))


DEPTH, HP, MAX_HP, SCORE, XP, TURN = 12, 10, 11, 9, 18, 20
"""Where nle's `blstats` has them; column and row of the player are 0 and 1."""


class NetHackGame(World):
    """A world on nle. Subclasses make the environment of an episode and say what its endings are worth."""

    _engine: NetHackEngine

    def __init__(self, task: str, max_steps: int, wording: str = Wording.NUMERIC) -> None:
        super().__init__(task, max_steps)
        self._wording = Wording(wording)
        self._status: dict[str, Any] = {}
        self._over = False

    @abstractmethod
    def _environment(self, seed: int) -> Any:
        """A new nle environment for the episode of `seed`."""

    @abstractmethod
    def _judge(self, answer: Answer) -> Turn:
        """What an answer is worth; the observation is filled in afterwards."""

    def _reset(self, seed: int) -> Turn:
        self._close_engine()
        self._engine = NetHackEngine(self._environment(seed), seed)
        self._status = {}
        return self._worded(self._valued(Answer("", 0.0, False, "RUNNING")), message=None)

    def _step(self, action: str) -> Turn:
        answer = self._engine.press(keys()[action])
        return self._worded(self._valued(answer), answer.message)

    def _skip(self, action: str) -> Turn:
        return self._valued(self._engine.press(keys()[action]))

    def _valued(self, answer: Answer) -> Turn:
        """What an answer is worth, with the figures of the status line; its observation is empty."""
        self._over = answer.over
        if not answer.over:  # a game that is over shows nothing but zeros
            figures = self._engine.screen.blstats.tolist()
            self._status = {
                "dlvl": figures[DEPTH],
                "xp": figures[XP],
                "hp": figures[HP],
                "max_hp": figures[MAX_HP],
                "turn": figures[TURN],
                "score": figures[SCORE],
                "position": figures[:2],
            }
        turn = self._judge(answer)
        return turn._replace(statistics=self._status | turn.statistics)

    def _worded(self, turn: Turn, message: str | None) -> Turn:
        return turn._replace(observation=observation(self._engine.screen, self._wording, message))

    def frame(self) -> Frame:
        """The terminal: text of 24 lines with its colours and its cursor."""
        return self._terminal()

    def tiles(self) -> NDArray[np.uint8] | None:
        """The map in NetHack's tiles between the terminal's message and status: RGB of shape (432, 1264, 3).

        None once the game is over: there is no map then.
        """
        return None if self._over else tiled(self._terminal(), self._engine.tiles())

    def _terminal(self) -> ColouredText:
        screen = self._engine.screen
        return coloured_text(screen.tty_chars, self._engine.colours, screen.tty_cursor)

    def _alone(self) -> None:
        find_files_by_working_directory()

    def _branched(self) -> None:
        if "_engine" in self.__dict__:
            self._engine.copy_files()

    def close(self) -> None:
        """End the game."""
        super().close()
        self._close_engine()

    def _close_engine(self) -> None:
        engine = self.__dict__.pop("_engine", None)
        if engine is not None:
            engine.close()

"""What the worlds on NetHack's engine share: keys by name, BALROG's text, endings, and what people look at."""

from abc import abstractmethod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from worlds import nethack_actions, nethack_frame
from worlds.nethack_engine import Answer, NetHackEngine
from worlds.nethack_text import Wording, observation
from worlds.world import ColouredText, Frame, Turn, World

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
        return self._told(Answer("", 0.0, False, "RUNNING"), message=None)

    def _step(self, action: str) -> Turn:
        answer = self._engine.press(nethack_actions.keys()[action])
        return self._told(answer, message=answer.message)

    def _told(self, answer: Answer, message: str | None) -> Turn:
        screen = self._engine.screen
        self._over = answer.over
        if not answer.over:  # a game that is over shows nothing but zeros
            figures = screen.blstats.tolist()
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
        return turn._replace(
            observation=observation(screen, self._wording, message), statistics=self._status | turn.statistics
        )

    def frame(self) -> Frame:
        """The terminal: text of 24 lines with its colours and its cursor."""
        return self._terminal()

    def tiles(self) -> NDArray[np.uint8] | None:
        """The map in NetHack's tiles between the terminal's message and status: RGB of shape (432, 1264, 3).

        None once the game is over: there is no map then.
        """
        return None if self._over else nethack_frame.tiled(self._terminal(), self._engine.tiles())

    def _terminal(self) -> ColouredText:
        screen = self._engine.screen
        return nethack_frame.text(screen.tty_chars, self._engine.colours, screen.tty_cursor)

    def close(self) -> None:
        """End the game."""
        super().close()
        self._close_engine()

    def _close_engine(self) -> None:
        engine = self.__dict__.pop("_engine", None)
        if engine is not None:
            engine.close()

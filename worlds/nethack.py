"""NetHack as a world: nle's NetHackChallenge, a random character, keys by name, BALROG's text and progression."""

from typing import Any

from nle.env.tasks import NetHackChallenge

from worlds.nethack_engine import NO_LIMIT, OBSERVED, Answer, key_actions
from worlds.nethack_game import NetHackGame
from worlds.nethack_text import Wording
from worlds.world import Observation, Turn

TASKS = ("NetHackChallenge-v0",)

STALLED = 150
"""Actions without a game turn after which an episode is given up: the paper's protocol."""

_EMPTY = Observation(long="", short="")

DLVL = (
    *(0.0, 0.015392, 0.017540, 0.021221, 0.026482, 0.035429, 0.048461, 0.069581, 0.097709, 0.125586),
    *(0.161268, 0.206129, 0.256604, 0.292472, 0.308812, 0.324907, 0.340079, 0.352646, 0.365488, 0.378957),
    *(0.392937, 0.408323, 0.425836, 0.445181, 0.466376, 0.506761, 0.554357, 0.601565, 0.646505, 0.691311),
    *(0.710109, 0.717646, 0.723212, 0.728441, 0.732776, 0.736853, 0.742146, 0.747132, 0.753731, 0.761040),
    *(0.767408, 0.772534, 0.777163, 0.781257, 0.785899, 0.789026, 0.792972, 0.796741, 0.801847, 0.806796),
)
"""Progression at Dlvl 1, 2, … 50."""

XP = (
    *(0.0, 0.018478, 0.020812, 0.024160, 0.029109, 0.036888, 0.050758, 0.074536, 0.117050, 0.179100),
    *(0.254804, 0.332649, 0.414426, 0.494039, 0.577882, 0.626122, 0.656282, 0.681022, 0.701533, 0.717449),
    *(0.728698, 0.737100, 0.744345, 0.751345, 0.758554, 0.764215, 0.770338, 0.775981, 0.778335, 0.780456),
)
"""Progression at Xp 1, 2, … 30."""


class NetHackWorld(NetHackGame):
    """NetHack under BALROG's protocol. Statistics hold the figures of the status line and the deepest level reached.

    Options: `wording`, see worlds.nethack_text.
    """

    name = "nethack"
    tasks = TASKS
    actions = key_actions(default="esc")
    clock = r"(?m)\bT:\d+| +$"
    """The turn counter in the status line, and the blanks at the ends of lines, fewer by one when it grows longer."""

    def __init__(self, task: str, max_steps: int, wording: str = Wording.NUMERIC) -> None:
        super().__init__(task, max_steps, wording)
        self._deepest = self._highest = self._stalled = 0
        self._turn: int | None = None

    def _environment(self, seed: int) -> Any:
        self._deepest = self._highest = self._stalled = 0
        self._turn = None
        env = NetHackChallenge(
            character="@",
            observation_keys=OBSERVED,
            max_episode_steps=NO_LIMIT,
            no_progress_timeout=NO_LIMIT,
            fix_moon_phase=True,
        )
        for forbidden in ("set_initial_seeds", "set_current_seeds", "get_current_seeds"):
            delattr(env.nethack, forbidden)  # the challenge hides the methods that seed behind ones that raise
        return env

    def _judge(self, answer: Answer) -> Turn:
        self._deepest = max(self._deepest, self._status["dlvl"])
        self._highest = max(self._highest, self._status["xp"])
        turn = self._status["turn"]
        self._stalled = self._stalled + 1 if turn == self._turn else 0
        self._turn = turn
        return Turn(
            _EMPTY,
            answer.reward,
            progression(self._deepest, self._highest),
            statistics={"deepest": self._deepest, "highest_xp": self._highest, "stalled": self._stalled},
            end_reason=self._end_reason(answer),
        )

    def _end_reason(self, answer: Answer) -> str | None:
        if not answer.over:
            return f"aborted: {STALLED} actions without a game turn" if self._stalled >= STALLED else None
        return ending(self._engine.last_words())


def ending(words: str) -> str:
    """The end reason of a game that ended with these last words; a game may end without any."""
    if words in ("quit", "escaped", "ascended"):
        return words
    return f"died: {words}" if words else "ended"


def progression(dlvl: int, xp: int) -> float:
    """How far a game has come: the larger of two shares of games people played (BALROG's tables).

    Those that ended above the deepest dungeon level (Dlvl) reached, and above the highest experience level (Xp).
    Levels past the end of a table count as its last, below 1 as its first.
    """
    return max(table[min(max(level, 1), len(table)) - 1] for table, level in ((DLVL, dlvl), (XP, xp)))

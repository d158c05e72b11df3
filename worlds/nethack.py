"""NetHack as a world: nle's NetHackChallenge, a random character, keys by name, BALROG's text and progression."""

from typing import Any

from nle.env.tasks import NetHackChallenge

from worlds import nethack_actions
from worlds.nethack_engine import NO_LIMIT, OBSERVED, Answer
from worlds.nethack_game import NetHackGame
from worlds.nethack_progress import progression
from worlds.nethack_text import Wording
from worlds.world import Observation, Turn

TASKS = ("NetHackChallenge-v0",)

STALLED = 150
"""Actions without a game turn after which an episode is given up: the paper's protocol."""

_UNSAID = Observation(long="", short="")


class NetHackWorld(NetHackGame):
    """NetHack under BALROG's protocol. Statistics hold the figures of the status line and the deepest level reached.

    Options: `wording`, see worlds.nethack_text.
    """

    name = "nethack"
    tasks = TASKS
    actions = nethack_actions.actions(default="esc")
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
            _UNSAID,
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

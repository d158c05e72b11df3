"""nle's game made a function of task, seed and keys alone, and its last words read.

What stands in the way, and what is done here:
- `reset(seed=…)` seeds nothing: both generators are seeded, and reseeding forbidden, before the reset.
- The moon and Friday the 13th change seeded games: environments are made with `fix_moon_phase`.
- Score and save files stay with an environment and show in later games: every episode gets an environment of its own
  (14 ms), whose folder goes when it is closed.
Every environment loads its own copy of the game's library, so that any number run side by side.
"""

from pathlib import Path
from typing import Any, NamedTuple

from nle.env.base import NLE

from worlds.nethack_actions import MORE_KEY
from worlds.nethack_screen import MORE, joined, screen_text, top_message
from worlds.nethack_text import Screen
from worlds.world import EngineFailure

OBSERVED = ("glyphs", "blstats", "tty_chars", "tty_colors", "tty_cursor", "inv_strs", "inv_letters")
"""nle's observation keys that text and frames are made from."""

NO_LIMIT = 2**62
"""Steps an environment may take: limits are the world's."""

_MOST_PAGES = 1_000
"""Pages joined into one message; the game never has so many."""


class Answer(NamedTuple):
    """What a key led to."""

    message: str
    """All its pages, joined."""
    reward: float
    over: bool
    status: str
    """nle's `end_status`: RUNNING, DEATH, ABORTED or TASK_SUCCESSFUL."""


class NetHackEngine:
    """One episode in an nle environment that was made for it. Arrays it shows change in place with the next key."""

    def __init__(self, env: Any, seed: int) -> None:
        self._env = env
        self._index = {int(key): index for index, key in enumerate(env.actions)}
        self._tiles: Any = None
        NLE.seed(env, core=seed, disp=seed, reseed=False)
        self._seen: dict[str, Any] = env.reset()[0]

    @property
    def screen(self) -> Screen:
        """What the game shows now."""
        return Screen(*(self._seen[key] for key in Screen._fields))

    @property
    def colours(self) -> Any:
        """nle's colours of the terminal's characters, 0–15, shape (24, 80)."""
        return self._seen["tty_colors"]

    def press(self, key: int) -> Answer:
        """Press a key and, while pages of a message wait and the task has a key for it, the key that shows the next.

        KeyError for a key the task does not accept.
        """
        answer = self._press(key)
        for _ in range(_MOST_PAGES):
            if answer.over or MORE not in answer.message or MORE_KEY not in self._index:
                break
            following = self._press(MORE_KEY)
            answer = following._replace(
                message=joined(answer.message, following.message), reward=answer.reward + following.reward
            )
        return answer

    def _press(self, key: int) -> Answer:
        self._seen, reward, over, _, info = self._env.step(self._index[key])
        message = top_message(screen_text(self._seen["tty_chars"]))
        return Answer(message, float(reward), bool(over), info["end_status"].name)

    def last_words(self) -> str:
        """Why the game ended, in the words of its own log: "killed by a newt", "starved", "quit"; empty without any."""
        record = (Path(self._env.nethack._vardir) / "xlogfile").read_text(encoding="latin-1")
        fields = dict(field.partition("=")[::2] for field in record.strip("\n").split("\t"))
        return "".join(filter(str.isprintable, fields.get("death", "")))

    def tiles(self) -> Any:
        """The map in nle's own tiles: RGB of shape (336, 1264, 3)."""
        import numpy as np
        from nle import nethack

        game = self._env.nethack
        if self._tiles is None:
            if not game.setup_tiles():
                raise EngineFailure("nle cannot read its tiles")
            self._tiles = np.zeros(nethack.TILE_RENDER_SHAPE, dtype=np.uint8)
        game.draw_frame(self._tiles)  # only what has changed since it was drawn last
        return self._tiles.copy()

    def close(self) -> None:
        """End the game and remove its folder."""
        self._env.close()

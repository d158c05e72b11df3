"""nle's game made a function of task, seed and keys alone; the keys a player can press; and why a game ended.

nle differs from that in three ways, each dealt with here:
- `reset(seed=…)` seeds nothing: both generators are seeded, and reseeding forbidden, before the reset.
- The moon and Friday the 13th change seeded games: environments are made with `fix_moon_phase`.
- Score and save files stay with an environment and show in later games: every episode gets an environment of its own
  (14 ms), whose folder goes when it is closed.
Every environment loads its own copy of the game's library, so that any number run side by side.

Keys have BALROG's names, each with one line of help; names and keys are in nethack_actions.json. Letters and digits,
each its own key, follow them here. Commands that ask something ("In what direction?", "What do you want to eat? [fg or
?*]") are answered by the next action: a direction's name, a letter, a digit. Two things differ from BALROG. It lists
six names it then refuses (annotate, overview, teleport, travel, minus, apos): all six are accepted here. It accepts the
two-digit numbers 00 to 99 and breaks when one is played: here a number is typed digit by digit. What it accepts without
listing it (adjust, chat, …) is listed here.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import string
import tempfile
import weakref
from collections.abc import Container
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from nle.env.base import NLE
from nle.nethack import TILE_RENDER_SHAPE, nethack

from worlds.nethack_text import MORE, Screen, joined, screen_text, top_message
from worlds.world import Actions, EngineFailure

_DATA = Path(__file__).with_name("nethack_actions.json")

MORE_KEY = 13
"""Shows the next page of a message."""


@cache
def keys() -> dict[str, int]:
    """The key of every name, in the order names are listed."""
    return {name: key for name, key, _ in _table()} | {letter: ord(letter) for letter in _LETTERS}


def key_actions(default: str, accepted: Container[int] | None = None, first: tuple[str, ...] = ()) -> Actions:
    """The names whose keys are among the `accepted` (all without it), those of `first` before the others."""
    helps = {name: text for name, _, text in _table()} | dict.fromkeys(_LETTERS, "")
    names = [name for name, key in keys().items() if accepted is None or key in accepted]
    return Actions({name: helps[name] for name in (*first, *(name for name in names if name not in first))}, default)


def only(names: tuple[str, ...], default: str) -> Actions:
    """These names and no others."""
    return key_actions(default, accepted=(), first=names)


_LETTERS = string.ascii_letters + string.digits


@cache
def _table() -> tuple[tuple[str, int, str], ...]:
    return tuple((name, key, text) for name, key, text in json.loads(_DATA.read_text(encoding="utf-8")))


OBSERVED = ("glyphs", "blstats", "tty_chars", "tty_colors", "tty_cursor", "inv_strs", "inv_letters")
"""nle's observation keys that text and frames are made from."""

NO_LIMIT = 2**62
"""Steps an environment may take: limits are the world's."""

_MOST_PAGES = 1_000
"""Pages joined into one message; the game never has so many."""


_HERE = "/proc/self/cwd"


def find_files_by_working_directory() -> None:
    """Have games made from now on find their files through the process's working directory, where each enters its own.

    A game keeps every level that it has left in a file of its folder, whose path it is given once. This path leads two
    forked games to two folders. For a process that plays one game at a time.
    """
    engine = nethack._pynethack
    if not isinstance(engine, _GameInWorkingDirectory):
        nethack._pynethack = _GameInWorkingDirectory(engine)


class _GameInWorkingDirectory:
    """nle's C module, but for the folder that it gives to a game."""

    def __init__(self, engine: Any) -> None:
        self._engine = engine

    def __getattr__(self, name: str) -> Any:
        return getattr(self._engine, name)

    def Nethack(self, library: str, folder: str, *settings: Any) -> Any:
        os.chdir(folder)
        return self._engine.Nethack(library, _HERE, *settings)


def _reopen(descriptor: int, shared: Path, own_folder: Path) -> None:
    """Give an open file a position of its own, which a fork shares, and from the shared folder the copy's file."""
    try:
        path = Path(f"/proc/self/fd/{descriptor}").readlink()
        if descriptor <= 2 or not path.is_file():
            return
        if path.is_relative_to(shared):
            path = own_folder / path.relative_to(shared)
        own = os.open(path, fcntl.fcntl(descriptor, fcntl.F_GETFL) & ~os.O_APPEND)
    except OSError:
        return  # closed meanwhile: the listing of descriptors has one of its own
    os.lseek(own, os.lseek(descriptor, 0, os.SEEK_CUR), os.SEEK_SET)
    os.dup2(own, descriptor)
    os.close(own)


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

        game = self._env.nethack
        if self._tiles is None:
            if not game.setup_tiles():
                raise EngineFailure("nle cannot read its tiles")
            self._tiles = np.zeros(TILE_RENDER_SHAPE, dtype=np.uint8)
        game.draw_frame(self._tiles)  # only what has changed since it was drawn last
        return self._tiles.copy()

    def copy_files(self) -> None:
        """Just forked: have files of its own, so that neither game reads what the other writes."""
        game, shared = self._env.nethack, self._env.nethack._tempdir
        game._finalizer.detach()
        shared._finalizer.detach()  # the folder is the other game's
        own = tempfile.TemporaryDirectory(prefix="nle")
        shutil.copytree(shared.name, own.name, symlinks=True, dirs_exist_ok=True, ignore=shutil.ignore_patterns("lib"))
        os.chdir(own.name)
        game._tempdir, game._vardir = own, own.name
        game._finalizer = weakref.finalize(game, nethack._close, game._pynethack, game._dl, own)
        for entry in list(Path("/proc/self/fd").iterdir()):
            _reopen(int(entry.name), Path(shared.name), Path(own.name))

    def close(self) -> None:
        """End the game and remove its folder."""
        self._env.close()

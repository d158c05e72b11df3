"""The keyboard, key by key: a terminal in cbreak mode while in use, given back as it was found."""

from __future__ import annotations

import contextlib
import os
import re
import termios
import tty
from types import TracebackType
from typing import Self

_NAMES = {
    "[A": "up",
    "[B": "down",
    "[C": "right",
    "[D": "left",
    "[H": "home",
    "[F": "end",
    "[1~": "home",
    "[4~": "end",
    "[7~": "home",
    "[8~": "end",
    "[5~": "page up",
    "[6~": "page down",
    "\r": "enter",
    "\n": "enter",
    " ": "space",
    "\x7f": "backspace",
    "\x08": "backspace",
}
_NAMES |= {f"O{letter}": _NAMES[f"[{letter}"] for letter in "ABCDHF"}

_SEQUENCE = re.compile(r"\x1b(?:\[[0-?]{0,16}[ -/]{0,4}[@-~]|O[@-~])")
_BEGUN = re.compile(r"\x1b(?:\[[0-?]{0,16}[ -/]{0,4}|O)?\Z")


class KeyReader:
    """Bytes from a terminal, as names of keys: a character, or "up", "enter", "escape", "page down", …"""

    def __init__(self) -> None:
        self._pending = ""

    @property
    def pending(self) -> bool:
        """Whether what was read may be the beginning of a longer sequence: `flush` after a short wait."""
        return bool(self._pending)

    def feed(self, data: bytes) -> list[str]:
        """The keys that `data` completes. Unknown sequences are left out."""
        text = self._pending + data.decode("ascii", "ignore")
        self._pending = ""
        keys: list[str] = []
        while text:
            if text[0] != "\x1b":
                keys += self._key(text[0])
                text = text[1:]
            elif found := _SEQUENCE.match(text):
                keys += self._key(found[0][1:])
                text = text[found.end() :]
            elif _BEGUN.match(text):
                self._pending, text = text, ""
            else:
                keys.append("escape")
                text = text[1:]
        return keys

    def flush(self) -> list[str]:
        """The keys of what was begun and has not gone on: a lone escape."""
        begun, self._pending = self._pending, ""
        return ["escape"] if begun else []

    @staticmethod
    def _key(written: str) -> list[str]:
        name = _NAMES.get(written)
        if name is not None:
            return [name]
        return [written] if len(written) == 1 and written.isprintable() else []


class Keyboard:
    """A terminal's keyboard; a context manager. Ctrl-C and Ctrl-Z stay signals."""

    def __init__(self, fd: int) -> None:
        self.fd = fd
        self._reader = KeyReader()
        self._found: list[object] | None = None

    def __enter__(self) -> Self:
        self._found = termios.tcgetattr(self.fd)
        tty.setcbreak(self.fd, termios.TCSANOW)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._found is None:
            return
        with contextlib.suppress(termios.error):  # the terminal may be gone
            termios.tcsetattr(self.fd, termios.TCSANOW, self._found)  # type: ignore[arg-type]  # as it was given
            termios.tcflush(self.fd, termios.TCIFLUSH)  # what was typed ahead was not meant for the shell
        self._found = None

    @property
    def pending(self) -> bool:
        """Whether an escape has come that may be a key or the beginning of one."""
        return self._reader.pending

    def read(self) -> list[str] | None:
        """The keys pressed; call when the terminal is readable. None when it has gone away."""
        try:
            data = os.read(self.fd, 1024)
        except OSError:
            return None
        return self._reader.feed(data) if data else None

    def flush(self) -> list[str]:
        """The escape that nothing followed."""
        return self._reader.flush()

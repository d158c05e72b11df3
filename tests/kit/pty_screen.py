"""A terminal for tests: runs a program on a pseudo-terminal, types into it, and reads what its screen shows.

It understands as much as our own screen sends: full redraws that begin by moving the cursor home.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import termios
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

_HOME = b"\x1b[H"
_CODES = re.compile(r"\x1b(\[[0-?]*[ -/]*[@-~]|[()][A-Z0-9])")


class PtyScreen:
    """A program on a terminal of its own; a context manager that ends it."""

    def __init__(
        self, command: Sequence[str], *, columns: int = 100, rows: int = 30, env: Mapping[str, str] | None = None
    ) -> None:
        self._master, self._slave = pty.openpty()
        fcntl.ioctl(self._slave, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        self.before = termios.tcgetattr(self._slave)
        """The terminal's settings before the program had it."""
        hidden = ("COLUMNS", "LINES", "NO_COLOR", "FORCE_COLOR")
        kept = {name: value for name, value in os.environ.items() if name not in hidden}
        self.output = b""
        """Everything the program has written."""
        self.program = subprocess.Popen(
            command,
            stdin=self._slave,
            stdout=self._slave,
            stderr=self._slave,
            env={**kept, "TERM": "xterm-256color", "COLORTERM": "truecolor", **(env or {})},
            cwd=Path(__file__).resolve().parents[2],
            start_new_session=True,
        )

    def __enter__(self) -> PtyScreen:
        return self

    def __exit__(self, *_: object) -> None:
        if self.program.poll() is None:
            self.program.kill()
        self.program.wait()
        os.close(self._master)
        os.close(self._slave)

    @property
    def settings(self) -> list[object]:
        """The terminal's settings now."""
        return termios.tcgetattr(self._slave)

    @property
    def screen(self) -> str:
        """The last whole picture, without codes."""
        last = self.output.rfind(_HOME)
        return _CODES.sub("", self.output[last + len(_HOME) :].decode("utf-8", "replace")).replace("\r\n", "\n")

    def type(self, keys: str) -> None:
        """Press keys."""
        os.write(self._master, keys.encode())

    def read(self, seconds: float = 0.0) -> None:
        """Take in what the program writes, for so long."""
        until = time.monotonic() + seconds
        while True:
            ready, _, _ = select.select([self._master], [], [], max(0.0, until - time.monotonic()))
            if not ready:
                return
            with contextlib.suppress(OSError):
                self.output += os.read(self._master, 65536)

    def wait_for(self, text: str, seconds: float = 30.0) -> str:
        """The screen, once it shows `text`. AssertionError if it does not, or the program ends before."""
        until = time.monotonic() + seconds
        while text not in self.screen:
            assert time.monotonic() < until, f"{text!r} was not shown:\n{self.screen}"
            assert self.program.poll() is None, f"ended before {text!r} was shown:\n{self.output.decode()}"
            self.read(0.05)
        return self.screen

    def wait(self, seconds: float = 30.0) -> int:
        """The exit status, once the program has ended; a signal's number is negative."""
        until = time.monotonic() + seconds
        while self.program.poll() is None:
            assert time.monotonic() < until, f"still runs:\n{self.screen}"
            self.read(0.05)
        self.read(0.0)
        return self.program.returncode

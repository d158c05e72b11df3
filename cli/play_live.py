"""`automem play` on a terminal, redrawn on change and steered by keys; or as plain lines for pipes and logs."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import Callable, Iterator
from typing import TextIO

from rich.console import Console
from rich.live import Live

from cli import stopping
from cli.keys import Keyboard
from cli.pace import Leaving, Pace, first_of, play_steps
from cli.play_panels import View, health_words, short
from cli.play_screen import compose
from cli.tiles import shows_colours
from cli.visible_text import one_line
from cli.watched import Row, Watched
from memory_fs.results import plural

FRAME_S = 0.08
"""Least time between two drawings: twelve a second are smooth, and leave the processor to the game."""

ESCAPE_S = 0.05
"""How long an escape may be the beginning of another key."""

NO_WRAP, WRAP = "\x1b[?7l", "\x1b[?7h"
"""A line that the terminal finds wider than we do is cut at the edge, and does not push the others down."""

PRIMARY_SCREEN = "\x1b[?1049l"


class Terminal:
    """Keyboard and screen together; a context manager that gives both back whatever happens."""

    def __init__(self, console: Console) -> None:
        self.keyboard = Keyboard(sys.stdin.fileno())
        self._console = console
        self._live = Live(console=console, screen=True, auto_refresh=False)
        self._taken = contextlib.ExitStack()

    def __enter__(self) -> Terminal:
        with contextlib.ExitStack() as taken:  # should one of these fail, those before it are given back
            taken.enter_context(self.keyboard)
            taken.enter_context(self._screen())
            self._taken = taken.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._taken.close()

    @contextlib.contextmanager
    def _screen(self) -> Iterator[None]:
        with stopping.screen_taken(WRAP + PRIMARY_SCREEN):
            self._live.start()
            try:
                self._write(NO_WRAP)
                yield
            finally:
                try:
                    self._write(WRAP)
                finally:
                    self._live.stop()

    def draw(self, watched: Watched, pace: Pace, view: View) -> None:
        """Show the present state of the episode."""
        width, height = self._console.size
        self._live.update(compose(watched, pace, view, width, height), refresh=True)

    def suspend(self) -> None:
        """Give the terminal to the shell, as Ctrl-Z asks, and take it again when the shell gives it back."""
        self.__exit__()
        os.kill(os.getpid(), signal.SIGSTOP)
        self.__enter__()

    def _write(self, codes: str) -> None:
        self._console.file.write(codes)
        self._console.file.flush()


class Screen:
    """Shows an episode and plays it as the keys say."""

    def __init__(self, watched: Watched, pace: Pace, leaving: Leaving, console: Console) -> None:
        self._watched, self._pace, self._leaving = watched, pace, leaving
        self._console = console
        self._view = View(colours=shows_colours(console))
        self._changed = asyncio.Event()

    async def run(self, steps: int | None) -> None:
        """Play until `steps` have been played, or the episode is over and a person leaves."""
        with Terminal(self._console) as terminal, self._listening(terminal):
            await first_of(self._play(steps), self._draw(terminal))

    async def _play(self, steps: int | None) -> None:
        await play_steps(self._watched, self._pace, lambda rows: self._changed.set(), steps)
        if self._watched.position.over:
            await self._leaving.asked.wait()

    async def _draw(self, terminal: Terminal) -> None:
        while True:
            self._changed.clear()
            terminal.draw(self._watched, self._pace, self._view)
            await asyncio.sleep(FRAME_S)
            clock_s = None if self._watched.asked_at is None else 1.0
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._changed.wait(), clock_s)

    @contextlib.contextmanager
    def _listening(self, terminal: Terminal) -> Iterator[None]:
        """Keys, another size of the terminal, and Ctrl-Z."""
        loop, keyboard = asyncio.get_running_loop(), terminal.keyboard

        def readable() -> None:
            keys = keyboard.read()
            if keys is None:  # the terminal has gone away
                loop.remove_reader(keyboard.fd)
                self._leaving.leave()
                return
            self._press(keys)
            if keyboard.pending:
                loop.call_later(ESCAPE_S, lambda: self._press(keyboard.flush()))

        def suspended() -> None:
            terminal.suspend()
            self._changed.set()

        loop.add_reader(keyboard.fd, readable)
        # Not by `loop.add_signal_handler`: it would take the wake-up descriptor of `cli.stopping`.
        calls = {signal.SIGWINCH: self._changed.set, signal.SIGTSTP: suspended}
        before = {
            number: signal.signal(number, lambda number, _: loop.call_soon_threadsafe(calls[signal.Signals(number)]))
            for number in calls
        }
        try:
            yield
        finally:
            loop.remove_reader(keyboard.fd)
            for number, handler in before.items():
                signal.signal(number, handler)

    def _press(self, keys: list[str]) -> None:
        page = max(1, self._console.size.height - 6)
        for key in keys:
            if key == "q" and not self._view.opened:
                self._leaving.leave()
            elif key in self._paces():
                self._paces()[key]()
            else:
                self._view.press(key, [name for name, _ in self._watched.files], self._watched.notebook.latest, page)
        if keys:
            self._changed.set()

    def _paces(self) -> dict[str, Callable[[], None]]:
        pace = self._pace
        return {
            **{"space": pace.toggle, "n": pace.step},
            **{"+": pace.faster, "=": pace.faster, "-": pace.slower, "_": pace.slower},
        }


WIDTH = 160
"""Characters of a line."""


class PlainLines:
    """Writes what happens as it happens. No colours, no control codes."""

    def __init__(self, watched: Watched, pace: Pace, to: TextIO | None = None) -> None:
        self._watched, self._pace = watched, pace
        self._to = to or sys.stdout
        self._lines = dict(watched.files)
        self._health = ""

    async def run(self, steps: int | None) -> None:
        """Play until the episode is over, or `steps` have been played."""
        await play_steps(self._watched, self._pace, self.show, steps)

    def show(self, rows: list[Row]) -> None:
        """Write these rows."""
        for row in rows:
            for line in getattr(self, f"_{row.kind}")(row):
                self.write(line)

    def write(self, line: str) -> None:
        """One line, at once; characters that the output's encoding lacks are escaped."""
        encoding = self._to.encoding or "utf-8"
        cut = line if len(line) <= WIDTH else line[: WIDTH - 1] + "…"
        self._to.write(cut.encode(encoding, "backslashreplace").decode(encoding) + "\n")
        self._to.flush()

    def _step(self, row: Row) -> list[str]:
        observation = self._watched.position.observation
        seen = (("sees", observation["long"]), ("self", observation["short"]))
        lists = [(label, text.replace(":\n- ", ": ").replace("\n- ", " · ")) for label, text in seen if text.strip()]
        return [row.title, *(f"  {label}  {one_line(text, WIDTH)}" for label, text in lists)]

    def _notice(self, row: Row) -> list[str]:
        return [f"  note  {row.title}"]

    def _operation(self, row: Row) -> list[str]:
        line = f"  {row.where:<5} {row.title[: WIDTH // 2]} → {row.outcome}"
        return [f"{line}: {row.text}" if row.text else line]

    def _action(self, row: Row) -> list[str]:
        watched = self._watched
        position = watched.position
        figures = f"progression {watched.progress:.1f} %, return {position.episode_return:g}"
        if any(watched.tokens.values()):
            figures += f", tokens {short(watched.tokens['prompt'])} in {short(watched.tokens['completion'])} out"
        why = f" ({row.text})" if row.text else ""
        return [f"  ACT   {row.title} → {row.outcome}{why}; {figures}", *self._notebook(), *self._memory()]

    def _memory(self) -> list[str]:
        """The memory's health, where it has changed."""
        before, self._health = self._health, health_words(self._watched.session.account.health)
        return [f"  memory {self._health}"] if self._health != before else []

    def _notebook(self) -> list[str]:
        """What this step changed in the notebook."""
        files, before = self._watched.files, self._lines
        self._lines = dict(files)
        changed = [
            f"{one_line(name, 130)} {plural(count, 'line')} ({count - before.get(name, 0):+d})"
            for name, count in files
            if (touch := self._watched.notebook.touches.get(name)) and touch.step == self._watched.step
        ]
        return [f"  notes {', '.join(changed)}"] if changed else []

"""Drive an outer loop from the command line: show its events, ask a person where one is asked."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Collection, Mapping
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING, Any

import typer
from rich.console import Console

from cli import stopping
from cli.progress import TICK_S, LiveProgress
from cli.progress_tally import Tally
from cli.setting_names import as_options
from cli.visible_text import one_line

if TYPE_CHECKING:
    from graphs.outer_loop import OpenRun


Event = Mapping[str, Any]
WIDTH = 160
"""Characters of a line about something a model wrote."""


def warning(event: Event) -> list[str]:
    """What will not work out."""
    return [f"warning: {as_options(event['sentence'])}"]


def faults(event: Event) -> list[str]:
    """What was found wrong, a line each."""
    return [f"  fault: {one_line(fault, WIDTH)}" for fault in event["faults"]]


def tool(event: Event) -> list[str]:
    """A tool call of the agent and what came of it."""
    arguments = ", ".join(f"{name}={one_line(str(value), 60)}" for name, value in event["arguments"].items())
    mark = "→" if event["ok"] else "✗"
    return ["  " + one_line(f"{event['tool']}({arguments}) {mark} {event['result']}", WIDTH)]


def percent(figures: Event) -> str:
    """Mean ± standard error."""
    return f"{100 * figures['mean']:.2f} ± {100 * figures['standard_error']:.2f} %"


Ask = Callable[[Event, Console], dict[str, Any] | None]
"""Shows a question and reads the answer; None if nobody answers."""
Lines = Callable[[Event], list[str]]
"""What is written of an event."""


async def drive(
    opening: AbstractAsyncContextManager[OpenRun], make_watcher: Callable[[], EventWatcher], ask: Ask
) -> dict[str, Any] | None:
    """Begin or go on with a run and show it; its output, None if it waits for an answer that nobody gives."""
    answer: object = None
    async with opening as run:
        while True:
            with make_watcher() as watcher:
                ticking = asyncio.create_task(watcher.tick())
                try:
                    async for event in run.stream(answer):
                        watcher.show(event)
                finally:
                    ticking.cancel()
                    with contextlib.suppress(asyncio.CancelledError):
                        await ticking
            question = await run.question()
            if question is None:
                return await run.result()
            answer = stopping.blocking(ask, question, watcher.console)
            if answer is None:
                return None


class EventWatcher:
    """Shows events: each as lines that stay, and what is being played above them. Use as a context manager.

    `begins_play` is the event with which an evaluation begins; `always` are those that are shown when quiet, too.
    """

    def __init__(
        self,
        console: Console,
        max_steps: int,
        lines: Lines,
        *,
        begins_play: str,
        always: Collection[str],
        quiet: bool = False,
    ) -> None:
        self.console = console
        self._max_steps = max_steps
        self._lines = lines
        self._begins_play = begins_play
        self._always = always
        self._quiet = quiet
        self._playing: LiveProgress | None = None

    def __enter__(self) -> EventWatcher:
        return self

    def __exit__(self, *_: object) -> None:
        self._stop_playing()

    async def tick(self) -> None:
        """Keep the progress of an evaluation up to date."""
        while True:
            if self._playing is not None:
                self._playing.tick()
            await asyncio.sleep(TICK_S)

    def show(self, event: Event) -> None:
        """Take in one event."""
        if event["event"] == "episode":
            if self._playing is not None:
                self._playing.show(event["progress"])
            return
        self._stop_playing()
        for line in self._lines(event):
            if not self._quiet or event["event"] in self._always:
                self.console.print(line, markup=False, highlight=False, soft_wrap=True)
        if event["event"] == self._begins_play:
            self._playing = LiveProgress(self.console, Tally(self._max_steps), quiet=self._quiet)
            self._playing.plan(event["episodes"])
            self._playing.__enter__()

    def _stop_playing(self) -> None:
        if self._playing is not None:
            self._playing.__exit__(None, None, None)
            self._playing = None


def read_answer_at(console: Console) -> dict[str, Any] | None:
    """A person's yes or no, and why; None if nobody answers (end of input, Ctrl-D)."""
    from graphs.outer_loop import read_answer

    while True:
        try:
            said = str(typer.prompt("yes, or no and why", prompt_suffix="> "))
        except typer.Abort:
            return None
        answer = read_answer(said)
        if answer is not None:
            return {"approve": answer[0], "reason": answer[1]}
        console.print("That is neither yes nor no.", highlight=False)

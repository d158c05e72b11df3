"""Drive an outer loop from the command line: show its events, ask a person where one is asked."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Collection, Mapping
from contextlib import AbstractAsyncContextManager
from typing import Any, NamedTuple

import typer
from rich.console import Console

from cli import stopping
from cli.commands import as_options
from cli.progress import TICK_S, LiveProgress
from cli.progress_tally import Tally
from cli.visible_text import one_line
from graphs.evaluation.playing import Halted
from graphs.outer_loop import OpenRun
from graphs.outer_loop import read_answer as parse_answer
from training import TrainingFailure

Event = Mapping[str, Any]
WIDTH = 160
"""Characters of a line about something a model wrote."""


def warning(event: Event) -> list[str]:
    """A warning about the settings."""
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


class Events(NamedTuple):
    """How a loop's events are shown."""

    begins_play: str
    """The event with which an evaluation begins: its progress is shown."""
    always: Collection[str]
    """Events that are shown when quiet, too."""
    lines: Mapping[str, Callable[[Event], list[str]]]
    """What is written of each event."""
    question: Callable[[Event], list[str]]
    """What a person who is asked is shown, in lines."""

    each_episode: bool = True
    """Whether the end of each episode is a line."""

    def brief(self) -> Events:
        """The same, without a line for each tool call of the agent and for each episode."""
        return self._replace(lines={**self.lines, "tool": lambda event: []}, each_episode=False)


COMMON_LINES: Mapping[str, Callable[[Event], list[str]]] = {"warning": warning, "tool": tool}


def run_loop(
    opening: AbstractAsyncContextManager[OpenRun],
    name: str,
    console: Console,
    max_steps: int,
    events: Events,
    *,
    quiet: bool,
) -> None:
    """Drive an outer loop to its end. Status 1 where the machine stopped it, 3 where it waits for a person's answer."""

    def watcher() -> EventWatcher:
        return EventWatcher(console, max_steps, events, quiet=quiet)

    try:
        ended = stopping.run(drive(opening, watcher))
    except (Halted, TrainingFailure) as halted:
        reason = one_line(as_options(str(halted)), 2_000)
        typer.echo(f"automem: {reason} Nothing is lost: the same command with --resume goes on.", err=True)
        raise typer.Exit(1) from None
    if ended is None:
        typer.echo(f"automem: {name} waits for an answer; the same command with --resume asks again.", err=True)
        raise typer.Exit(3)


async def drive(
    opening: AbstractAsyncContextManager[OpenRun], make_watcher: Callable[[], EventWatcher]
) -> dict[str, Any] | None:
    """Begin or go on with a run and show it; its output, None if it still waits for an answer."""
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
            answer = stopping.blocking(watcher.ask, question)
            if answer is None:
                return None


class EventWatcher:
    """Shows events: each as lines that stay, and what is being played below them. Use as a context manager."""

    def __init__(self, console: Console, max_steps: int, events: Events, *, quiet: bool = False) -> None:
        self.console = console
        self._max_steps = max_steps
        self._events = events
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
        if not self._quiet or event["event"] in self._events.always:
            self._print(self._events.lines[event["event"]](event))
        if event["event"] == self._events.begins_play:
            self._playing = LiveProgress(
                self.console, Tally(self._max_steps), quiet=self._quiet, each_episode=self._events.each_episode
            )
            self._playing.plan(event["episodes"])
            self._playing.__enter__()

    def ask(self, question: Event) -> dict[str, Any] | None:
        """Show what is asked and read a person's yes or no, and why; None at the end of input (Ctrl-D)."""
        self._print(["", str(question["ask"]), *self._events.question(question)])
        while True:
            try:
                answer = parse_answer(str(typer.prompt("yes, or no and why", prompt_suffix="> ")))
            except typer.Abort:
                return None
            if answer is not None:
                return {"approve": answer[0], "reason": answer[1]}
            self._print(["That is neither yes nor no."])

    def _print(self, lines: list[str]) -> None:
        for line in lines:
            self.console.print(line, markup=False, highlight=False, soft_wrap=True)

    def _stop_playing(self) -> None:
        if self._playing is not None:
            self._playing.__exit__(None, None, None)
            self._playing = None

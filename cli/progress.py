"""Live progress of an evaluation: a table on a terminal, a few plain lines anywhere else, or nothing at all."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from types import TracebackType
from typing import Any, Self

from langsmith import tracing_context
from rich.console import Console
from rich.live import Live

from cli import stopping
from cli.commands import as_options
from cli.progress_table import progress_table, totals
from cli.progress_tally import Tally
from cli.visible_text import one_line
from graphs.evaluation import graph
from graphs.evaluation.episode import Progress
from graphs.evaluation.state import Input
from graphs.settings import Context

TICK_S = 0.2
"""How often `tick` should be called: five drawings a second."""

PARTS, LINE_S, LEAST_S = 20, 30.0, 1.0
"""A plain line with the totals comes with every 5 % or 30 s, and none within a second of another."""


class LiveProgress:
    """Shows the events that `graphs.evaluation` streams. Use as a context manager.

    Each episode's end is one line that stays; without `each_episode` only one that did not finish, and what is written
    of the memory's health is left out. Below these lines a terminal shows what is being played, as much of it as the
    screen has room for.
    """

    def __init__(self, console: Console, tally: Tally, *, quiet: bool = False, each_episode: bool = True) -> None:
        self._console = console
        self._quiet = quiet
        self._each_episode = each_episode
        self._tally = tally
        self._live = Live(console=console, auto_refresh=False, transient=True)
        self._draws = console.is_terminal and not quiet
        self._written_parts, self._written_s = 0, 0.0

    def __enter__(self) -> Self:
        if self._draws:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._draws:
            self._live.stop()

    def plan(self, episodes: int) -> None:
        """Say how many episodes there are to be."""
        self._tally.planned = episodes

    def show(self, event: Progress) -> None:
        """Take in one event."""
        self._tally.take(event)
        if event["event"] == "ended" and not self._quiet and (self._each_episode or event["status"] != "finished"):
            status = f"{event['status']}: {as_options(event['note'])}" if event["note"] else event["status"]
            line = f"{event['task']} seed {event['seed']}: step {event['step']}, {100 * event['progression']:.1f} %"
            self._write(one_line(f"{line} {status}", 2_000))
        if not self._draws and self._parts > self._written_parts:
            self._write_totals()

    def tick(self) -> None:
        """Bring what is shown up to date; to be called every TICK_S seconds."""
        if self._draws:
            width, height = self._console.size
            self._live.update(progress_table(self._tally, width, height), refresh=True)
        elif self._tally.elapsed_s >= self._written_s + LINE_S:
            self._write_totals()

    def _write_totals(self) -> None:
        if self._quiet or self._tally.elapsed_s < self._written_s + LEAST_S:
            return
        self._written_parts, self._written_s = self._parts, self._tally.elapsed_s
        self._write(totals(self._tally, health=self._each_episode))

    @property
    def _parts(self) -> int:
        """How many twentieths are done."""
        return int(PARTS * self._tally.share + 1e-9)

    def _write(self, line: str) -> None:
        self._console.print(line, markup=False, highlight=False, soft_wrap=True)


def run_evaluation(
    given: Input, context: Context, console: Console, max_steps: int, *, quiet: bool = False, each_episode: bool = True
) -> dict[str, Any]:
    """Play the episodes `given` asks for (fields of `graphs.evaluation.state.Input`) and return the summary."""
    # The episodes themselves send every step to LangSmith (`traces.langsmith_export`).
    with (
        LiveProgress(console, Tally(max_steps), quiet=quiet, each_episode=each_episode) as progress,
        tracing_context(enabled=False),
    ):
        return stopping.run(_stream(given, context, progress))


async def _stream(given: Input, context: Context, progress: LiveProgress) -> dict[str, Any]:
    summary: dict[str, Any] = {}
    async with ticking(progress):
        events: AsyncIterator[Any] = graph.astream(given, context=context, stream_mode=["custom", "updates"])
        async for mode, data in events:
            if mode == "custom":
                progress.show(data)
            elif "prepare" in data:
                progress.plan(len(data["prepare"]["plan"]))
            elif "summarise" in data:
                summary = data["summarise"]["summary"]
    return summary


@contextlib.asynccontextmanager
async def ticking(progress: LiveProgress) -> AsyncIterator[None]:
    """Bring what is shown up to date every TICK_S seconds."""
    ticks = asyncio.create_task(_tick(progress))
    try:
        yield
    finally:
        ticks.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await ticks


async def _tick(progress: LiveProgress) -> None:
    while True:
        progress.tick()
        await asyncio.sleep(TICK_S)

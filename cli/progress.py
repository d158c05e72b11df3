"""Live progress of an evaluation: bars on a terminal, plain lines anywhere else."""

from __future__ import annotations

from types import TracebackType
from typing import TYPE_CHECKING, Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from cli.visible_text import one_line

if TYPE_CHECKING:
    from graphs.evaluation.episode import Progress as Event


class LiveProgress:
    """Shows the events that `graphs.evaluation` streams. Use as a context manager."""

    def __init__(self, console: Console, max_steps: int, *, quiet: bool = False) -> None:
        self._console = console
        self._max_steps = max_steps
        self._quiet = quiet
        self._bars: Progress | None = None
        self._tasks: dict[str, TaskID] = {}
        self._told: dict[str, int] = {}

    def __enter__(self) -> Self:
        if self._console.is_terminal and not self._quiet:
            columns = (
                TextColumn("{task.description}"),
                BarColumn(bar_width=24),
                MofNCompleteColumn(),
                TextColumn("{task.fields[state]}"),
                TimeRemainingColumn(),
            )
            self._bars = Progress(*columns, console=self._console, refresh_per_second=5)
            self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bars is not None:
            self._bars.stop()

    def show(self, event: Event) -> None:
        """Take in one event."""
        name = f"{event['task']} seed {event['seed']}"
        state = f"{100 * event['progression']:.1f} %"
        if event["event"] == "ended":
            state += f" {event['status']}: {event['note']}" if event["note"] else f" {event['status']}"
        state = one_line(state, 2_000)
        if self._bars is not None:
            self._show_bar(self._bars, name, event, state)
        elif not self._quiet:
            self._show_line(name, event, state)

    def _show_bar(self, bars: Progress, name: str, event: Event, state: str) -> None:
        task = self._tasks.get(name)
        if task is None:
            task = self._tasks[name] = bars.add_task(name, total=self._max_steps, state="")
        ended = event["event"] == "ended"
        bars.update(task, completed=event["step"], state=state, total=event["step"] if ended else self._max_steps)

    def _show_line(self, name: str, event: Event, state: str) -> None:
        """At most ten lines an episode, and one for its end."""
        tenth = 10 * event["step"] // self._max_steps
        if event["event"] == "ended" or tenth > self._told.get(name, 0):
            self._told[name] = tenth
            self._console.print(f"{name}: step {event['step']}, {state}", markup=False, highlight=False, soft_wrap=True)

"""Run the evaluation graph from the command line, showing its progress."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

from rich.console import Console

from cli import stopping
from cli.progress import TICK_S, LiveProgress
from cli.progress_tally import Tally

if TYPE_CHECKING:
    from graphs.evaluation.state import Input
    from graphs.inner_agent.context import Context


def run_evaluation(
    given: Input, context: Context, console: Console, max_steps: int, *, quiet: bool = False
) -> dict[str, Any]:
    """Play the episodes `given` asks for (fields of `graphs.evaluation.state.Input`) and return the summary."""
    from langsmith import tracing_context

    # LangSmith is told of every step by the episodes themselves (`traces.langsmith_export`).
    with LiveProgress(console, Tally(max_steps), quiet=quiet) as progress, tracing_context(enabled=False):
        return stopping.run(_stream(given, context, progress))


async def _stream(given: Input, context: Context, progress: LiveProgress) -> dict[str, Any]:
    from graphs.evaluation import graph

    summary: dict[str, Any] = {}
    ticking = asyncio.create_task(_tick(progress))
    try:
        events: AsyncIterator[Any] = graph.astream(given, context=context, stream_mode=["custom", "updates"])
        async for mode, data in events:
            if mode == "custom":
                progress.show(data)
            elif "prepare" in data:
                progress.plan(len(data["prepare"]["plan"]))
            elif "summarise" in data:
                summary = data["summarise"]["summary"]
    finally:
        ticking.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await ticking
    return summary


async def _tick(progress: LiveProgress) -> None:
    while True:
        progress.tick()
        await asyncio.sleep(TICK_S)

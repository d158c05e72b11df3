"""Run the evaluation graph from the command line, showing its progress."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

from rich.console import Console

from cli.progress import LiveProgress

if TYPE_CHECKING:
    from graphs.evaluation.state import Input
    from graphs.inner_agent.context import Context


def run_evaluation(
    given: Input, context: Context, console: Console, max_steps: int, *, quiet: bool = False
) -> dict[str, Any]:
    """Play the episodes `given` asks for (fields of `graphs.evaluation.state.Input`) and return the summary."""
    from graphs.evaluation import graph

    async def stream() -> dict[str, Any]:
        summary: dict[str, Any] = {}
        with LiveProgress(console, max_steps, quiet=quiet) as progress:
            events: AsyncIterator[Any] = graph.astream(given, context=context, stream_mode=["custom", "updates"])
            async for mode, data in events:
                if mode == "custom":
                    progress.show(data)
                elif "summarise" in data:
                    summary = data["summarise"]["summary"]
        return summary

    return asyncio.run(stream())

"""An outer loop with its checkpoints on disk, in its run folder: stopped or killed anywhere, it goes on from there."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from graphs.holding import begun, held
from traces import TraceFailure

if TYPE_CHECKING:
    from langgraph.graph.state import CompiledStateGraph, StateGraph

STATE = "state.sqlite"
"""The checkpoints of a run folder."""
THREAD = "search"
"""The one thread in them."""


@dataclass(frozen=True, kw_only=True)
class Resumable:
    """What an outer loop is made of."""

    name: str
    """Of the graph: "reviewer"."""
    build: Callable[[], StateGraph[Any, Any, Any, Any]]
    """The graph; its run folder is held by whoever drives it."""
    lay_out: Callable[[Any, Any], object]
    """Checks input and context, writes the run folder, or compares both with what is there; raises our errors."""
    outputs: tuple[str, ...]
    """Fields of the graph's output."""
    step_limit: int = 100_000
    """Supersteps of one run."""


class OpenRun:
    """An outer loop that this process drives: the graph, with its checkpoints in RUN/state.sqlite."""

    def __init__(
        self, kind: Resumable, graph: CompiledStateGraph[Any, Any, Any, Any], given: Mapping[str, Any], context: Any
    ) -> None:
        self.graph = graph
        self._kind = kind
        self._given = given
        self._context = context

    async def stream(self, answer: object = None) -> AsyncIterator[dict[str, Any]]:
        """Begin or go on, and tell what happens (the graph's custom events).

        It ends with the graph, or where a person is asked (`question`): `answer` is then what they say.
        """
        given = await self._entry(answer)
        events = self.graph.astream(
            given, self._config(), context=self._context, stream_mode="custom", durability="sync"
        )
        async for event in events:
            yield event

    async def question(self) -> dict[str, Any] | None:
        """What a person is asked, where it waits for an answer."""
        state = await self.graph.aget_state(self._config())
        for task in state.tasks:
            for asked in task.interrupts:
                return dict(asked.value)
        return None

    async def result(self) -> dict[str, Any]:
        """The output of what has ended."""
        values = (await self.graph.aget_state(self._config())).values
        return {name: values.get(name) for name in self._kind.outputs}

    async def _entry(self, answer: object) -> Any:
        """What the graph is called with: the answer, nothing (its next node is known), or the input, to begin."""
        from langgraph.types import Command

        state = await self.graph.aget_state(self._config())
        if not state.next:
            return self._given
        await asyncio.to_thread(self._kind.lay_out, self._given, self._context)
        return None if answer is None else Command(resume=answer)

    def _config(self) -> Any:
        name = f"{self._kind.name} {Path(self._given['out']).name}"
        return {"configurable": {"thread_id": THREAD}, "run_name": name, "recursion_limit": self._kind.step_limit}


@asynccontextmanager
async def opened(kind: Resumable, given: Mapping[str, Any], context: Any = None) -> AsyncIterator[OpenRun]:
    """A run for the length of an `async with` block; `given` says where it lies and what is asked for.

    With `resume` in it, one that was stopped or killed goes on where it stood. Raises our errors, also where another
    run drives it.
    """
    from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver

    out = Path(given["out"])
    with ExitStack() as holding:
        taken_up = begun(out)
        if taken_up:  # what another run drives is left as it is, its settings among it
            holding.enter_context(held(out))
        await asyncio.to_thread(kind.lay_out, given, context)
        if not taken_up:
            holding.enter_context(held(out))
        try:
            async with AsyncSqliteSaver.from_conn_string(str(out / STATE)) as saver:
                graph = kind.build().compile(checkpointer=saver, name=kind.name)
                yield OpenRun(kind, graph, {**given, "resume": True}, context)
        except sqlite3.Error as error:
            advice = "if it is damaged, remove it: what is finished is found again in the folder"
            raise TraceFailure(f"{out / STATE} cannot be used ({error}); {advice}.") from error

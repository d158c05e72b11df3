"""Runs an outer loop: its graph, its checkpoints, ceilings that end it, questions to a person, drawn seeds.

All that a run has finished is in files of its folder, and a run that is resumed in another process enters its graph at
the first node again: each node skips what is done, and a question without an answer is asked again.
Checkpoints stay in memory, for an answer to resume the node that asked.
"""

from __future__ import annotations

import asyncio
import functools
import hashlib
import inspect
import random
from collections.abc import AsyncIterator, Callable, Collection, Mapping
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import START, StateGraph
from langgraph.graph.state import CompiledStateGraph
from langgraph.runtime import Runtime
from langgraph.types import Command, interrupt

from graphs.checked_graph import CheckedGraph, add_node
from graphs.events import emit
from graphs.loop_run import LoopRun
from graphs.run_lock import Node, exclusive, has_begun, run_lock
from graphs.spending import CeilingReached
from traces.plain_json import read_file, write_file


def end_of_run(reached: CeilingReached) -> Command[Any]:
    """The way on from a ceiling: the run ends, and goes on with a higher one."""
    return Command(goto="finish", update={"reason": f"{reached}.", "status": "limited"})


def read_rounds(path: Path) -> list[dict[str, Any]]:
    """The entries of a file that has one for each round of an agent; none if there is no file yet."""
    found: list[dict[str, Any]] = read_file(path) if path.exists() else []
    return found


@dataclass(frozen=True, kw_only=True)
class OuterLoop:
    """What an outer loop is made of."""

    name: str
    """Of the graph: "reviewer"."""
    run: type[LoopRun]
    state: type
    context: type
    input: type
    output: type
    nodes: tuple[Callable[[Any, Any], Any], ...]
    """The nodes after `start`, which leads to the first. Each is called with the state and the run in its folder."""
    over: Callable[[CeilingReached], Command[Any]] = end_of_run
    """The way on where a node reaches a ceiling."""
    step_limit: int = 100_000
    """Supersteps of one run."""

    def build(self, *, locked: bool = False) -> StateGraph[Any, Any, Any, Any]:
        """The graph, not yet compiled, for use with another checkpointer.

        `locked`: the caller holds the lock of the run folder, as `open` does; else every node takes it while it works.
        """
        builder: StateGraph[Any, Any, Any, Any] = StateGraph(
            self.state, context_schema=self.context, input_schema=self.input, output_schema=self.output
        )
        start = exclusive(self._start, begins=True, locked_by_caller=locked)
        add_node(builder, "start", start, (self.nodes[0].__name__,))
        for node in self.nodes:
            add_node(builder, node.__name__, exclusive(self._with_run(node), locked_by_caller=locked))
        builder.add_edge(START, "start")
        return builder

    def graph(self) -> Any:
        """The graph as it is served."""
        compiled = CheckedGraph.of(self.build().compile(name=self.name))
        return compiled.with_config(recursion_limit=self.step_limit)

    @asynccontextmanager
    async def open(self, given: Mapping[str, Any], context: Any = None) -> AsyncIterator[OpenRun]:
        """A run for the length of an `async with` block; `given` is its input, `context` a context of this loop.

        With `resume`, a run that was stopped or killed goes on. Raises our errors, also where another process drives
        the run.
        """
        out = Path(given["out"])
        with ExitStack() as locks:
            resumed = has_begun(out)
            if resumed:  # the settings of a run that another process drives are not touched
                locks.enter_context(run_lock(out))
            await asyncio.to_thread(self.run.begin, given, context)
            if not resumed:
                locks.enter_context(run_lock(out))
            graph = self.build(locked=True).compile(checkpointer=InMemorySaver(), name=self.name)
            yield OpenRun(self, graph, {**given, "resume": True}, context)

    def _start(self, state: Mapping[str, Any], runtime: Runtime[Any]) -> Command[Any]:
        """Begin or resume the run. Raises our errors."""
        run = self.run.begin(state, runtime.context)
        emit("began", out=str(run.folder.path), settings=run.plain()[run.key], resumed=run.has_results())
        for sentence in run.warnings():
            emit("warning", sentence=sentence)
        return Command(goto=self.nodes[0].__name__, update={"status": "", "reason": ""})

    def _with_run(self, node: Callable[[Any, Any], Any]) -> Node:
        """The node as LangGraph calls it, with the state alone."""

        @functools.wraps(node)
        def work(state: Mapping[str, Any]) -> Any:
            try:
                return node(state, self.run.read(state["out"]))
            except CeilingReached as reached:
                return self.over(reached)

        @functools.wraps(node)
        async def work_on(state: Mapping[str, Any]) -> Any:
            try:
                return await node(state, await asyncio.to_thread(self.run.read, state["out"]))
            except CeilingReached as reached:
                return self.over(reached)

        return work_on if inspect.iscoroutinefunction(node) else work


class OpenRun:
    """An outer loop that this process drives."""

    def __init__(
        self,
        loop: OuterLoop,
        graph: CompiledStateGraph[Any, Any, Any, Any],
        given: Mapping[str, Any],
        context: Any,
    ) -> None:
        self.graph = graph
        self._loop = loop
        self._given = given
        self._context = context
        name = f"{loop.name} {Path(given['out']).name}"
        self._config: Any = {
            "configurable": {"thread_id": "run"},
            "run_name": name,
            "recursion_limit": loop.step_limit,
        }

    async def stream(self, answer: object = None) -> AsyncIterator[dict[str, Any]]:
        """Begin or go on, and yield the graph's custom events.

        It ends with the graph, or where a person is asked (`question`); the next call's `answer` is theirs.
        """
        given: Any = self._given if answer is None else Command(resume=answer)
        events = self.graph.astream(given, self._config, context=self._context, stream_mode="custom", durability="exit")
        async for event in events:
            yield event

    async def question(self) -> dict[str, Any] | None:
        """What a person is asked, where the run waits for an answer."""
        state = await self.graph.aget_state(self._config)
        for task in state.tasks:
            for asked in task.interrupts:
                return dict(asked.value)
        return None

    async def result(self) -> dict[str, Any]:
        """The output of a run that has ended."""
        values = (await self.graph.aget_state(self._config)).values
        return {name: values.get(name) for name in self._loop.output.__annotations__}


HOW = 'Answer yes, or no with a reason in plain words; {"approve": false, "reason": "…"} is understood, too.'


def approved(
    answers: Path, step: str, digest: str, question: str, yes: str, no: str, facts: Mapping[str, Any]
) -> tuple[bool, str]:
    """A person's answer, and their reason: asked for (LangGraph's interrupt) once, then kept in the file `answers`.

    An answer at a `step` holds for what has this `digest`. `yes` and `no` say what follows from each answer, `facts`
    are what to judge by. An answer that cannot be read is asked for again.
    """
    kept = read_file(answers) if answers.exists() else {}
    known = kept.get(step)
    if known is None or known["digest"] != digest:
        full = {"ask": question, "answers": {"yes": yes, "no": no}, "how": HOW, "step": step, **facts}
        answer = read_answer(interrupt(full))
        while answer is None:
            again = {**full, "ask": f"{question} The last answer was neither yes nor no."}
            answer = read_answer(interrupt(again))
        known = {"approve": answer[0], "reason": answer[1], "digest": digest}
        write_file(answers, {**kept, step: known})
    return bool(known["approve"]), str(known["reason"])


def read_answer(answer: object) -> tuple[bool, str] | None:
    """(approved, reason) of an answer in any of its forms; None if it is neither yes nor no."""
    reason = ""
    if isinstance(answer, Mapping):
        reason = str(answer.get("reason") or "")
        answer = answer.get("approve")
    if isinstance(answer, str):
        word, _, rest = answer.strip().partition(" ")
        answer = {"yes": True, "y": True, "true": True, "no": False, "n": False, "false": False}.get(
            word.lower().rstrip(",.:;!")
        )
        reason = reason or rest.strip()
    return (answer, reason) if isinstance(answer, bool) else None


LEAST, BEYOND = 100_000, 2**31
"""Drawn seeds are far from those that people and protocols name."""


def draw_seeds(words: str, count: int, taken: Collection[int]) -> list[int]:
    """So many seeds in ascending order; `words` say what for, such as "0/v1.a2"."""
    chance = random.Random(int.from_bytes(hashlib.sha256(words.encode()).digest(), "big"))
    drawn: set[int] = set()
    while len(drawn) < count:
        seed = chance.randrange(LEAST, BEYOND)
        if seed not in taken:
            drawn.add(seed)
    return sorted(drawn)

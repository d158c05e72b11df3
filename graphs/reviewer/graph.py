"""Loop 1 as a LangGraph state machine: a reviewer revises the scaffold, a gate keeps only what helps.

    start → evaluate_start → next_attempt → review ⇄ check → approve → evaluate → gate ⇄ confirm
                                 ↑ ⇅            |       |         |         |        |
                                 | control      └───────┴────┬────┴─────────┘        └→ adopt
                                 └──────────────────────── settle ←──────────────────────┘
                             next_attempt → holdout → finish

`start` checks everything and lays out the run folder; `evaluate_start` plays the start. Then attempt by attempt: the
reviewer's revision is checked (faults go back to it), approved by a person if asked for, played and judged; `settle`
writes what became of it into the lineage, from which `next_attempt` reads what comes next: the next version, a
continuation, a fresh attempt, or the end. Every finished piece is on disk: a node that runs again goes on from there.
A budget that is spent leads to `settle` (an attempt's) or `finish` (the search's). This file only wires them up.
"""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from functools import partial

from langgraph.graph import START, StateGraph

from graphs.checked_graph import CheckedGraph, add_node
from graphs.outer_loop import OpenRun, Resumable, opened
from graphs.reviewer.evaluate_nodes import approve, confirm, control, evaluate, evaluate_start, gate
from graphs.reviewer.review_nodes import check, next_attempt, review, start
from graphs.reviewer.search import Context, lay_out
from graphs.reviewer.settle_nodes import adopt, finish, holdout, settle
from graphs.reviewer.state import Input, Output, State
from graphs.run_lock import Node, exclusive

STEP_LIMIT = 100_000
"""Supersteps of one run: at most about 20 an attempt."""
NODES: tuple[Node, ...] = (
    start,
    evaluate_start,
    next_attempt,
    review,
    check,
    approve,
    evaluate,
    gate,
    confirm,
    adopt,
    settle,
    control,
    holdout,
    finish,
)


def build(*, held: bool = False) -> StateGraph[State, Context, Input, Output]:
    """The graph, not yet compiled: for those who bring their own checkpointer.

    `held`: whoever drives it holds the run folder, as `graphs.outer_loop` does; else every node does while it works.
    """
    builder = StateGraph(State, context_schema=Context, input_schema=Input, output_schema=Output)
    for node in NODES:
        add_node(builder, node.__name__, exclusive(node, begins=node is start, held_outside=held))
    builder.add_edge(START, "start")
    return builder


graph = CheckedGraph.of(build().compile(name="reviewer")).with_config(recursion_limit=STEP_LIMIT)


SEARCH = Resumable(
    name="reviewer",
    build=partial(build, held=True),
    lay_out=lay_out,
    outputs=tuple(Output.__annotations__),
    step_limit=STEP_LIMIT,
)


def open_search(given: Input, context: Context | None = None) -> AbstractAsyncContextManager[OpenRun]:
    """A search for the length of an `async with` block; `given` says where it lies and what is asked for.

    With `resume` in it a search that was stopped or killed goes on where it stood. Raises our errors, also where
    another run drives the search.
    """
    return opened(SEARCH, given, context)

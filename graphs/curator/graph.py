"""Loop 2 as a LangGraph state machine: traces become examples, examples an adapter, and the adapter is measured.

    start → collect → featurise → baseline → next_iteration → curate ⇄ certify → approve → train → evaluate → record
                                                  ↑ |            ↑______________________________|               |
                                                  └─┼───────────────────────────────────────────────────────────┘
                                                    └→ controls → approve_final → final → finish

`start` checks everything and writes the settings; `collect` plays the training episodes, `featurise` lists their turns,
`baseline` plays the untrained base on the validation seeds. Then iteration by iteration: the curator selects and writes
a recipe, the dataset is certified (what is wrong with it, or with its training, goes back to the curator), approved by
a person if asked for, trained, played and written into the ledger, from which the next recipe is decided. At the end
the winner and its controls meet on seeds never played before. Every finished piece is on disk: a node that runs again
goes on from there. A budget that is spent leads to `finish`. This file only wires them up.
"""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from functools import partial

from langgraph.graph import START, StateGraph

from graphs.checked_graph import CheckedGraph, add_node
from graphs.curator.collect_nodes import baseline, collect, featurise, next_iteration, start
from graphs.curator.final_nodes import approve_final, controls, evaluate, final, finish, record
from graphs.curator.run import Context, lay_out
from graphs.curator.state import Input, Output, State
from graphs.curator.train_nodes import approve, certify, curate, train
from graphs.outer_loop import OpenRun, Resumable, opened
from graphs.run_lock import Node, exclusive

STEP_LIMIT = 10_000
"""Supersteps of one run: at most about 20 an iteration."""
NODES: tuple[Node, ...] = (
    start,
    collect,
    featurise,
    baseline,
    next_iteration,
    curate,
    certify,
    approve,
    train,
    evaluate,
    record,
    controls,
    approve_final,
    final,
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


graph = CheckedGraph.of(build().compile(name="curator")).with_config(recursion_limit=STEP_LIMIT)


CURATOR = Resumable(
    name="curator",
    build=partial(build, held=True),
    lay_out=lay_out,
    outputs=tuple(Output.__annotations__),
    step_limit=STEP_LIMIT,
)


def open_specialization(given: Input, context: Context | None = None) -> AbstractAsyncContextManager[OpenRun]:
    """A run for the length of an `async with` block; `given` says where it lies and what is asked for.

    With `resume` in it a run that was stopped or killed goes on where it stood. Raises our errors, also where another
    run drives it.
    """
    return opened(CURATOR, given, context)

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

from langgraph.graph import START, StateGraph

from graphs.holding import Node, alone
from graphs.inner_agent.checked_graph import CheckedGraph
from graphs.onward import add_node
from graphs.reviewer.adopt_node import adopt
from graphs.reviewer.approve_node import approve
from graphs.reviewer.check_node import check
from graphs.reviewer.confirm_node import confirm
from graphs.reviewer.context import Context
from graphs.reviewer.control_node import control
from graphs.reviewer.evaluate_node import evaluate
from graphs.reviewer.evaluate_start_node import evaluate_start
from graphs.reviewer.finish_node import finish
from graphs.reviewer.gate_node import gate
from graphs.reviewer.holdout_node import holdout
from graphs.reviewer.next_attempt_node import next_attempt
from graphs.reviewer.review_node import review
from graphs.reviewer.settle_node import settle
from graphs.reviewer.start_node import start
from graphs.reviewer.state import Input, Output, State

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

    `held`: whoever drives it holds the run folder, as `graphs.resumable` does; else every node does while it works.
    """
    builder = StateGraph(State, context_schema=Context, input_schema=Input, output_schema=Output)
    for node in NODES:
        add_node(builder, node.__name__, alone(node, begins=node is start, held_outside=held))
    builder.add_edge(START, "start")
    return builder


graph = CheckedGraph.of(build().compile(name="reviewer")).with_config(recursion_limit=STEP_LIMIT)

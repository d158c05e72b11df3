"""The inner agent as a LangGraph state machine: LOG what happened, PLAN what to do, ACT once, over and over.

    observe → log ⇄ remember → plan ⇄ recall → act → observe …
                                └→ handoff → commit ⇄ recall

`observe` looks at the world and opens the step; LOG (`log` asks, `remember` runs its operations) is skipped on the
first step, before anything has happened; PLAN (`plan` asks, `recall` runs recalls) ends in one action. With two models,
`handoff` gives the consultation to the gameplay model and `commit` asks it for the action. `act` sends the action and
writes the step to the trace. Each node's return type names where it can go next; this file only wires them up.
"""

from langgraph.graph import START, StateGraph

from graphs.checked_graph import CheckedGraph, add_node
from graphs.inner_agent.node import Node, ready_for
from graphs.inner_agent.nodes import act, commit, handoff, log, observe, plan, recall, remember
from graphs.inner_agent.state import Input, Output, State
from graphs.settings import Context

STEP_LIMIT = 1_000_000
"""Supersteps of one run, about nine a world step. LangGraph's own 10,007 would end a long run after 1,100 steps."""


def build() -> StateGraph[State, Context, Input, Output]:
    """The graph, not yet compiled: for those who bring their own checkpointer."""
    builder = StateGraph(State, context_schema=Context, input_schema=Input, output_schema=Output)
    for function in (observe, log, remember, plan, recall, handoff, commit, act):
        node = Node(function, builder)
        add_node(builder, function.__name__, node, node.destinations, ready_for)
    builder.add_edge(START, "observe")
    return builder


graph = CheckedGraph.of(build().compile(name="inner_agent")).with_config(recursion_limit=STEP_LIMIT)

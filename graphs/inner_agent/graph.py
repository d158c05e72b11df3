"""The inner agent as a LangGraph state machine: LOG what happened, PLAN what to do, ACT once, over and over.

    observe → log ⇄ remember → plan ⇄ recall → act → observe …
                                └→ handoff → commit ⇄ recall

`observe` looks at the world and opens the step; LOG (`log` asks, `remember` runs its operations) is skipped on the
first step, before anything has happened; PLAN (`plan` asks, `recall` runs recalls) ends in one action. With two models,
`handoff` gives the consultation to the gameplay model and `commit` asks it for the action. `act` sends the action and
writes the step to the trace. Each node's return type names where it can go next; this file only wires them up.
"""

from langgraph.graph import START, StateGraph

from graphs.inner_agent.act_node import act
from graphs.inner_agent.checked_graph import CheckedGraph
from graphs.inner_agent.context import Context
from graphs.inner_agent.log_node import log, remember
from graphs.inner_agent.node import Node, ready_for
from graphs.inner_agent.observe_node import observe
from graphs.inner_agent.plan_node import commit, handoff, plan, recall
from graphs.inner_agent.state import Input, Output, State
from graphs.onward import add_node

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

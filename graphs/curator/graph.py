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

from langgraph.graph import START, StateGraph

from graphs.curator.approve_final_node import approve_final
from graphs.curator.approve_node import approve
from graphs.curator.baseline_node import baseline
from graphs.curator.certify_node import certify
from graphs.curator.collect_node import collect
from graphs.curator.context import Context
from graphs.curator.controls_node import controls
from graphs.curator.curate_node import curate
from graphs.curator.evaluate_node import evaluate
from graphs.curator.featurise_node import featurise
from graphs.curator.final_node import final
from graphs.curator.finish_node import finish
from graphs.curator.next_iteration_node import next_iteration
from graphs.curator.record_node import record
from graphs.curator.start_node import start
from graphs.curator.state import Input, Output, State
from graphs.curator.train_node import train
from graphs.holding import Node, alone
from graphs.inner_agent.checked_graph import CheckedGraph
from graphs.onward import add_node

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

    `held`: whoever drives it holds the run folder, as `graphs.resumable` does; else every node does while it works.
    """
    builder = StateGraph(State, context_schema=Context, input_schema=Input, output_schema=Output)
    for node in NODES:
        add_node(builder, node.__name__, alone(node, begins=node is start, held_outside=held))
    builder.add_edge(START, "start")
    return builder


graph = CheckedGraph.of(build().compile(name="curator")).with_config(recursion_limit=STEP_LIMIT)

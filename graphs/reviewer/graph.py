"""Loop 1 as a LangGraph state machine: a reviewer revises the scaffold, a gate keeps only what helps.

    start → evaluate_start → next_attempt → review ⇄ check → approve → evaluate → gate ⇄ confirm
                                 ↑ ⇅            |       |         |         |        |
                                 | control      └───────┴────┬────┴─────────┘        └→ adopt
                                 └──────────────────────── settle ←──────────────────────┘
                             next_attempt → holdout → finish

`start` checks everything and writes the settings; `evaluate_start` plays the start. Then attempt by attempt: the
reviewer's revision is checked (faults go back to it), approved by a person if asked for, played and judged; `settle`
writes the outcome into the lineage, from which `next_attempt` reads what comes next: the next version, a continuation,
a fresh attempt, or the end. A budget that is spent leads to `settle` (an attempt's) or `finish` (the search's).
"""

from __future__ import annotations

from graphs.outer_loop import OuterLoop
from graphs.reviewer import evaluate_nodes, review_nodes, settle_nodes
from graphs.reviewer.evaluating import over_budget
from graphs.reviewer.search import Context, Search
from graphs.reviewer.state import Input, Output, State

LOOP = OuterLoop(
    name="reviewer",
    run=Search,
    state=State,
    context=Context,
    input=Input,
    output=Output,
    nodes=(
        evaluate_nodes.evaluate_start,
        review_nodes.next_attempt,
        review_nodes.review,
        review_nodes.check,
        evaluate_nodes.approve,
        evaluate_nodes.evaluate,
        evaluate_nodes.gate,
        evaluate_nodes.confirm,
        settle_nodes.adopt,
        settle_nodes.settle,
        evaluate_nodes.control,
        settle_nodes.holdout,
        settle_nodes.finish,
    ),
    over=over_budget,
)
build = LOOP.build
graph = LOOP.graph()
open_search = LOOP.open

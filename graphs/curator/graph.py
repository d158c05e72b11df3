"""Loop 2 as a LangGraph state machine: traces become examples, examples an adapter, and the adapter is measured.

    start → collect → featurise → baseline → next_iteration → curate ⇄ certify → approve → train → evaluate → record
                                                  ↑ |            ↑______________________________|               |
                                                  └─┼───────────────────────────────────────────────────────────┘
                                                    └→ controls → approve_final → final → finish

`start` checks everything and writes the settings; `collect` plays the training episodes, `featurise` lists their turns,
`baseline` plays the untrained base on the validation seeds. Then iteration by iteration: the curator selects and writes
a recipe, the dataset is certified (its faults, and what the training refuses, go back to the curator), approved by
a person if asked for, trained, played and written into the ledger, from which the next recipe is decided. At the end
the winner and its controls meet on seeds never played before. A budget that is spent leads to `finish`.
"""

from __future__ import annotations

from graphs.curator import collect_nodes, final_nodes, train_nodes
from graphs.curator.run import Context, Specialization
from graphs.curator.state import Input, Output, State
from graphs.outer_loop import OuterLoop

LOOP = OuterLoop(
    name="curator",
    run=Specialization,
    state=State,
    context=Context,
    input=Input,
    output=Output,
    nodes=(
        collect_nodes.collect,
        collect_nodes.featurise,
        collect_nodes.baseline,
        collect_nodes.next_iteration,
        train_nodes.curate,
        train_nodes.certify,
        train_nodes.approve,
        train_nodes.train,
        final_nodes.evaluate,
        final_nodes.record,
        final_nodes.controls,
        final_nodes.approve_final,
        final_nodes.final,
        final_nodes.finish,
    ),
    step_limit=10_000,
)
build = LOOP.build
graph = LOOP.graph()
open_specialization = LOOP.open

"""Where a state goes on that a person wrote as the outcome of a node (`update_state(…, as_node=NODE)`, Studio's fork).

A node that runs returns a command, which says where to go. Nobody returns one for a written state, and without an edge
it would end there. Every node therefore has an edge to each place that its command may name, taken only then.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, get_args, get_type_hints

from langchain_core.runnables import Runnable, RunnableConfig
from langgraph.graph import StateGraph


def destinations_of(returned: Any) -> tuple[str, ...]:
    """The nodes that a return type `Command[Literal[…]]` names."""
    names: tuple[str, ...] = get_args(get_args(returned)[0])
    return names


def add_node(
    builder: StateGraph[Any, Any, Any, Any],
    name: str,
    node: Callable[..., Any] | Runnable[Any, Any],
    destinations: tuple[str, ...] | None = None,
    ready_for: Callable[[Any], str] | None = None,
) -> None:
    """Add a node that returns commands; `destinations` are read from its return type if None.

    `ready_for` names the node that can work on a state. A written state goes there if the node's own command could;
    else to the first destination, which is the way on where nothing stands against it.
    """
    ends = destinations or destinations_of(get_type_hints(node)["return"])

    def onward(state: Any, config: RunnableConfig) -> str | list[str]:
        if "langgraph_node" in config.get("metadata", {}):
            return []  # the node has really run
        ready = ready_for(state) if ready_for is not None else ends[0]
        return ready if ready in ends else ends[0]

    builder.add_node(name, node, destinations=())
    builder.add_conditional_edges(name, onward, list(ends))

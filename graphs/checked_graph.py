"""What our graphs add to LangGraph's compiled ones: unknown names are refused, a written state goes on."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Collection, Mapping
from difflib import get_close_matches
from typing import Any, TypeVar, get_args, get_type_hints

from langchain_core.runnables import Runnable, RunnableConfig
from langgraph.graph import StateGraph
from langgraph.graph.state import CompiledStateGraph

from graphs.fields import shown_value
from graphs.settings import SettingsError

MOST_TEXT = 4_096
"""Characters of one text in an input or a context: as many as a path may have."""
G = TypeVar("G", bound="CheckedGraph")


class CheckedGraph(CompiledStateGraph[Any, Any, Any, Any]):
    """A compiled graph whose runs begin with a check of the names and texts they are given. SettingsError."""

    @classmethod
    def of(cls: type[G], graph: CompiledStateGraph[Any, Any, Any, Any]) -> G:
        """The same graph as one of this class."""
        return cls(**{name: value for name, value in vars(graph).items() if name != "__orig_class__"})

    def input_names(self) -> list[str]:
        """What an input can hold."""
        return list(self.builder.input_schema.__annotations__)

    def context_names(self) -> list[str]:
        """What a context can hold."""
        return list(getattr(self.context_schema, "__dataclass_fields__", ()))

    def stream(self, input: Any, config: Any = None, *, context: Any = None, **more: Any) -> Any:
        """`invoke` comes this way, too."""
        self.check_given(input, context)
        return super().stream(input, config, context=context, **more)

    def astream(self, input: Any, config: Any = None, *, context: Any = None, **more: Any) -> Any:
        """`ainvoke` and `astream_events` come this way, too."""
        self.check_given(input, context)
        return super().astream(input, config, context=context, **more)

    def check_given(self, given: Any, context: Any) -> None:
        """SettingsError for a name that is not known where it is given, or a text too long to be meant."""
        inputs, settings = self.input_names(), self.context_names()
        if isinstance(given, Mapping):
            check_names("input", given, inputs, "context", settings)
            check_texts("input", given)
        if isinstance(context, Mapping):
            check_names("context", context, settings, "input", inputs)
            check_texts("context", context)
        elif dataclasses.is_dataclass(context):
            check_texts("context", vars(context))


def check_names(
    place: str, given: Collection[object], known: Collection[str], other: str, others: Collection[str]
) -> None:
    """SettingsError naming the first unknown name of a `place`, and the `other` place if it is one of `others`."""
    for name in given:
        if name in known:
            continue
        hold = f"can hold {', '.join(known)}."
        if name in others:
            raise SettingsError(f"{name} is not part of the {place}: give it in the {other}. The {place} {hold}")
        near = get_close_matches(str(name)[:100], known, n=1)
        hint = f"Did you mean {near[0]}? " if near else ""
        raise SettingsError(f"The {place} has no {shown_value(name)}. {hint}It {hold}")


def check_texts(where: str, given: object) -> None:
    """SettingsError for a text of more than MOST_TEXT characters anywhere in `given`; the text is not repeated."""
    if isinstance(given, str) and len(given) > MOST_TEXT:
        raise SettingsError(f"The {where} holds a text of {len(given):,} characters: it can have {MOST_TEXT:,}.")
    if isinstance(given, Mapping):
        for name, value in given.items():
            check_texts(where, name)
            check_texts(f"{where} {str(name)[:100]}" if where in ("input", "context") else where, value)
    elif isinstance(given, list | tuple):
        for value in given:
            check_texts(where, value)


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
    else to the first destination, the usual one.
    """
    ends = destinations or destinations_of(get_type_hints(node)["return"])

    def onward(state: Any, config: RunnableConfig) -> str | list[str]:
        if "langgraph_node" in config.get("metadata", {}):
            return []  # the node has really run
        ready = ready_for(state) if ready_for is not None else ends[0]
        return ready if ready in ends else ends[0]

    builder.add_node(name, node, destinations=())
    builder.add_conditional_edges(name, onward, list(ends))

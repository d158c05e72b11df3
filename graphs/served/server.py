"""The graphs that a server serves (`langgraph.json`): the same four, each run of them checked as a client's.

LangGraph's server asks for a graph with the context as the client sent it, then drops from the context what it does not
know, and calls `astream` or `abulk_update_state` of a copy. All three are checked here: names, then `clients`.
"""

from __future__ import annotations

import asyncio
import contextvars
import re
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from langgraph.types import Command, StateUpdate
from langgraph_sdk.runtime import ServerRuntime

from chat_models.keys import client_calls
from graphs.checked_graph import CheckedGraph, check_names, check_texts
from graphs.curator.graph import graph as _curator
from graphs.evaluation.graph import graph as _evaluation
from graphs.fields import shown_value
from graphs.inner_agent.graph import graph as _inner_agent
from graphs.inner_agent.sessions import thread_run
from graphs.reviewer.graph import graph as _reviewer
from graphs.served.clients import permitted
from graphs.settings import Context, SettingsError

EDITABLE = ("notices", "choice")
"""What a client may edit in the state of an episode beside the fields of its input: the notices the model gets at
this step, and the action that it chose."""
MOST_NOTICES = 100
"""Notices of a step that a client may set: each of them is part of the prompt."""
SERVERS_OWN = re.compile(
    r"__(?!pregel).*|langgraph_.*|(thread|run|graph|assistant|cron|checkpoint|user)_id|checkpoint_(ns|map)"
)
"""What the server itself adds to a context, when a client gives its settings as `config.configurable`."""
_END = object()


class ClientGraph(CheckedGraph):
    """A graph whose runs and state updates are a client's."""

    async def astream(self, input: Any, config: Any = None, *, context: Any = None, **more: Any) -> AsyncIterator[Any]:
        """The run of a client, in a `contextvars` context of its own: what is set in it holds for every node."""
        held = await self._held(config)
        input, context = await asyncio.to_thread(self._permitted, input, context, held, config)
        own = contextvars.copy_context()
        calls = client_calls()
        own.run(calls.__enter__)
        events = super().astream(input, config, context=context, **more)

        async def following() -> Any:
            return await anext(events, _END)

        try:
            # The server awaits each event in a task of its own, and what is set in that would be gone at the next one.
            while (event := await asyncio.create_task(following(), context=own)) is not _END:
                yield event
        finally:
            await asyncio.create_task(events.aclose(), context=own)
            own.run(calls.__exit__, None, None, None)

    def stream(self, input: Any, config: Any = None, *, context: Any = None, **more: Any) -> Any:
        """A client's run is awaited."""
        raise TypeError("A graph of graphs.served.server is for a server: use the graph of the same name in graphs.")

    async def abulk_update_state(self, config: Any, supersteps: Sequence[Sequence[StateUpdate]]) -> Any:
        """`aupdate_state` comes this way, too."""
        held = await self._held(config)
        updates = [update.values for superstep in supersteps for update in superstep]
        await asyncio.to_thread(self._check_updates, updates, held, config)
        return await super().abulk_update_state(config, supersteps)

    def bulk_update_state(self, config: Any, supersteps: Any) -> Any:
        """A client's update is awaited."""
        raise TypeError("A graph of graphs.served.server is for a server: use the graph of the same name in graphs.")

    async def _held(self, config: Any) -> dict[str, Any]:
        """What the thread holds."""
        if not self.checkpointer or not (config or {}).get("configurable", {}).get("thread_id"):
            return {}
        return dict((await self.aget_state(config)).values)

    def _permitted(self, input: Any, context: Any, held: Mapping[str, Any], config: Any) -> tuple[Any, Any]:
        """The input and the context to run with. SettingsError."""
        self.check_given(input, context)
        given = input if isinstance(input, Mapping) else {}
        if isinstance(input, Command):
            if input.goto:
                raise SettingsError("A client's command resumes or updates a run; where it goes on is the graph's.")
            check_texts("command", input.resume)
            given = self._edited(input.update, held)
        inputs = {name: held[name] for name in self.input_names() if name in held}
        context = dict(context or {})
        asked = {**inputs, **given}
        allowed, context = permitted(self.name, asked, context, run=_run_of(asked, context, config))
        changed = {name: value for name, value in allowed.items() if name in given or asked.get(name) != value}
        if isinstance(input, Command):
            return Command(resume=input.resume, update={**given, **changed} or None), context
        if input is None:  # the run continues its thread
            return (Command(update=changed) if changed else None), context
        return {**given, **changed}, context

    def _check_updates(self, updates: Iterable[Any], held: Mapping[str, Any], config: Any) -> None:
        for values in updates:
            check_texts("state", values.resume if isinstance(values, Command) else None)
            given = self._edited(values.update if isinstance(values, Command) else values, held)
            inputs = {name: value for name, value in given.items() if name in self.input_names()}
            permitted(self.name, inputs, {}, run=_run_of(inputs, {}, config))

    def _edited(self, update: Any, held: Mapping[str, Any]) -> dict[str, Any]:
        """What an update changes. SettingsError for what a client may not."""
        if update is None:
            return {}
        if not isinstance(update, Mapping):
            raise SettingsError(f"A state is updated with a table of its fields, not with {shown_value(update)}.")
        changed = {name: value for name, value in update.items() if name not in held or held[name] != value}
        editable = (*self.input_names(), *(EDITABLE if self.name == "inner_agent" else ()))
        for name in changed:
            if name not in editable:
                raise SettingsError(
                    f"The state's {shown_value(name)} is set by the graph; a client can change {', '.join(editable)}."
                )
        check_texts("state", changed)
        _check_edited(changed)
        return changed


def _check_edited(changed: Mapping[str, Any]) -> None:
    """SettingsError for an edit of what the model is told or chose that is of another kind, or very long."""
    notices, choice = changed.get("notices", []), changed.get("choice")
    if not isinstance(notices, list) or not all(isinstance(notice, str) for notice in notices):
        raise SettingsError(f"The state's notices are a list of texts, not {shown_value(notices)}.")
    if choice is not None and not isinstance(choice, str):
        raise SettingsError(f"The state's choice is a text, not {shown_value(choice)}.")
    if len(notices) > MOST_NOTICES:
        raise SettingsError(f"The state has {len(notices):,} notices: it can have {MOST_NOTICES}.")


def _run_of(asked: Mapping[str, Any], context: Mapping[str, Any], config: Any) -> Path | None:
    """The run folder that a run of a client reads or writes."""
    if isinstance(asked.get("out"), str):
        return Path(asked["out"])
    if isinstance(asked.get("episode"), str):
        parents = Path(asked["episode"]).parents
        return parents[3] if len(parents) > 3 else None
    thread = (config or {}).get("configurable", {}).get("thread_id")
    runs = context.get("runs", Context().runs)
    return thread_run(runs, str(thread)) if thread and isinstance(runs, str) else None


def _served(graph: ClientGraph, runtime: Any) -> ClientGraph:
    """The graph, once the names in a run's context are known: the server drops the unknown ones later."""
    run = runtime.execution_runtime
    given = {} if run is None else run.context or {}
    names = [name for name in given if not SERVERS_OWN.fullmatch(str(name))]
    check_names("context", names, graph.context_names(), "input", graph.input_names())
    return graph


_GRAPHS = {graph.name: ClientGraph.of(graph) for graph in (_inner_agent, _evaluation, _reviewer, _curator)}


def inner_agent(runtime: ServerRuntime[Any]) -> ClientGraph:
    """Plays one episode."""
    return _served(_GRAPHS["inner_agent"], runtime)


def evaluation(runtime: ServerRuntime[Any]) -> ClientGraph:
    """Plays the episodes of a protocol."""
    return _served(_GRAPHS["evaluation"], runtime)


def reviewer(runtime: ServerRuntime[Any]) -> ClientGraph:
    """Loop 1."""
    return _served(_GRAPHS["reviewer"], runtime)


def curator(runtime: ServerRuntime[Any]) -> ClientGraph:
    """Loop 2."""
    return _served(_GRAPHS["curator"], runtime)

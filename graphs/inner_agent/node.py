"""One code path for sync and async: a node is a function or a generator that asks for model calls.

A node function takes `(state, session)` and returns a `Command` whose type names where it can go next. One that needs
a model is a generator: it yields an `Ask` and is sent the `Completion`. This wrapper finds the live session, makes the
calls through `chat_models.call` or `acall`, and turns a machine's failure into the episode's record before it rises.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Generator
from typing import Any, get_args, get_origin, get_type_hints

from langchain_core.runnables import Runnable, RunnableConfig
from langgraph.runtime import get_runtime
from langgraph.types import Command

from chat_models import Completion, acall, call
from graphs.inner_agent.context import Context
from graphs.inner_agent.routine import Ask
from graphs.inner_agent.session import Session
from graphs.inner_agent.sessions import SESSIONS
from graphs.inner_agent.state import State

Steps = Generator[Ask, Completion, Command[Any]]
NodeFunction = Callable[[State, Session], Command[Any] | Steps]


class Node(Runnable[State, Command[Any]]):
    """A node of the inner agent's graph."""

    def __init__(self, function: NodeFunction) -> None:
        self.function = function
        self.name = function.__name__
        self.destinations = destinations(function)

    def invoke(self, input: State, config: RunnableConfig | None = None, **kwargs: Any) -> Command[Any]:
        """Run the node, waiting for model calls in this thread."""
        session = SESSIONS.matching(input) or SESSIONS.open(input, _context(), _thread(config))
        with SESSIONS.recording(session):
            steps = self.function(input, session)
            if isinstance(steps, Command):
                return _located(steps, session, input)
            completion = None
            while True:
                try:
                    request = steps.send(completion)  # type: ignore[arg-type]  # None starts a generator
                except StopIteration as end:
                    return _located(end.value, session, input)
                session.check_ceilings()
                completion = call(session.model(request.role), request.messages, **session.call_settings(request))
                _count(session, request, completion)

    async def ainvoke(self, input: State, config: RunnableConfig | None = None, **kwargs: Any) -> Command[Any]:
        """Run the node, awaiting model calls; opening a session touches the disk and so happens in a thread."""
        session = SESSIONS.matching(input)
        if session is None:
            session = await asyncio.to_thread(SESSIONS.open, input, _context(), _thread(config))
        with SESSIONS.recording(session):
            steps = self.function(input, session)
            if isinstance(steps, Command):
                return _located(steps, session, input)
            completion = None
            while True:
                try:
                    request = steps.send(completion)  # type: ignore[arg-type]  # None starts a generator
                except StopIteration as end:
                    return _located(end.value, session, input)
                session.check_ceilings()
                completion = await acall(
                    session.model(request.role), request.messages, **session.call_settings(request)
                )
                _count(session, request, completion)


def destinations(function: NodeFunction) -> tuple[str, ...]:
    """Where a node can go next, read from its return type: `Command[Literal[...]]`, in a Generator's third place."""
    returned = get_type_hints(function)["return"]
    if get_origin(returned) is Generator:
        returned = get_args(returned)[2]
    return get_args(get_args(returned)[0])


def _located(command: Command[Any], session: Session, state: State) -> Command[Any]:
    """The command, with the episode's folder in it where the run has just been given another one (a fork)."""
    episode = str(session.folder.path)
    if state.get("episode") in (None, episode) or not isinstance(command.update, dict):
        return command
    return Command(goto=command.goto, update={**command.update, "episode": episode})


def _count(session: Session, request: Ask, completion: Completion) -> None:
    session.paid(request.role, completion.prompt_tokens, completion.completion_tokens, completion.cached_tokens)


def _context() -> Context | None:
    return get_runtime(Context).context


def _thread(config: RunnableConfig | None) -> str | None:
    thread = (config or {}).get("configurable", {}).get("thread_id")
    return None if thread is None else str(thread)

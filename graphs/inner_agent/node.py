"""One code path for sync and async: a node is a function or a generator that asks for model calls.

A node function takes `(state, session)` and returns a `Command` whose type names where it can go next. One that needs
a model is a generator: it yields an `Ask` and is sent the `Completion`. This wrapper finds the live session, claims it
for the run, and makes the calls through `chat_models.call` or `acall`. In a run that is awaited, what touches the
world, the disk or the notebook happens in a thread, so that a server's event loop stays free. Whatever breaks, the
session is given up: the next run rebuilds it from its folder.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Generator
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

from langchain_core.runnables import Runnable, RunnableConfig
from langgraph.graph import END
from langgraph.runtime import get_runtime
from langgraph.types import Command

from chat_models import Completion, acall, call
from graphs.inner_agent.ceilings import CeilingReached
from graphs.inner_agent.context import Context
from graphs.inner_agent.observe_node import outcome
from graphs.inner_agent.routine import Ask
from graphs.inner_agent.session import Session
from graphs.inner_agent.sessions import SESSIONS
from graphs.inner_agent.state import State
from traces.folders import disk_failures

Steps = Generator[Ask, Completion, Command[Any]]
NodeFunction = Callable[[State, Session], Command[Any] | Steps]
T = TypeVar("T")


class Node(Runnable[State, Command[Any]]):
    """A node of the inner agent's graph."""

    def __init__(self, function: NodeFunction) -> None:
        self.function = function
        self.name = function.__name__
        returned = get_type_hints(function)["return"]
        self.asks = get_origin(returned) is Generator
        """Whether the node asks a model."""
        self.begins = self.name == "observe"
        """Whether the node begins a step."""
        command = get_args(returned)[2] if self.asks else returned
        self.destinations: tuple[str, ...] = (*get_args(get_args(command)[0]), *((END,) if self.asks else ()))
        """Where the node can go next, read from its return type: `Command[Literal[...]]`; a ceiling, which is looked at
        before a model is asked, ends the run."""

    def invoke(self, input: State, config: RunnableConfig | None = None, **kwargs: Any) -> Command[Any]:
        """Run the node, waiting for the model in this thread."""
        session = SESSIONS.matching(input, begins=self.begins)
        if session is None:
            session = self._opened(input, _context(), _thread(config))
        session.claim.take(input.get("run"))
        try:
            if not self.asks:
                return self._command(input, session)
            steps, request = self._asked(input, session)
            with session.untraced():
                completion = call(session.model(request.role), request.messages, **session.call_settings(request))
            return _answered(steps, completion, request, session, input)
        except CeilingReached as reached:
            return _limited(session, reached, input)
        except BaseException as error:
            SESSIONS.give_up(session, error)
            raise

    async def ainvoke(self, input: State, config: RunnableConfig | None = None, **kwargs: Any) -> Command[Any]:
        """Run the node, awaiting the model, and everything else that takes time in a thread."""
        session = SESSIONS.matching(input, begins=self.begins)
        if session is None:
            session = await _in_thread(self._opened, input, _context(), _thread(config))
        session.claim.take(input.get("run"))
        try:
            if not self.asks:
                return await _in_thread(self._command, input, session)
            steps, request = self._asked(input, session)
            with session.untraced():
                model = session.model(request.role)
                completion = await acall(model, request.messages, **session.call_settings(request))
            return _answered(steps, completion, request, session, input)
        except CeilingReached as reached:
            return await _in_thread(_limited, session, reached, input)
        except BaseException as error:
            await _in_thread(SESSIONS.give_up, session, error)
            raise

    def _opened(self, state: State, context: Context | None, thread: str | None) -> Session:
        with disk_failures():
            return SESSIONS.open(state, context, thread, begins=self.begins)

    def _command(self, state: State, session: Session) -> Command[Any]:
        with disk_failures():
            command = self.function(state, session)
        assert isinstance(command, Command), "a node that asks nothing returns its command"
        return _located(command, session, state)

    def _asked(self, state: State, session: Session) -> tuple[Steps, Ask]:
        steps = self.function(state, session)
        assert isinstance(steps, Generator), "a node that asks is a generator"
        session.check_ceilings()
        return steps, next(steps)


def _answered(steps: Steps, completion: Completion, request: Ask, session: Session, state: State) -> Command[Any]:
    """Send the node its answer and return what it ends with."""
    session.paid(request.role, completion.prompt_tokens, completion.completion_tokens, completion.cached_tokens)
    try:
        steps.send(completion)
    except StopIteration as end:
        command: Command[Any] = end.value
        return _located(command, session, state)
    raise TypeError("A node asks one model call; another turn is another visit.")


def _limited(session: Session, reached: CeilingReached, state: State) -> Command[Any]:
    """The end of a run whose episode, or run of episodes, has spent what it may: an output like any other."""
    SESSIONS.limit(session, reached)
    ended: dict[str, Any] = {
        "status": "limited",
        "reason": str(reached),
        "run": None,
        "steps": None,
        "talk": None,
        "talks": [],
        "choice": None,
    }
    return _located(Command(goto=END, update={**outcome(session), **ended}), session, state)


async def _in_thread(function: Callable[..., T], *arguments: Any) -> T:
    """What `function` returns, run in a thread; a cancelled caller waits for its end, since nothing can stop it."""
    running = asyncio.ensure_future(asyncio.to_thread(function, *arguments))
    try:
        return await asyncio.shield(running)
    except asyncio.CancelledError:
        await asyncio.wait([running])
        raise


def _located(command: Command[Any], session: Session, state: State) -> Command[Any]:
    """The command, with the episode's folder in it where the run has just been given another one (a fork)."""
    episode = str(session.folder.path)
    if state.get("episode") in (None, episode) or not isinstance(command.update, dict):
        return command
    return Command(goto=command.goto, update={**command.update, "episode": episode})


def _context() -> Context | None:
    return get_runtime(Context).context


def _thread(config: RunnableConfig | None) -> str | None:
    thread = (config or {}).get("configurable", {}).get("thread_id")
    return None if thread is None else str(thread)

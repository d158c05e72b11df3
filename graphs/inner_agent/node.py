"""One code path for sync and async: a node is a function or a generator that asks for model calls.

A node function takes `(state, session)` and returns a `Command` whose type names where it can go next. One that needs
a model is a generator: it yields a `ModelRequest` and is sent the `Completion`. This wrapper finds the live session,
claims it for the run, and makes the calls through `chat_models.call` or `acall`. In a run that is awaited, work on
world, disk or notebook runs in a thread, so that a server's event loop stays free. After any error the session is
closed; the next run rebuilds it from its folder.

A state that lacks what a node works on (its checkpoint is older than the trace, a person wrote it) begins its step
again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Generator
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

from langchain_core.runnables import Runnable, RunnableConfig
from langgraph.graph import END, StateGraph
from langgraph.runtime import get_runtime
from langgraph.types import Command

from chat_models import Completion, FailureKind, ProviderFailure, acall, call
from chat_models.failures import NO_PARSER
from graphs.checked_graph import destinations_of
from graphs.inner_agent.caller import Caller
from graphs.inner_agent.nodes import outcome
from graphs.inner_agent.routine import ModelRequest, handed_over
from graphs.inner_agent.session import Session
from graphs.inner_agent.sessions import SESSIONS
from graphs.inner_agent.state import State
from graphs.settings import Context
from graphs.spending import CeilingReached
from tools.written_calls import written_calls
from traces.folders import disk_failures

Steps = Generator[ModelRequest, Completion, Command[Any]]
NodeFunction = Callable[[State, Session], Command[Any] | Steps]
T = TypeVar("T")


class Node(Runnable[State, Command[Any]]):
    """A node of the inner agent's graph."""

    def __init__(self, function: NodeFunction, builder: StateGraph[Any, Any, Any, Any]) -> None:
        """`builder`: the graph that the node belongs to."""
        self.function = function
        self.builder = builder
        self.name = function.__name__
        returned = get_type_hints(function)["return"]
        self.asks = get_origin(returned) is Generator
        """Whether the node asks a model."""
        self.begins = self.name == "observe"
        """Whether the node begins a step."""
        command = get_args(returned)[2] if self.asks else returned
        self.destinations = (*destinations_of(command), *((END,) if self.asks else ()))
        """Where the node can go next, read from its return type: `Command[Literal[...]]`; a ceiling, which is looked at
        before a model is asked, ends the run."""

    def invoke(self, input: State, config: RunnableConfig | None = None, **kwargs: Any) -> Command[Any]:
        """Run the node, waiting for the model in this thread."""
        caller = Caller.of(config)
        session = SESSIONS.matching(input, begins=self.begins)
        if session is None:
            session = self._opened(input, _context(), caller)
        if not self._ready(session, input, caller):
            return _begin_again(session)
        try:
            if not self.asks:
                return self._command(input, session)
            steps, request = self._asked(input, session)
            with session.untraced():
                completion = session.recorded_reply() or _call(session, request)
            session.note(_notes(session, input, request, completion))
            return _answered(steps, completion, request, session, input)
        except CeilingReached as reached:
            return _limited(session, reached, input)
        except BaseException as error:
            SESSIONS.give_up(session, error)
            raise

    async def ainvoke(self, input: State, config: RunnableConfig | None = None, **kwargs: Any) -> Command[Any]:
        """Run the node, awaiting the model, and everything else that takes time in a thread."""
        caller = Caller.of(config)
        session = SESSIONS.matching(input, begins=self.begins)
        if session is None:
            session = await in_thread(self._opened, input, _context(), caller)
        if not self._ready(session, input, caller):
            return _begin_again(session)
        try:
            if not self.asks:
                return await in_thread(self._command, input, session)
            await session.account.ready()
            steps, request = self._asked(input, session)
            with session.untraced():
                completion = session.recorded_reply() or await ask(session, request)
            if notes := _notes(session, input, request, completion):
                await in_thread(session.note, notes)
            return _answered(steps, completion, request, session, input)
        except CeilingReached as reached:
            return await in_thread(_limited, session, reached, input)
        except BaseException as error:
            await in_thread(SESSIONS.give_up, session, error)
            raise

    def _opened(self, state: State, context: Context | None, caller: Caller) -> Session:
        with disk_failures():
            session = SESSIONS.open(state, context, caller, begins=self.begins)
            if "step" not in state:
                caller.restore(self.builder, session)
        return session

    def _ready(self, session: Session, state: State, caller: Caller) -> bool:
        """Take the session for the run; whether the state holds what the node works on."""
        session.lease.acquire(state.get("run"), caller.served_thread)
        session.served.playing = caller.run
        session.may_fork = caller.saver is not None
        return self.begins or (state["step"] == session.position.step and _can_run(self.function.__name__, state))

    def _command(self, state: State, session: Session) -> Command[Any]:
        with disk_failures():
            command = self.function(state, session)
        assert isinstance(command, Command), "a node that asks nothing returns its command"
        return _located(command, session, state)

    def _asked(self, state: State, session: Session) -> tuple[Steps, ModelRequest]:
        steps = self.function(state, session)
        assert isinstance(steps, Generator), "a node that asks is a generator"
        session.account.check_ceilings()
        return steps, next(steps)


def _answered(
    steps: Steps, completion: Completion, request: ModelRequest, session: Session, state: State
) -> Command[Any]:
    """Send the node its answer and return what it ends with."""
    session.account.add_call(request.role, completion)
    try:
        steps.send(completion)
    except StopIteration as end:
        command: Command[Any] = end.value
        return _located(command, session, state)
    raise TypeError("A node asks one model call; another turn is another visit.")


def _call(session: Session, request: ModelRequest) -> Completion:
    while True:
        try:
            return call(session.model(request.role), request.prompt, **_call_settings(session, request))
        except ProviderFailure as failed:
            if not _shortened(session, request, failed):
                raise


async def ask(session: Session, request: ModelRequest) -> Completion:
    """The answer to a request, awaiting the model. A prompt beyond its context is shortened, unless that is to fail."""
    while True:
        try:
            return await acall(session.model(request.role), request.prompt, **_call_settings(session, request))
        except ProviderFailure as failed:
            if not _shortened(session, request, failed):
                raise


def _shortened(session: Session, request: ModelRequest, failed: ProviderFailure) -> bool:
    """Whether a prompt that was too long is shorter now and can be sent again."""
    if failed.kind is not FailureKind.CONTEXT_TOO_LONG or session.settings.overflow == "fail":
        return False
    return request.shorten(session.scaffold.render("handoff", step=session.position.step, note=""))


def _notes(session: Session, state: State, request: ModelRequest, completion: Completion) -> list[str]:
    """What a person should know of a call: how the request was changed, and prompts that the server cuts."""
    name, notes = session.account.model_name(request.role), list(completion.changes)
    conversation = state.get("conversation")
    before = conversation["calls"] if conversation else []
    tokens, earlier = completion.prompt_tokens, before[-1].get("prompt_tokens") if before else None
    if request.shortened:
        notes.append("A prompt was beyond the model's context: the oldest results of its routine are left out.")
    elif tokens and earlier and tokens <= earlier:
        notes.append(
            "A prompt grew but its tokens did not: the server seems to cut prompts in silence. Serve the model with a "
            "longer context (Ollama: OLLAMA_CONTEXT_LENGTH)."  # without the numbers, so that it is said once in a run
        )
    reply = completion.message
    if request.tools and not reply.get("tool_calls") and written_calls(reply["content"]).calls:
        notes.append(
            f"It writes its tool calls as text, where they are read: {NO_PARSER}, or play in the dialect tags."
        )
    return [f"{name}: {note}" for note in notes]


def _call_settings(session: Session, request: ModelRequest) -> dict[str, Any]:
    """Keyword arguments of `chat_models.call` for a request."""
    asked = {"tools": request.tools, "seed": request.seed, "constraint": request.constraint}
    return {**asked, "retry": session.retry, "affinity": session.affinity}


def _limited(session: Session, reached: CeilingReached, state: State) -> Command[Any]:
    """The end of a run whose episode, or run of episodes, has spent what it may: an output like any other."""
    SESSIONS.limit(session, reached)
    ended: dict[str, Any] = {
        "status": "limited",
        "reason": str(reached),
        "run": None,
        "steps": None,
        "conversation": None,
        "conversations": [],
        "choice": None,
    }
    return _located(Command(goto=END, update={**outcome(session), **ended}), session, state)


async def in_thread(function: Callable[..., T], *arguments: Any) -> T:
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


def _begin_again(session: Session) -> Command[Any]:
    return Command(goto="observe", update={"run": session.lease.run})


def _context() -> Context | None:
    return get_runtime(Context).context


def _can_run(node: str, state: State) -> bool:
    """Whether the state holds the conversation, and the reply in it, that a node works on."""
    conversation = state.get("conversation")
    if conversation is None or conversation["routine"] != ("LOG" if node in ("log", "remember") else "PLAN"):
        return False
    replies = [message["role"] == "assistant" for message in conversation["messages"]]
    return any(replies) if node in ("handoff", "act") else replies[-1] or node not in ("remember", "recall")


def ready_for(state: State) -> str:
    """The node that works on a state such as this."""
    conversation = state.get("conversation")
    if conversation is None:
        return END if state.get("done") or state.get("steps") == 0 else "observe"
    if state.get("choice") is not None:
        return "act"
    if conversation["messages"][-1]["role"] == "assistant":
        return "remember" if conversation["routine"] == "LOG" else "recall"
    return "log" if conversation["routine"] == "LOG" else "commit" if handed_over(state) else "plan"

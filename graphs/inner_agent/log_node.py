"""LOG: what is worth recording about what just happened? `log` asks the model, `remember` runs its operations."""

from __future__ import annotations

from collections.abc import Generator
from typing import Literal

from langgraph.types import Command

from chat_models import Completion
from graphs.inner_agent.routine import Ask, answered, ask, heard, read, run, turns_left, unsaid
from graphs.inner_agent.session import Session
from graphs.inner_agent.state import State


def log(state: State, session: Session) -> Generator[Ask, Completion, Command[Literal["remember"]]]:
    """One turn of the memory model."""
    talk = state["talk"]
    assert talk is not None, "observe opens the conversation"
    request = ask(session, talk, state["step"], 0)
    completion = yield request
    return Command(goto="remember", update={"talk": heard(talk, request, completion)})


def remember(state: State, session: Session) -> Command[Literal["log", "plan"]]:
    """Run what the reply asks for, in order; back to LOG with the results, or on to PLAN when it is done."""
    talk = state["talk"]
    assert talk is not None, "log leaves a reply to read"
    came = run(session, talk, read(session, talk))
    if came.done or turns_left(came.talk) == 0:
        # What went wrong in the last reply has no message of its own any more: PLAN's opening says it.
        notices = [*state["notices"], *unsaid(came)]
        update = {"talks": [*state["talks"], came.talk], "talk": session.open_talk("PLAN", notices)}
        return Command(goto="plan", update={**update, "revision": session.notebook.revision})
    grown = answered(session, came.talk, came.replies)
    return Command(goto="log", update={"talk": grown, "revision": session.notebook.revision})

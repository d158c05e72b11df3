"""PLAN: what must be recalled to act now? Recall turns, then one action; with two models the second commits it.

`plan` asks the memory model (or the only model), `recall` runs recalls, `handoff` gives the consultation to the
gameplay model, `commit` asks that one. An action written in the same reply as a recall was written before the recall's
result could be seen: it is held, and the model asked again, rather than sent blindly.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import Any, Literal

from langgraph.types import Command

from chat_models import Completion
from graphs.inner_agent.routine import (
    Ask,
    Round,
    answered,
    ask,
    handed_over,
    heard,
    means_operation,
    only_actions,
    read,
    run,
    turns_left,
    unsaid,
)
from graphs.inner_agent.session import Session
from graphs.inner_agent.state import Message, State, Talk
from tools import Kind, Mistake, MistakeCode


def plan(state: State, session: Session) -> Generator[Ask, Completion, Command[Literal["recall", "handoff", "act"]]]:
    """One turn of the memory model: consult the notebook, or (when it plays alone) commit an action."""
    talk, came = yield from _turn(state, session)
    if came is None:
        return Command(goto="recall", update={"talk": talk})
    if session.hands_over:
        return Command(goto="handoff", update={"talk": came.talk})
    return Command(goto="act", update={"talk": came.talk, "choice": came.choice})


def recall(state: State, session: Session) -> Command[Literal["plan", "commit", "handoff", "act"]]:
    """Run the recalls of the last reply and show their results to whoever asked."""
    talk = _open(state)
    reading = read(session, talk)
    came = run(session, talk, reading)
    update = {"talk": came.talk, "revision": session.notebook.revision}
    last_turn = turns_left(came.talk) == 0
    handed = handed_over(state)
    consulting = session.hands_over and not handed
    later = session.turns("PLAN") if consulting else 0
    if consulting:
        # Whoever writes an action, or nothing that means an operation, has finished consulting.
        if last_turn or came.choice is not None or not means_operation(reading):
            answer = came.replies if means_operation(reading) else []
            ended = answered(session, came.talk, answer, later=later - turns_left(came.talk))
            return Command(goto="handoff", update={**update, "talk": ended})
    elif last_turn or (came.choice is not None and not came.recalled):
        return Command(goto="act", update={**update, "choice": came.choice, "told_later": unsaid(came)})
    grown = answered(session, came.talk, [*came.replies, *came.held], later=later)
    back: Literal["plan", "commit"] = "commit" if handed else "plan"
    return Command(goto=back, update={**update, "talk": grown})


def handoff(state: State, session: Session) -> Command[Literal["commit"]]:
    """Give the consultation to the gameplay model, without any action the memory model blurted out."""
    talk = _open(state)
    note = session.scaffold.render("handoff", step=state["step"], note="")
    messages = _without_action(session, talk)
    handed = Talk(
        routine="PLAN",
        role=session.role("act"),
        turns=session.turns("PLAN"),
        messages=_with_note(messages, note),
        calls=[],
        operations=[],
    )
    consulted: Talk = {**talk, "operations": [_removed(facts) for facts in talk["operations"]]}
    return Command(goto="commit", update={"talks": [*state["talks"], consulted], "talk": handed})


def commit(state: State, session: Session) -> Generator[Ask, Completion, Command[Literal["recall", "act"]]]:
    """One turn of the gameplay model: it may recall further, then commits the action."""
    talk, came = yield from _turn(state, session)
    if came is None:
        return Command(goto="recall", update={"talk": talk})
    return Command(goto="act", update={"talk": came.talk, "choice": came.choice})


def _turn(state: State, session: Session) -> Generator[Ask, Completion, tuple[Talk, Round | None]]:
    """One reply: the conversation with it, and what came of it if it holds nothing but an action."""
    talk = _open(state)
    request = ask(session, talk, state["step"], sum(len(one["calls"]) for one in state["talks"]))
    completion = yield request
    talk = heard(talk, request, completion)
    reading = read(session, talk)
    return talk, run(session, talk, reading) if only_actions(reading) else None


def _open(state: State) -> Talk:
    talk = state["talk"]
    assert talk is not None, "a conversation is open"
    return talk


def _without_action(session: Session, talk: Talk) -> list[Message]:
    """The conversation without the action its last reply holds; without that reply if nothing else was in it."""
    messages = list(talk["messages"])
    at = max(index for index, message in enumerate(messages) if message["role"] == "assistant")
    reading = session.dialect.read(messages[at], session.vocabulary("PLAN"))
    # What stands after the action was not run, but it may hold another action.
    gone = [
        item
        for item in reading.items
        if (item.code is MistakeCode.AFTER_END if isinstance(item, Mistake) else item.operation.kind is Kind.WORLD)
    ]
    reply = session.dialect.remove(messages[at], gone) if gone else session.dialect.settle(messages[at])
    answers = {item.call_id for item in gone} - {None}
    later = [message for message in messages[at + 1 :] if message.get("tool_call_id") not in answers]
    empty = not (reply["content"] or reply.get("tool_calls"))
    return [*messages[:at], *([] if empty and not later else [reply]), *later]


def _removed(facts: dict[str, Any]) -> dict[str, Any]:
    return {**facts, "outcome": "removed"} if facts["outcome"] == "act" else facts


def _with_note(messages: list[Message], note: str) -> list[Message]:
    """The messages with a user's note at the end: chat templates want the roles to alternate."""
    if messages[-1]["role"] == "user":
        return [*messages[:-1], {**messages[-1], "content": f"{messages[-1]['content']}\n\n{note}"}]
    return [*messages, {"role": "user", "content": note}]

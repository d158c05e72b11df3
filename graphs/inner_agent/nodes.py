"""The nodes of a step, in the order it goes: OBSERVE, LOG, PLAN, ACT."""

from __future__ import annotations

import time
from collections.abc import Generator
from typing import Any, Literal

from langgraph.types import Command

import traces
from chat_models import Completion
from graphs.events import emit
from graphs.inner_agent.hooks import decide, maintain, observe_notices
from graphs.inner_agent.routine import (
    ModelRequest,
    TurnOutcome,
    append_reply,
    append_results,
    handed_over,
    means_operation,
    mistake_notices,
    model_request,
    only_actions,
    open_conversation,
    read_reply,
    run_operations,
    turns_left,
)
from graphs.inner_agent.session import Session
from graphs.inner_agent.state import Conversation, Message, State
from graphs.settings import steps_to_play
from tools import Kind, Mistake, MistakeCode, Reply
from traces import ModelCall, OperationRecord


def observe(state: State, session: Session) -> Command[Literal["log", "plan", "__end__"]]:
    """Begin a step: LOG from the second on (before, nothing has happened), else PLAN; end when the game is over."""
    position = session.position
    update: dict[str, Any] = {
        **outcome(session),
        "steps": session.served.steps_left(position.step, steps_to_play(state.get("steps"))),
        "run": session.lease.run,
        "unanswered": [],
        "revision": session.notebook.revision,
        "conversations": [],
        "conversation": None,
        "choice": None,
    }
    if position.over or update["steps"] < 1:
        session.lease.release()
        update |= {"run": None, "steps": None}
        return Command(goto="__end__", update=update)
    if session.notebook.revision != session.start_revision:
        # An earlier run of this step was interrupted: its notes belong to calls that are now made again.
        session.notebook.rewind(session.start_revision)
    if session.may_fork and state.get("run") is None:
        session.mark()
    session.account.step_began = time.monotonic()
    notices = [*position.complaints, *observe_notices(session)]
    maintain(session)
    emit("step", step=position.step, observation=position.observation, notices=notices, action=position.action)
    logs = session.settings.notebook == "on" and position.previous is not None
    conversation = open_conversation(session, "LOG" if logs else "PLAN", notices)
    update |= {"notices": notices, "conversation": conversation, "revision": session.notebook.revision}
    return Command(goto="log" if logs else "plan", update=update)


def outcome(session: Session) -> dict[str, Any]:
    """The fields of `state.Output` at the episode's position."""
    settings, position = session.settings, session.position
    return {
        "world": settings.world,
        "task": settings.task,
        "seed": settings.seed,
        "model": settings.model,
        "episode": str(session.folder.path),
        "step": position.step,
        "observation": position.observation,
        "action": position.action,
        "reward": position.reward,
        "episode_return": position.episode_return,
        "progression": position.info["progression"],
        "done": position.over,
        "end_reason": session.position.end_reason,
        "status": "finished" if position.over else "playing",
        "reason": session.position.end_reason,
    }


def log(state: State, session: Session) -> Generator[ModelRequest, Completion, Command[Literal["remember"]]]:
    """One turn of the memory model."""
    conversation = state["conversation"]
    assert conversation is not None, "observe opens the conversation"
    request = model_request(session, conversation, state["step"], 0)
    completion = yield request
    return Command(goto="remember", update={"conversation": append_reply(session, conversation, request, completion)})


def remember(state: State, session: Session) -> Command[Literal["log", "plan"]]:
    """Run what the reply asks for, in order; back to LOG with the results, or on to PLAN when it is done."""
    conversation = state["conversation"]
    assert conversation is not None, "log leaves a reply to read"
    turn = run_operations(session, conversation, read_reply(session, conversation))
    if turn.done or turns_left(session, turn.conversation) == 0:
        # LOG sends no further message: the mistakes of its last reply become notices of PLAN's opening.
        notices = [*state["notices"], *mistake_notices(turn)]
        update = {
            "conversations": [*state["conversations"], turn.conversation],
            "conversation": open_conversation(session, "PLAN", notices),
        }
        return Command(goto="plan", update={**update, "revision": session.notebook.revision})
    grown = append_results(session, turn.conversation, turn.replies)
    return Command(goto="log", update={"conversation": grown, "revision": session.notebook.revision})


def plan(
    state: State, session: Session
) -> Generator[ModelRequest, Completion, Command[Literal["recall", "handoff", "act"]]]:
    """One turn of the memory model: consult the notebook, or (when it plays alone) commit an action."""
    conversation, turn = yield from _one_turn(state, session)
    if turn is None:
        return Command(goto="recall", update={"conversation": conversation})
    if session.hands_over:
        return Command(goto="handoff", update={"conversation": turn.conversation})
    return Command(goto="act", update={"conversation": turn.conversation, "choice": turn.choice})


def recall(state: State, session: Session) -> Command[Literal["plan", "commit", "handoff", "act"]]:
    """Run the recalls of the last reply; back to the model with the results, or on with its action."""
    conversation = _open(state)
    reading = read_reply(session, conversation)
    turn = run_operations(session, conversation, reading)
    update = {"conversation": turn.conversation, "revision": session.notebook.revision}
    last_turn = turns_left(session, turn.conversation) == 0
    handed = handed_over(state)
    consulting = session.hands_over and not handed
    later = session.turns("PLAN") if consulting else 0
    if consulting:
        # A reply with an action, or without any operation, ends the consultation.
        if last_turn or turn.choice is not None or not means_operation(reading):
            answer = turn.replies if means_operation(reading) else []
            later -= turns_left(session, turn.conversation)
            ended = append_results(session, turn.conversation, answer, later=later)
            return Command(goto="handoff", update={**update, "conversation": ended})
    elif last_turn or (turn.choice is not None and not turn.recalled):
        return Command(goto="act", update={**update, "choice": turn.choice, "unanswered": mistake_notices(turn)})
    grown = append_results(session, turn.conversation, [*turn.replies, *turn.deferred], later=later)
    back: Literal["plan", "commit"] = "commit" if handed else "plan"
    return Command(goto=back, update={**update, "conversation": grown})


def handoff(state: State, session: Session) -> Command[Literal["commit"]]:
    """Give the consultation to the gameplay model, without any action that the memory model wrote."""
    conversation = _open(state)
    note = session.scaffold.render("handoff", step=state["step"], note="")
    messages = _without_action(session, conversation)
    handed = Conversation(
        routine="PLAN",
        role=session.role("act"),
        turns=session.turns("PLAN"),
        messages=_with_note(messages, note),
        calls=[],
        operations=[],
    )
    consulted: Conversation = {**conversation, "operations": [_removed(facts) for facts in conversation["operations"]]}
    return Command(
        goto="commit", update={"conversations": [*state["conversations"], consulted], "conversation": handed}
    )


def commit(state: State, session: Session) -> Generator[ModelRequest, Completion, Command[Literal["recall", "act"]]]:
    """One turn of the gameplay model: it may recall further, then commits the action."""
    conversation, turn = yield from _one_turn(state, session)
    if turn is None:
        return Command(goto="recall", update={"conversation": conversation})
    return Command(goto="act", update={"conversation": turn.conversation, "choice": turn.choice})


def _one_turn(
    state: State, session: Session
) -> Generator[ModelRequest, Completion, tuple[Conversation, TurnOutcome | None]]:
    """One reply: the conversation with it, and its outcome if it holds nothing but an action."""
    conversation = _open(state)
    request = model_request(
        session, conversation, state["step"], sum(len(one["calls"]) for one in state["conversations"])
    )
    completion = yield request
    conversation = append_reply(session, conversation, request, completion)
    reading = read_reply(session, conversation)
    return conversation, run_operations(session, conversation, reading) if only_actions(reading) else None


def _open(state: State) -> Conversation:
    conversation = state["conversation"]
    assert conversation is not None, "a conversation is open"
    return conversation


def _without_action(session: Session, conversation: Conversation) -> list[Message]:
    """The conversation without the action its last reply holds; without that reply if nothing else was in it."""
    messages = list(conversation["messages"])
    at = max(index for index, message in enumerate(messages) if message["role"] == "assistant")
    reading = session.dialect.read(messages[at], session.vocabularies["PLAN"])
    # What follows the action was not run, but it may hold another action.
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
    """The messages with a user's note at the end: in the last user or tool message, since many chat templates want the
    roles to alternate and refuse a user message after a tool message."""
    if messages[-1]["role"] in ("user", "tool"):
        return [*messages[:-1], {**messages[-1], "content": f"{messages[-1]['content']}\n\n{note}"}]
    return [*messages, {"role": "user", "content": note}]


def act(state: State, session: Session) -> Command[Literal["observe", "plan", "commit", "__end__"]]:
    """Send the action; or ask once more when a hook vetoes it and the routine has turns left."""
    conversation = state["conversation"]
    assert conversation is not None, "plan or commit leaves the conversation open"
    sent = decide(session, state["choice"])
    if sent.veto is not None and turns_left(session, conversation) > 0:
        # The last tool call is the action's: its veto is the answer to it.
        call_id = _action_call_id(conversation)
        reply = Reply(title=f"ACT {state['choice']}", text=sent.veto, ok=False, call_id=call_id)
        grown = append_results(session, _vetoed(conversation), [reply])
        back: Literal["plan", "commit"] = "commit" if handed_over(state) else "plan"
        return Command(goto=back, update={"conversation": grown, "choice": None, "unanswered": []})
    session.play(
        sent.action,
        [_recorded(session, one) for one in (*state["conversations"], conversation)],
        [*([sent.complaint] if sent.complaint else []), *state["unanswered"]],
        chosen=state["choice"],
        action_outcome=sent.how,
        notices=state["notices"],
    )
    remaining = (state["steps"] or 1) - 1
    now = outcome(session)
    facts = {name: now[name] for name in ("reward", "progression", "done", "end_reason")}
    emit("action", step=state["step"], action=sent.action, how=sent.how, chosen=state["choice"], **facts)
    update = {**now, "steps": remaining, "conversation": None, "conversations": [], "choice": None, "notices": []}
    going_on = remaining > 0 and not session.position.over
    if not going_on:
        session.lease.release()
        update["steps"] = None
    update |= {"run": session.lease.run, "unanswered": []}
    return Command(goto="observe" if going_on else "__end__", update={**update, "revision": session.notebook.revision})


def _recorded(session: Session, conversation: Conversation) -> traces.Conversation:
    return traces.Conversation(
        routine=conversation["routine"],
        role=conversation["role"],
        model=session.account.model_name(conversation["role"]),
        messages=[session.system, *conversation["messages"]],
        calls=[ModelCall(**call) for call in conversation["calls"]],
        operations=[OperationRecord(**facts) for facts in conversation["operations"]],
        tools=session.tool_schemas(conversation["routine"]),
    )


def _vetoed(conversation: Conversation) -> Conversation:
    operations = [dict(facts) for facts in conversation["operations"]]
    next(facts for facts in reversed(operations) if facts["outcome"] == "act")["outcome"] = "vetoed"
    return {**conversation, "operations": operations}


def _action_call_id(conversation: Conversation) -> str | None:
    calls: list[dict[str, Any]] = conversation["messages"][-1].get("tool_calls") or []
    return str(calls[-1]["id"]) if calls else None

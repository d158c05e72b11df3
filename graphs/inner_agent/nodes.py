"""The nodes of a step, in the order it goes: OBSERVE, LOG, PLAN, ACT."""

from __future__ import annotations

import time
from collections.abc import Generator
from typing import Any, Literal

from langgraph.types import Command

from chat_models import Completion
from graphs.events import emit
from graphs.inner_agent.hooks import Sent, decide, maintain, observe_notices
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
from graphs.inner_agent.state import Message, State, Talk, plain
from graphs.settings import steps_to_play
from tools import Kind, Mistake, MistakeCode, Reply
from traces import Conversation, ModelCall, OperationRecord, StepRecord


def observe(state: State, session: Session) -> Command[Literal["log", "plan", "__end__"]]:
    """Begin a step: LOG from the second on (before, nothing has happened), else PLAN; end when the game is over."""
    moment = session.moment
    update: dict[str, Any] = {
        **outcome(session),
        "steps": session.served.steps_left(moment.step, steps_to_play(state.get("steps"))),
        "run": session.claim.run,
        "told_later": [],
        "revision": session.notebook.revision,
        "talks": [],
        "talk": None,
        "choice": None,
    }
    if moment.over or update["steps"] < 1:
        session.claim.release()
        update |= {"run": None, "steps": None}
        return Command(goto="__end__", update=update)
    if session.notebook.revision != session.start_revision:
        # An earlier run of this step was interrupted: its notes belong to calls that are now made anew.
        session.notebook.rewind(session.start_revision)
    session.step_began = time.monotonic()
    notices = [*moment.complaints, *observe_notices(session)]
    maintain(session)
    emit("step", step=moment.step, observation=moment.observation, notices=notices, action=moment.action)
    logs = session.settings.notebook == "on" and moment.previous is not None
    talk = session.open_talk("LOG" if logs else "PLAN", notices)
    update |= {"notices": notices, "talk": talk, "revision": session.notebook.revision}
    return Command(goto="log" if logs else "plan", update=update)


def outcome(session: Session) -> dict[str, Any]:
    """The fields of `state.Output` for where the episode stands."""
    settings, moment = session.settings, session.moment
    return {
        "world": settings.world,
        "task": settings.task,
        "seed": settings.seed,
        "model": settings.model,
        "episode": str(session.folder.path),
        "step": moment.step,
        "observation": moment.observation,
        "action": moment.action,
        "reward": moment.reward,
        "episode_return": moment.episode_return,
        "progression": moment.info["progression"],
        "done": moment.over,
        "end_reason": session.end_reason(),
        "status": "finished" if moment.over else "playing",
        "reason": session.end_reason(),
    }


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


TOKENS = ("prompt", "completion", "cached")


def act(state: State, session: Session) -> Command[Literal["observe", "plan", "commit", "__end__"]]:
    """Send the action; or ask once more when a hook vetoes it and the routine has turns left."""
    talk = state["talk"]
    assert talk is not None, "plan or commit leaves the conversation open"
    sent = decide(session, state["choice"])
    if sent.veto is not None and turns_left(talk) > 0:
        # The last tool call is the action's: its veto is the answer to it.
        call_id = _action_call_id(talk)
        reply = Reply(title=f"ACT {state['choice']}", text=sent.veto, ok=False, call_id=call_id)
        grown = answered(session, _vetoed(talk), [reply])
        back: Literal["plan", "commit"] = "commit" if handed_over(state) else "plan"
        return Command(goto=back, update={"talk": grown, "choice": None, "told_later": []})
    _play(state, session, sent, [*state["talks"], talk])
    remaining = (state["steps"] or 1) - 1
    now = outcome(session)
    told = {name: now[name] for name in ("reward", "progression", "done", "end_reason")}
    emit("action", step=state["step"], action=sent.action, how=sent.how, chosen=state["choice"], **told)
    update = {**now, "steps": remaining, "talk": None, "talks": [], "choice": None, "notices": []}
    going_on = remaining > 0 and not session.moment.over
    if not going_on:
        session.claim.release()
        update["steps"] = None
    update |= {"run": session.claim.run, "told_later": []}
    return Command(goto="observe" if going_on else "__end__", update={**update, "revision": session.notebook.revision})


def _play(state: State, session: Session, sent: Sent, talks: list[Talk]) -> None:
    """Step the world, record the whole step, and let the session stand at what the world now shows."""
    moment = session.moment
    observation, reward, terminated, truncated, info = session.world.step(sent.action)
    calls = [call for talk in talks for call in talk["calls"]]
    record = StepRecord(
        step=moment.step,
        observation=plain(moment.observation),
        notices=state["notices"],
        conversations=[_conversation(session, talk) for talk in talks],
        action=sent.action,
        chosen=state["choice"],
        action_outcome=sent.how,
        reward=reward,
        terminated=terminated,
        truncated=truncated,
        info=info,
        tokens={kind: sum(call[f"{kind}_tokens"] or 0 for call in calls) for kind in TOKENS},
        model_calls=len(calls),
        complaints=([sent.complaint] if sent.complaint else []) + state["told_later"],
        latency_s=time.monotonic() - session.step_began,
        revision=session.notebook.revision,
        hook_operations=session.hook_operations,
    )
    session.record(record, after=observation)


def _conversation(session: Session, talk: Talk) -> Conversation:
    return Conversation(
        routine=talk["routine"],
        role=talk["role"],
        model=session.model_name(talk["role"]),
        messages=[session.system, *talk["messages"]],
        calls=[ModelCall(**call) for call in talk["calls"]],
        operations=[OperationRecord(**facts) for facts in talk["operations"]],
        tools=session.tool_schemas(talk["routine"]),
    )


def _vetoed(talk: Talk) -> Talk:
    operations = [dict(facts) for facts in talk["operations"]]
    next(facts for facts in reversed(operations) if facts["outcome"] == "act")["outcome"] = "vetoed"
    return {**talk, "operations": operations}


def _action_call_id(talk: Talk) -> str | None:
    calls: list[dict[str, Any]] = talk["messages"][-1].get("tool_calls") or []
    return str(calls[-1]["id"]) if calls else None

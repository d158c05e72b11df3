"""ACT: one action goes to the world, and the whole step lands in the trace."""

from __future__ import annotations

import time
from typing import Any, Literal

from langgraph.types import Command

from graphs.inner_agent.deciding import Sent, decide
from graphs.inner_agent.events import tell
from graphs.inner_agent.moment import plain
from graphs.inner_agent.observe_node import outcome
from graphs.inner_agent.routine import answered, handed_over, turns_left
from graphs.inner_agent.session import Session
from graphs.inner_agent.state import State, Talk
from tools import Reply
from traces import Conversation, ModelCall, OperationRecord, StepRecord

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
    tell("action", step=state["step"], action=sent.action, how=sent.how, chosen=state["choice"], **told)
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

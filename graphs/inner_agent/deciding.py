"""From what the model wrote to what the world is sent: a hook may mend or veto it, and nothing invalid gets through."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from graphs.inner_agent.hook_calls import judge
from graphs.inner_agent.session import Session
from scaffolds import Repair, Veto


@dataclass(frozen=True, slots=True)
class Sent:
    """The action sent to the world and how it came about."""

    action: str
    how: Literal["valid", "repaired", "invalid", "missing", "vetoed"]
    complaint: str | None
    """What the next observation tells the model of its output, if anything."""
    veto: str | None = None
    """Why a hook would rather see another action; None if none objects."""


def decide(session: Session, choice: str | None) -> Sent:
    """From what the model wrote to what is sent: repaired by a hook, or the world's default action with a complaint."""
    actions = session.world.actions
    if choice is None:
        complaint = f'Your last output held no action; the default action "{actions.default}" was sent instead.'
        return Sent(actions.default, "missing", complaint)
    action = actions.find(choice)
    judged = judge(session, action if action is not None else choice)
    wrong = " ".join(choice[:80].split())
    if isinstance(judged, Veto):
        complaint = f'"{wrong}" was vetoed ({judged.why}); the default action "{actions.default}" was sent instead.'
        return Sent(actions.default, "vetoed", complaint, veto=judged.why)
    if isinstance(judged, Repair) and judged.action in actions:
        return Sent(judged.action, "repaired", f'"{wrong}" was sent as "{judged.action}": {judged.why}')
    if action is None:
        complaint = (
            f'"{wrong}" is not an action of this world; the default action "{actions.default}" was sent instead.'
        )
        return Sent(actions.default, "invalid", complaint)
    return Sent(action, "valid", None)

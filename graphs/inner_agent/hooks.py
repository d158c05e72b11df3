"""Where the scaffold's hooks are called: notices, maintained files, and repair or veto of the action."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from graphs.inner_agent.arms import keep
from graphs.inner_agent.session import Session
from graphs.inner_agent.state import plain
from scaffolds import Decision, Repair, Veto, View
from traces import OperationRecord


def observe_notices(session: Session) -> list[str]:
    """Notices of the hooks on this step's observation, then of the file schema on files that are too long."""
    notices = session.hooks.observe(view(session)) if session.hooks is not None else []
    if session.settings.notebook == "off":
        return list(notices)
    return [*notices, *session.scaffold.length_notices(session.notebook.index())]


def maintain(session: Session) -> None:
    """Let the hooks keep their files where the notebook may be written, and the control arm what it keeps."""
    before = session.notebook.revision
    if session.hooks is not None and session.settings.notebook == "on":
        session.notebook.mark(session.position.step, "HOOKS")
        session.hooks.maintain(view(session), session.notebook)
    keep(session)
    written = session.notebook.revision - before
    if written:  # the notebook's journal holds each revision
        facts = OperationRecord(
            call=-1, operation="maintain", outcome="written", total=written, revision=before + written
        )
        session.hook_operations = [facts]


def judge(session: Session, action: str) -> Decision | None:
    """What the hooks say of an action before it is sent; None without hooks."""
    return session.hooks.act(action, view(session)) if session.hooks is not None else None


def view(session: Session) -> View:
    """What a hook may know of the episode."""
    position = session.position
    return View(
        world=session.settings.world,
        task=session.settings.task,
        step=position.step,
        observation=plain(position.observation),
        action=position.action,
        actions=session.world.actions.names,
    )


@dataclass(frozen=True, slots=True)
class SentAction:
    """The action sent to the world and how it came about."""

    action: str
    how: Literal["valid", "repaired", "invalid", "missing", "vetoed"]
    complaint: str | None
    """A notice on the model's output for the next step, if any."""
    veto: str | None = None
    """Why a hook refuses the action; None if none does."""


def decide(session: Session, choice: str | None) -> SentAction:
    """From what the model wrote to what is sent: repaired by a hook, or the world's default action with a complaint."""
    actions = session.world.actions
    if choice is None:
        complaint = f'Your last output held no action; the default action "{actions.default}" was sent instead.'
        return SentAction(actions.default, "missing", complaint)
    action = actions.find(choice)
    judged = judge(session, action if action is not None else choice)
    wrong = " ".join(choice[:80].split())
    if isinstance(judged, Veto):
        complaint = f'"{wrong}" was vetoed ({judged.why}); the default action "{actions.default}" was sent instead.'
        return SentAction(actions.default, "vetoed", complaint, veto=judged.why)
    if isinstance(judged, Repair) and judged.action in actions:
        return SentAction(judged.action, "repaired", f'"{wrong}" was sent as "{judged.action}": {judged.why}')
    if action is None:
        complaint = (
            f'"{wrong}" is not an action of this world; the default action "{actions.default}" was sent instead.'
        )
        return SentAction(actions.default, "invalid", complaint)
    return SentAction(action, "valid", None)

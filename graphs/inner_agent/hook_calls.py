"""Where the scaffold's hooks are asked: notices, maintained files, and a last look at the action."""

from __future__ import annotations

from graphs.inner_agent.moment import plain
from graphs.inner_agent.session import Session
from scaffolds import Decision, View
from traces import OperationRecord


def observe_notices(session: Session) -> list[str]:
    """What the hooks want said about this step's observation, then what the file schema says of overlong files."""
    notices = session.hooks.observe(view(session)) if session.hooks is not None else []
    if session.settings.notebook == "off":
        return list(notices)
    return [*notices, *session.scaffold.length_notices(session.notebook.index())]


def maintain(session: Session) -> None:
    """Let the hooks keep the files that are declared theirs; only where the notebook may be written."""
    if session.hooks is None or session.settings.notebook != "on":
        return
    before = session.notebook.revision
    session.notebook.mark(session.moment.step, "HOOKS")
    session.hooks.maintain(view(session), session.notebook)
    written = session.notebook.revision - before
    if written:  # what was written stands in the notebook's journal, revision by revision
        facts = OperationRecord(
            call=-1, operation="maintain", outcome="written", total=written, revision=before + written
        )
        session.hook_operations = [facts]


def judge(session: Session, action: str) -> Decision | None:
    """What the hooks say of an action before it is sent; None without hooks."""
    return session.hooks.act(action, view(session)) if session.hooks is not None else None


def view(session: Session) -> View:
    """What a hook may know of the moment."""
    moment = session.moment
    return View(
        world=session.settings.world,
        task=session.settings.task,
        step=moment.step,
        observation=plain(moment.observation),
        action=moment.action,
        actions=session.world.actions.names,
    )

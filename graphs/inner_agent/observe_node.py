"""OBSERVE: take up the episode where it stands, let the hooks look, and open the step's first routine."""

from __future__ import annotations

import time
from typing import Any, Literal

from langgraph.types import Command

from graphs.inner_agent.context import steps_to_play
from graphs.inner_agent.events import tell
from graphs.inner_agent.hook_calls import maintain, observe_notices
from graphs.inner_agent.session import Session
from graphs.inner_agent.state import State


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
    tell("step", step=moment.step, observation=moment.observation, notices=notices, action=moment.action)
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

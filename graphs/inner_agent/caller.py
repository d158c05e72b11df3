"""Who runs the graph: a thread, a server's run, and what the thread's checkpoints still hold of an episode."""

from __future__ import annotations

import contextvars
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import BaseCheckpointSaver, CheckpointTuple
from langgraph.constants import CONFIG_KEY_CHECKPOINTER
from langgraph.graph import StateGraph
from langgraph.types import StateUpdate

from graphs.inner_agent.nodes import outcome
from graphs.inner_agent.session import Session
from traces import TraceReader

CHECKPOINTS = 100
"""Checkpoints that are brought back of an episode: enough to fork at, few enough for memory and time."""


@dataclass(frozen=True, slots=True)
class Caller:
    """What a node's configuration says of the run it belongs to."""

    thread: str | None = None
    run: str | None = None
    """The id a server gave the run; None outside a server, and for a graph that another graph calls many times."""
    saver: BaseCheckpointSaver[Any] | None = None
    """Where the thread's checkpoints are."""

    @property
    def served_thread(self) -> str | None:
        """The thread, where a server sees to it that its runs are played one after the other."""
        return None if self.run is None else self.thread

    @classmethod
    def of(cls, config: RunnableConfig | None) -> Caller:
        """The caller that a node's `config` describes."""
        given: dict[str, Any] = (config or {}).get("configurable", {})
        called = "|" in str(given.get("checkpoint_ns"))
        thread, run = given.get("thread_id"), None if called else given.get("run_id")
        saver = None if called else given.get(CONFIG_KEY_CHECKPOINTER)
        return cls(
            None if thread is None else str(thread),
            None if run is None else str(run),
            saver if isinstance(saver, BaseCheckpointSaver) and thread is not None else None,
        )

    def holds_beyond(self, episode: str, step: int) -> bool:
        """Whether a checkpoint of the thread is at a later step of the episode than `step`."""
        for one in self._checkpoints():
            values = one.checkpoint["channel_values"]
            if values.get("episode") == episode and values.get("step", 0) > step:
                return True
        return False

    def holds_run(self, run: str) -> bool:
        """Whether a checkpoint of the thread was made by this run; those of one that is rolled back are deleted."""
        return any(dict(one.metadata).get("run_id") == run for one in self._checkpoints())

    def restore(self, builder: StateGraph[Any, Any, Any, Any], session: Session) -> None:
        """Write checkpoints of the steps that an episode has played into a thread that has lost its own.

        At most CHECKPOINTS of them, evenly spread; a run from one of them forks the episode there. The last is
        that of the present position. Nothing is written for a caller without checkpoints.
        """
        if self.saver is None or session.position.step < 2:
            return
        graph = builder.compile(checkpointer=self.saver)
        thread: RunnableConfig = {"configurable": {"thread_id": self.thread, "checkpoint_ns": ""}}
        supersteps = [[StateUpdate(values, "act")] for values in _past(session)]
        # A fresh context, apart from that of the thread's own run.
        contextvars.Context().run(graph.bulk_update_state, thread, supersteps)

    def _checkpoints(self) -> Iterator[CheckpointTuple]:
        if self.saver is not None:
            yield from self.saver.list({"configurable": {"thread_id": self.thread, "checkpoint_ns": ""}})


def _past(session: Session) -> Iterator[dict[str, Any]]:
    """The state after some of the steps played, and last the present one."""
    now: dict[str, Any] = {
        **outcome(session),
        **{"run": None, "notices": [], "unanswered": [], "conversation": None, "conversations": [], "choice": None},
    }
    played = session.position.step - 1
    apart = math.ceil(played / CHECKPOINTS)
    episode_return, before = 0.0, None
    with TraceReader(session.folder) as reader:
        for record in reader:
            if before is not None and before.step % apart == 0:
                yield {
                    **now,
                    "step": record.step,
                    "observation": record.observation,
                    "action": before.action,
                    "reward": before.reward,
                    "episode_return": episode_return,
                    "progression": before.info["progression"],
                    "done": False,
                    "end_reason": None,
                    "status": "playing",
                    "reason": None,
                    "revision": before.revision,
                    "steps": 1,
                }
            episode_return += record.reward
            before = record
    yield {**now, "revision": session.start_revision, "steps": 0}

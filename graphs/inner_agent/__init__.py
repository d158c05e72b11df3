"""The inner agent: one run plays an episode forward by some world steps, LOG then PLAN then one action each."""

from graphs.inner_agent.graph import graph
from graphs.settings import Context

__all__ = ["Context", "graph"]

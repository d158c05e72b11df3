"""The inner agent: one run plays an episode forward by some world steps, LOG then PLAN then one action each."""

from graphs.inner_agent.context import Context
from graphs.inner_agent.graph import graph

__all__ = ["Context", "graph"]

"""Loop 2: a curator turns the agent's own good memory decisions into a trained memory specialist."""

from graphs.curator.context import Context
from graphs.curator.graph import graph
from graphs.curator.opening import open_specialization
from graphs.curator.state import Input

__all__ = ["Context", "Input", "graph", "open_specialization"]

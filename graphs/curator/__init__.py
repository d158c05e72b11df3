"""Loop 2: a curator turns the agent's own good memory decisions into a trained memory specialist."""

from graphs.curator.graph import graph, open_specialization
from graphs.curator.run import Context
from graphs.curator.state import Input

__all__ = ["Context", "Input", "graph", "open_specialization"]

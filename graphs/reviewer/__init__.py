"""Loop 1: a reviewer reads whole episodes and revises the scaffold, a gate keeps only what helps."""

from graphs.reviewer.graph import graph, open_search
from graphs.reviewer.search import Context
from graphs.reviewer.state import Input

__all__ = ["Context", "Input", "graph", "open_search"]

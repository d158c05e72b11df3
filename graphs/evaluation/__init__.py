"""Evaluation: the episodes of a protocol, side by side in one process, and their scores."""

from graphs.evaluation.graph import graph
from graphs.settings import Context

__all__ = ["Context", "graph"]

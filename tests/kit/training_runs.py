"""Short runs of real episodes to take training turns from: the scripted player in the small world."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from graphs.evaluation import graph
from graphs.inner_agent import Context
from traces import RunFolder


def collected(out: Path, seeds: Sequence[int], *, task: str = "one-door", **context: Any) -> RunFolder:
    """A run of one episode per seed."""
    request = {"world": "vault", "tasks": [task], "seeds": list(seeds), "model": "scripted", "out": str(out)}
    graph.invoke(request, context=Context(**context))
    return RunFolder(out)

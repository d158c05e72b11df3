"""Runs that are sent to LangSmith in tests, and what of their traces should arrive there."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from langsmith import tracing_context
from langsmith_server import LangSmithServer

from graphs.evaluation import graph
from graphs.inner_agent import Context
from traces import EpisodeFolder, RunFolder, TraceReader, langsmith_export

Json = dict[str, Any]
STEPS = 50


def played(out: Path, *, steps: int = STEPS, seeds: tuple[int, ...] = (3,), **context: Any) -> RunFolder:
    """An episode of the scripted player in the vault, 50 steps long unless told otherwise."""
    request = {"world": "vault", "tasks": ["six-doors"], "seeds": list(seeds), "out": str(out), "resume": True}
    graph.invoke(request, context=Context(max_steps=steps, **context))
    return RunFolder(out)


def played_live(
    monkeypatch: pytest.MonkeyPatch, server: LangSmithServer, out: Path, *, exit_s: float = 30.0, **given: Any
) -> RunFolder:
    """The same, traced live to `server`, as a process of its own would: begun, played, closed at its end."""
    for name, value in server.environment.items():
        monkeypatch.setenv(name, value)
    exporters: list[langsmith_export.Exporter] = []
    monkeypatch.setattr(langsmith_export, "_EXPORTER", exporters)
    monkeypatch.setattr(langsmith_export, "atexit", SimpleNamespace(register=lambda function: None))
    with tracing_context(enabled=False):  # as the command line has it
        run = played(out, **given)
    exporters[0].close(exit_s)
    monkeypatch.setenv("LANGSMITH_TRACING", "false")
    return run


def episode(run: RunFolder) -> EpisodeFolder:
    """The only episode of a run."""
    return next(iter(run.episodes()))


def tree_of(server: LangSmithServer, step: int) -> list[tuple[int, str, str]]:
    """Depth, type and name of the runs of a step, in their order."""
    runs = sorted(server.runs.values(), key=lambda run: run["dotted_order"])
    return [
        (run["dotted_order"].count("."), run["run_type"], run["name"])
        for run in runs
        if run["extra"]["metadata"].get("step") == step
    ]


def expected_tree(run: RunFolder, step: int) -> list[tuple[int, str, str]]:
    """What `tree_of` should be, told by the trace."""
    with TraceReader(episode(run)) as reader:
        record = reader.step(step)
    expected = [(0, "chain", f"vault/six-doors seed 3 step {step}")]
    for talk in record.conversations:
        expected.append((1, "chain", talk.routine))
        for number in range(len(talk.calls)):
            expected.append((2, "llm", "scripted"))
            here = [one for one in talk.operations if one.call == number and one.outcome not in ("act", "done")]
            expected += [(2, "tool", one.operation) for one in here]
    return [*expected, (1, "tool", "act")]

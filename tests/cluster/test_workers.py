"""Workers on Ray: the same bytes as one process, whatever happens to a worker."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from graphs.evaluation import graph
from graphs.evaluation.player import THIS_PROCESS, played_by
from graphs.evaluation.state import Input
from graphs.settings import Context
from traces import RunFolder, TraceReader, read_result

SEEDS = [1, 2, 3, 4]


def play(out: Path, **more: Any) -> dict[str, Any]:
    """Play some episodes of the vault; the graph's output."""
    given = Input(world="vault", tasks=["six-doors"], seeds=SEEDS, model="scripted", out=str(out), **more)
    return asyncio.run(graph.ainvoke(given, context=Context(max_steps=60)))


def everything(out: Path) -> dict[str, Any]:
    """All of a run that is the same however it is played: what depends on the clock is left out."""
    found: dict[str, Any] = {}
    for folder in RunFolder(out).episodes():
        with TraceReader(folder) as reader:
            steps = [(r.step, r.action, r.observation, r.reward, r.notices, r.revision, r.info) for r in reader]
            prompts = [reader.prompt(r.step, talk, 0) for r in reader for talk in range(len(r.conversations))]
        notebook = {path.name: path.read_bytes() for path in folder.memory.iterdir()}
        result = read_result(folder, content=True)
        assert result is not None
        score = (result.status, result.steps, result.progression, result.end_reason, result.scaffold, result.model)
        found[str(folder.path.relative_to(out))] = (steps, prompts, folder.journal.read_bytes(), notebook, score)
    return found


def test_workers_write_what_one_process_writes(tmp_path: Path, two_workers: object) -> None:
    assert play(tmp_path / "workers")["status"] == "finished"
    with played_by(THIS_PROCESS):
        play(tmp_path / "one")
    assert everything(tmp_path / "workers") == everything(tmp_path / "one")

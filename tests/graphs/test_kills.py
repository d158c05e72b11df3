"""Runs that are killed (-9) again and again, in the middle of writes too, end as if nothing had happened."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from effort import effort
from killed_runs import play

from traces import RunFolder, TraceReader

ROOT = Path(__file__).resolve().parents[2]
KILLED_RUNS = ROOT / "tests" / "kit" / "killed_runs.py"


def run_with_kills(out: Path, chance: int, kills: int, world: str, task: str, steps: int) -> int:
    """Play a run to its end through this many kills; how many there really were."""
    words = [str(out), str(chance), str(kills), world, task, str(steps)]
    environment = {**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{KILLED_RUNS.parent}"}
    ended = subprocess.run(
        [sys.executable, str(KILLED_RUNS), *words], capture_output=True, text=True, check=False, env=environment
    )
    assert ended.returncode == 0, ended.stderr
    return int(ended.stdout)


def everything(out: Path, world: str, task: str, seed: int) -> dict[str, Any]:
    """All of an episode that must not depend on what happened to its process."""
    folder = RunFolder(out).episode(world, task, seed)
    with TraceReader(folder) as reader:
        steps = [(r.step, r.action, r.observation, r.reward, r.notices, r.revision, r.info) for r in reader]
        prompts = [reader.prompt(r.step, talk, 0) for r in reader for talk in range(len(r.conversations))]
    return {
        "steps": steps,
        "prompts": prompts,
        "journal": folder.journal.read_bytes(),
        "notebook": {path.name: path.read_bytes() for path in folder.memory.iterdir()},
    }


@pytest.mark.parametrize(
    ("world", "task", "steps", "kills"),
    [("vault", "six-doors", 100, effort(16, 60)), ("crafter", "default", effort(20, 60), effort(2, 8))],
)
def test_a_run_killed_at_random_instants_ends_like_an_undisturbed_one(
    tmp_path: Path, world: str, task: str, steps: int, kills: int
) -> None:
    play(tmp_path / "whole", world, task, steps)
    killed = run_with_kills(tmp_path / "killed", 7, kills, world, task, steps)
    assert killed >= effort(2, 8)
    for seed in (1, 2):
        assert everything(tmp_path / "killed", world, task, seed) == everything(tmp_path / "whole", world, task, seed)

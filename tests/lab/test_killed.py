"""Sweeps and control arms that are killed again and again, and end with the table of those that are not."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from killed_runs import PLAY

from graphs.evaluation import graph
from graphs.inner_agent import Context

KILLED_RUNS = Path(__file__).parents[1] / "kit" / "killed_runs.py"
KILLS = 3
STEPS = {"sweep": 12, "controls": 30}


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("killed") / "played"
    graph.invoke({"world": "vault", "tasks": ["one-door"], "seeds": [1, 2], "out": str(out)}, context=Context())
    return out


def results(out: Path) -> dict[str, bytes]:
    found = [*out.glob("played/episodes/*/*/*/effects.jsonl"), *out.glob("arms/controls.json")]
    return {path.relative_to(out).as_posix(): path.read_bytes() for path in found}


@pytest.mark.parametrize("what", ["sweep", "controls"])
def test_killed_at_any_time_it_ends_with_the_same_table(what: str, played: Path, tmp_path: Path) -> None:
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    for out in (whole, killed):
        shutil.copytree(played, out / "played")
    PLAY[what](whole, "vault", "one-door", STEPS[what])
    words = [sys.executable, KILLED_RUNS, killed, 7, KILLS, "vault", "one-door", STEPS[what], what]
    ended = subprocess.run(list(map(str, words)), capture_output=True, text=True, check=False)
    assert ended.stdout == f"{KILLS}\n", ended.stderr
    assert results(killed) == results(whole) != {}
    tables = [(out / "shown").read_text().partition("task ")[2] for out in (whole, killed)]
    if what == "controls":
        tables = [(out / "shown").read_text().partition("written:")[0] for out in (whole, killed)]
    assert tables[0] == tables[1] != ""

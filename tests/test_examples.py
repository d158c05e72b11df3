"""examples/own_world in a fresh environment: played with a notebook and without, and improved by both loops."""

from __future__ import annotations

import json
import shutil
import site
import subprocess
import sys
import venv
from pathlib import Path

import pytest
from tiny_model import make_tiny_model

ROOT = Path(__file__).resolve().parents[1]
PAGE = (ROOT / "docs" / "worlds.md").read_text()

PROGRAM = """
import sys
from cli.app import main

for line in sys.stdin.read().splitlines():
    sys.argv = ["automem", *line.split()]
    try:
        main()
    except SystemExit as end:
        if end.code:
            raise
"""


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The interpreter of a fresh environment with the example in it; all else it finds where the tests find it."""
    folder = tmp_path_factory.mktemp("own")
    venv.create(folder / "venv", with_pip=False)
    python = folder / "venv" / "bin" / "python"
    packages = Path(
        subprocess.run(
            [python, "-c", "import site; print(site.getsitepackages()[0])"], capture_output=True, text=True, check=True
        ).stdout.strip()
    )
    (packages / "tests.pth").write_text("\n".join([str(ROOT), *site.getsitepackages()]))
    shutil.copytree(
        ROOT / "examples" / "own_world", folder / "source", ignore=shutil.ignore_patterns("build", "*.egg-info")
    )
    pip = [sys.executable, "-m", "pip", "--python", str(python), "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, "--no-deps", "--no-index", "--no-build-isolation", str(folder / "source")], check=True)
    return python


def test_a_world_from_a_package_is_played_and_improved_by_both_loops(python: Path, tmp_path: Path) -> None:
    tiny = make_tiny_model(tmp_path / "tiny")
    shorter = {
        "eval": "--quiet --seeds 1",
        "evolve": "--quiet --seeds 1 --max-steps 6 --attempts 1",
        "specialize": f"--quiet --base embedded+weights={tiny}+dtype=float32+tokens=8 --train-seeds 20 "
        "--eval-seeds 1 --max-steps 3 --minimum-examples 1 --train-options=--max-steps=1",
    }
    commands = [line.split(maxsplit=1)[1] for line in PAGE.splitlines() if line.startswith(".venv/bin/automem")]
    lines = [f"{command} {shorter[command.split()[0]]}" for command in commands]
    assert [line.split()[0] for line in lines] == ["eval", "eval", "evolve", "specialize"]
    ended = subprocess.run(
        [python, "-c", PROGRAM], input="\n".join(lines), capture_output=True, text=True, cwd=tmp_path, check=False
    )
    assert ended.returncode == 0, ended.stderr[-2_000:]
    runs = tmp_path / "runs"
    summaries = [json.loads((runs / f"cellar-{mode}" / "summary.json").read_text()) for mode in ("on", "off")]
    on, off = (summary["overall"]["mean"] for summary in summaries)
    assert on == 100.0 > 50.0 > off
    assert '"kind":"attempt"' in (runs / "cellar-evolve" / "lineage.jsonl").read_text()
    assert "final specialist" in (runs / "cellar-specialist" / "ledger.jsonl").read_text()


def test_the_same_seed_is_the_same_cellar(python: Path) -> None:
    program = """
import hashlib
from worlds import make_world
seen = hashlib.sha256()
for seed in range(5):
    world = make_world("cellar", "three-boxes")
    world.reset(seed=seed)
    for step in range(60):
        seen.update(repr(world.step(list(world.actions)[(step * 7 + seed) % 7])).encode())
print(seen.hexdigest())
"""
    answers = {
        subprocess.run([python, "-c", program], capture_output=True, text=True, check=True).stdout for _ in range(2)
    }
    assert len(answers) == 1

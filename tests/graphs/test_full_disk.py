"""A disk that fills up in the middle: nothing written is lost, the cause is told, and the run can be gone on with."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
from pathlib import Path

import pytest
from trace_files import lines_of
from typer.testing import CliRunner

from cli.commands import app
from traces import RunFolder, TraceReader

EVAL = ["eval", "--world", "vault", "--task", "six-doors", "--seeds", "42", "--model", "scripted", "--quiet"]


def full_disk(*words: str, largest_file: int) -> subprocess.CompletedProcess[str]:
    """Run the command line; no file may grow beyond `largest_file` bytes, as on a disk with just that much left."""

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (largest_file, largest_file))

    command = [str(Path(sys.executable).with_name("automem")), *words]
    return subprocess.run(command, capture_output=True, text=True, check=False, preexec_fn=limit)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("undisturbed") / "whole"
    assert CliRunner().invoke(app, [*EVAL, "--out", str(out)]).exit_code == 0
    return out


@pytest.mark.parametrize("largest_file", [3_500, 4_200, 5_000])
def test_an_episode_that_met_a_full_disk_goes_on_and_ends_as_if_nothing_had_happened(
    tmp_path: Path, whole: Path, largest_file: int
) -> None:
    cut = tmp_path / "cut"
    failed = full_disk(*EVAL, "--out", str(cut), largest_file=largest_file)
    assert failed.returncode == 1
    assert "Traceback" not in failed.stderr
    assert "failed at step" in failed.stdout
    steps = lines_of(RunFolder(cut).episode("vault", "six-doors", 42))
    gone_on = CliRunner().invoke(app, [*EVAL, "--out", str(cut), "--resume"])
    assert gone_on.exit_code == 0, gone_on.output
    folders = [RunFolder(path).episode("vault", "six-doors", 42) for path in (whole, cut)]
    assert lines_of(folders[1])[: len(steps)] == steps
    played = []
    for folder in folders:
        with TraceReader(folder) as reader:
            played.append([(r.action, r.observation, r.reward, r.notices, r.revision) for r in reader])
    assert played[0] == played[1]
    assert folders[0].journal.read_bytes() == folders[1].journal.read_bytes()
    notebooks = [{path.name: path.read_bytes() for path in folder.memory.iterdir()} for folder in folders]
    assert notebooks[0] == notebooks[1]


def test_an_episode_that_cannot_be_opened_is_shown_where_it_stands(tmp_path: Path) -> None:
    run = tmp_path / "run"
    play = ["play", "--world", "vault", "--task", "six-doors", "--seed", "42", "--model", "scripted", "--plain"]
    assert CliRunner().invoke(app, [*play, "--steps", "4", "--out", str(run)]).exit_code == 0
    folder = RunFolder(run).episode("vault", "six-doors", 42)
    folder.journal.unlink()
    folder.journal.mkdir()  # it can be neither read nor written
    failed = CliRunner().invoke(app, [*[one for one in EVAL if one != "--quiet"], "--out", str(run), "--resume"])
    assert failed.exit_code == 1, failed.output
    assert "six-doors seed 42: step 4, " in failed.output
    cause = json.loads((run / "summary.json").read_text())["failed_episodes"][0]
    assert (cause["steps"], cause["cause"]["step"]) == (4, 5)

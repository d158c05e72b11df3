"""The demo's last part: a language model's operations as they happen, and one line where it cannot be had."""

from __future__ import annotations

import io
import os
from pathlib import Path

import pytest
from rich.console import Console
from tiny_model import make_tiny_model

from cli.demo_embedded import play_embedded
from traces import RunFolder, read_run


@pytest.fixture
def said(capsys: pytest.CaptureFixture[str]) -> Console:
    return Console(file=io.StringIO(), width=200)


def told(console: Console) -> str:
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_each_operation_is_shown_as_it_happens_and_the_model_is_said_to_play_badly(
    tmp_path: Path, said: Console, capsys: pytest.CaptureFixture[str]
) -> None:
    weights = make_tiny_model(tmp_path / "tiny", context=16384)
    capsys.readouterr()
    model = f"embedded+weights={weights}+dtype=float32+tokens=200"
    assert play_embedded("vault", model, tmp_path / "run", said)
    assert "plays badly" in told(said)
    lines = capsys.readouterr().out.splitlines()
    assert [line for line in lines if line.startswith("step ")] == ["step 1", "step 2", "step 3"]
    assert any(line.startswith(("  LOG   ", "  PLAN  ")) and " → " in line for line in lines)
    assert any(line.startswith("  ACT   ") for line in lines)
    assert not any("mistake" in line for line in lines)
    recorded = read_run(RunFolder(tmp_path / "run"))
    assert recorded is not None
    assert recorded["configuration"]["settings"]["constrained"] is True


def test_without_weights_one_line_says_so_and_the_demo_goes_on(
    tmp_path: Path, said: Console, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {
        "AUTOMEM_CACHE": str(tmp_path / "cache"),
        "HF_HOME": str(tmp_path / "hf"),
        "HF_HUB_OFFLINE": "1",
        "PIP_NO_INDEX": "1",
        "PIP_CONFIG_FILE": os.devnull,
        "PIP_FIND_LINKS": str(tmp_path),
        "PIP_EXTRA_INDEX_URL": "",
    }.items():
        monkeypatch.setenv(name, value)
    assert play_embedded("vault", "embedded+tokens=40", tmp_path / "run", said)
    lines = told(said).strip().splitlines()
    assert lines[0] == "language model"
    assert lines[1].startswith("Not played: The model 'embedded' has no weights.")
    assert len(lines) == 2
    assert not (tmp_path / "run").exists()

"""What a training is said to take, beside what it takes."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from training.dataset import Example, Message, write_dataset
from training.metrics import peak_memory, read_metrics
from training.sft_specialist import main

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def long(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight conversations of some 1,000 tokens that begin alike."""
    turns = [
        (
            Message(role="user", content="a tree 5 steps to your west " * 60 + f"{number} water " * 160),
            Message(role="assistant", content="<|DONE|>"),
        )
        for number in range(8)
    ]
    path = tmp_path_factory.mktemp("long") / "dataset.jsonl"
    write_dataset(path, [Example(id=f"e{number}", messages=turn) for number, turn in enumerate(turns)])
    return path


def planned(text: str) -> dict[str, str]:
    """The lines of a plan by their first word."""
    return dict(re.findall(r"(?m)^(\S+) {2,}(.*)$", text))


def options(tiny: Path, dataset: Path, *more: str) -> list[str]:
    given = ["--dataset", str(dataset), "--base", str(tiny), "--device", "cpu", "--dtype", "float32", "--threads", "1"]
    return [*given, "--batch", "8", "--accumulation", "1", "--cutoff", "2000", *more]


def test_the_peak_of_a_training_is_as_planned(tiny: Path, long: Path, tmp_path: Path) -> None:
    given = options(tiny, long, "--batching", "shared")
    program = (
        "import json, sys; from training.sft_specialist import main; given = json.loads(sys.argv[1])\n"
        "sys.exit(main([*given, '--plan']) or main([*given, '--output', sys.argv[2]]))"
    )
    words = [sys.executable, "-c", program, json.dumps(given), str(tmp_path / "out")]
    ended = subprocess.run(words, cwd=ROOT, check=True, capture_output=True, text=True)
    plan = planned(ended.stdout)
    metrics = read_metrics(tmp_path / "out")
    assert metrics
    needed = 1e9 * float(plan["memory"].split()[0])
    activations = 1e9 * float(plan["memory"].split("activations ")[1].split()[0])
    assert activations >= 0.04e9
    assert metrics.peak_memory_bytes == pytest.approx(needed, rel=0.2)
    assert plan["steps"].startswith(f"{metrics.steps} optimizer steps")
    assert "timed on this CPU" in plan["time"]


def test_the_peak_of_a_process_is_not_that_of_the_one_that_started_it() -> None:
    held = bytearray(300_000_000)
    held[:: 2**12] = b"x" * len(held[:: 2**12])
    program = "from training.metrics import peak_memory; print(peak_memory())"
    ended = subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=True, capture_output=True, text=True)
    assert 10e6 < int(ended.stdout) < 200e6 < len(held) < peak_memory()


def test_a_plan_for_another_device_names_what_does_not_fit(
    tiny: Path, long: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: Any
) -> None:
    from training import sft_config

    monkeypatch.chdir(tmp_path)
    assert main(options(tiny, long, "--plan", "--device-like", "h100")) == 0
    plan = planned(capsys.readouterr().out)
    assert "of 80.00 GB" in plan["memory"]
    assert plan["time"].endswith("estimated for h100: 35 % of its 989 teraflops")
    monkeypatch.setitem(sft_config.DEVICES, "h100", (989e12, 1.06e9))
    assert (
        main(options(tiny, long, "--plan", "--device-like", "h100", "--recompute", "off", "--batching", "shuffled"))
        == 0
    )
    text = capsys.readouterr().out
    assert re.search(r"does not fit  batch 8; .*--recompute on takes [\d.]+ GB", text)
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(SystemExit):
        main(options(tiny, long, "--device-like", "h100"))
    assert "--device-like goes with --plan" in capsys.readouterr().err


def test_a_run_of_loop_2_is_planned_by_its_newest_dataset(
    tiny: Path, long: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from cli.specialize import show_plan
    from graphs.settings import SettingsError

    with pytest.raises(SettingsError, match="holds no dataset yet"):
        show_plan(tmp_path, str(tiny), "small-cpu", [], None)
    for number in (9, 10):
        (tmp_path / "iterations" / str(number)).mkdir(parents=True)
    shutil.copy(long, tmp_path / "iterations" / "10" / "dataset.jsonl")
    (tmp_path / "iterations" / "9" / "dataset.jsonl").write_text("{}")
    show_plan(tmp_path, str(tiny), "small-cpu", ["--cutoff", "2000"], "a100")
    assert planned(capsys.readouterr().out)["steps"] == "2 optimizer steps of 4 examples"

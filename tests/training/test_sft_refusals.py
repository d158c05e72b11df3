"""What cannot be trained ends in one line and exit status 2, before the base's weights are loaded."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from training import TrainingError
from training.dataset import Example, Message, write_dataset
from training.sft_specialist import main

ROOT = Path(__file__).resolve().parents[2]
Train = Callable[..., Any]


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """The one line a command line ends in."""
    capsys.readouterr()
    assert main(list(arguments)) == 2
    shown = capsys.readouterr()
    (line,) = [line for line in shown.err.splitlines() if line.startswith("sft_specialist: ")]
    assert shown.err.endswith(f"{line}\n")
    assert shown.out == ""
    return line


@pytest.fixture
def no_model(monkeypatch: pytest.MonkeyPatch) -> None:
    """Loading a model's weights fails the test."""
    from transformers import AutoModelForCausalLM

    def loaded(*_: Any, **__: Any) -> None:
        raise AssertionError("the weights were loaded")

    monkeypatch.setattr(AutoModelForCausalLM, "from_pretrained", loaded)


CASES: dict[str, tuple[list[str], str]] = {
    "no dataset": (["--dataset", "nowhere.jsonl"], "nowhere.jsonl cannot be read: No such file"),
    "no base": (["--base", "nowhere"], "There is no base 'nowhere'"),
    "a folder without a model": (["--base", str(ROOT / "docs")], "holds no model"),
    "an unknown recipe": (["--recipe", "big"], "There is no recipe 'big': name a file, or one of"),
    "a configuration too many": (["--configuration", "2"], "The recipe has 1 configuration(s)"),
    "a rank of nothing": (["--rank", "0"], "rank: Input should be greater than or equal to 1"),
    "an unknown target": (["--target-modules", "q_proj,nope"], "'nope' is no linear layer"),
    "the head as target": (["--target-modules", "lm_head"], "'lm_head' is no linear layer"),
    "no targets": (["--target-modules", ""], "target_modules"),
    "all rows over the cutoff": (
        ["--cutoff", "20"],
        "leaves nothing to train on with a cutoff of 20: 16 examples: 0 kept",
    ),
    "a row over the cutoff": (["--cutoff", "20", "--cutoff-policy", "refuse"], "tokens, the cutoff is 20"),
    "a GPU that is not there": (["--device", "cuda"], "There is no CUDA device here"),
    "an output that is a file": (["--output", str(ROOT / "LICENSE")], "LICENSE cannot be written"),
    "an output that cannot be made": (["--output", "/proc/adapter"], "cannot be written"),
    "no adapter to begin with": (["--init-adapter", "/nowhere"], "There is no adapter in /nowhere"),
}


@pytest.mark.usefixtures("no_model")
@pytest.mark.parametrize("case", CASES)
def test_it_ends_in_one_line(
    case: str, tiny: Path, dataset: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: Any
) -> None:
    import torch

    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    more, sentence = CASES[case]
    given = ["--dataset", str(dataset), "--base", str(tiny), "--output", str(tmp_path / "out"), *more]
    assert sentence in refused(capsys, *given)
    assert not (tmp_path / "out").exists()


@pytest.mark.usefixtures("no_model")
def test_a_faulty_line_is_named(tiny: Path, dataset: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "faulty.jsonl"
    first = dataset.read_text().splitlines()[0]
    path.write_text(first + "\n" + first.replace('"e0"', '"e1"').replace('"user"', '"assistant"') + "\n")
    line = refused(capsys, "--dataset", str(path), "--base", str(tiny), "--output", str(tmp_path / "out"))
    assert f"{path}:2: not a valid example (message 1 is of assistant, user was expected)" in line


@pytest.mark.usefixtures("no_model")
def test_what_a_hostile_dataset_holds_cannot_steer_the_terminal(
    tiny: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "hostile.jsonl"
    path.write_text('{"id": "a", "messages": [], "\\u001b]0;owned\\u0007\\u202e": 1}\n')
    line = refused(capsys, "--dataset", str(path), "--base", str(tiny), "--output", str(tmp_path / "out"))
    assert "owned" in line
    assert line.isprintable()


@pytest.mark.usefixtures("no_model")
def test_a_disk_without_room_is_refused(train: Train, monkeypatch: pytest.MonkeyPatch) -> None:
    import shutil

    real = shutil.disk_usage("/")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: real._replace(free=1000))
    with pytest.raises(TrainingError, match="MB free, adapter and checkpoints take"):
        train()


def test_a_disk_that_fills_up_is_the_machines_failure(
    tiny: Path, dataset: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    import errno

    from trl.trainer.sft_trainer import SFTTrainer

    def full(*_: Any, **__: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(SFTTrainer, "save_model", full)
    out = str(tmp_path / "out")
    status = main(["--dataset", str(dataset), "--base", str(tiny), "--output", out, "--max-steps", "1"])
    assert status == 1
    assert "No space left on device" in capsys.readouterr().err.splitlines()[-1]


def test_an_output_with_another_training_is_refused(train: Train, tmp_path: Path) -> None:
    train("--max-steps", "1")
    with pytest.raises(TrainingError, match="already holds a training: continue it with --resume"):
        train("--max-steps", "1")
    with pytest.raises(TrainingError, match=r"has another lora\.rank \(4, not 8\)"):
        train("--max-steps", "1", "--rank", "8", "--resume")
    (tmp_path / "adapter" / "metrics.json").write_text("{}")
    with pytest.raises(TrainingError, match="cannot be read"):
        train("--max-steps", "1", "--resume")


def test_a_training_is_not_resumed_on_another_base_or_dataset(
    train: Train, tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tiny_model import make_tiny_model

    train("--max-steps", "1")
    other = make_tiny_model(tmp_path / "base", seed=8)
    with pytest.raises(TrainingError, match="has another base"):
        train("--max-steps", "1", "--resume", "--base", str(other))
    changed = tmp_path / "changed.jsonl"
    write_dataset(changed, [_example("LOG step 1", "<|DONE|>")])
    with pytest.raises(TrainingError, match=r"has another dataset\.digest"):
        train("--max-steps", "1", "--resume", "--dataset", str(changed))


def test_an_adapter_of_another_base_or_form_is_no_beginning(train: Train, tmp_path: Path) -> None:
    from tiny_model import make_tiny_model

    train("--max-steps", "1", output=tmp_path / "first")
    first = ("--init-adapter", str(tmp_path / "first"))
    with pytest.raises(TrainingError, match="has r 4, not 8"):
        train(*first, "--rank", "8")
    with pytest.raises(TrainingError, match="of another base or form"):
        train(*first, "--target-modules", "q_proj")
    same_form = make_tiny_model(tmp_path / "other", seed=8)
    with pytest.raises(TrainingError, match="was trained on other weights"):
        train(*first, "--base", str(same_form))
    (tmp_path / "first" / "metrics.json").unlink()
    wider = make_tiny_model(tmp_path / "wider", hidden=128)
    with pytest.raises(TrainingError, match="of another base or form"):
        train(*first, "--base", str(wider))


def test_rows_that_are_dropped_or_cut_are_counted(train: Train, tmp_path: Path) -> None:
    path = tmp_path / "long.jsonl"
    examples = [
        _example("LOG step 1", "<|DONE|>"),
        _example("LOG step 2", "<|DONE|>", "tree " * 200, "<|DONE|>"),
        _example("tree " * 300, "<|DONE|>"),
        _example("LOG step 4", "<|im_end|>"),
    ]
    write_dataset(path, [example.model_copy(update={"id": f"e{n}"}) for n, example in enumerate(examples)])
    common = ("--dataset", str(path), "--max-steps", "1")
    dropped = train(*common, output=tmp_path / "drop").dataset.rows
    assert (dropped.read, dropped.kept, dropped.cut) == (4, 1, 0)
    marks = "an assistant turn holds a special token of the base"
    assert dropped.dropped == {"longer than the cutoff": 2, marks: 1}
    assert dropped.dropped_ids == ["e1", "e2", "e3"]
    lines: list[str] = []
    cut = train(*common, "--cutoff-policy", "cut", output=tmp_path / "cut", lines=lines).dataset.rows
    assert (cut.kept, cut.cut, cut.dropped_ids) == (2, 1, ["e2", "e3"])
    assert cut.tokens_with_loss == 2 * dropped.tokens_with_loss  # of the cut one, its first turn
    assert lines[0].startswith("4 examples: 2 kept, 1 of them cut, 1 dropped (an assistant turn holds")


def test_the_script_runs_from_the_repository_and_ends_in_one_line() -> None:
    command = [
        sys.executable,
        "training/sft_specialist.py",
        "--dataset",
        "none.jsonl",
        "--base",
        "none",
        "--output",
        "o",
    ]
    ended = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
    assert ended.returncode == 2
    assert ended.stderr.startswith("sft_specialist: There is no base 'none'")
    assert ended.stderr.count("\n") == 1
    helped = subprocess.run([*command[:2], "--help"], capture_output=True, text=True, cwd=ROOT, check=True)
    assert "--target-modules" in helped.stdout


def test_importing_the_room_loads_nothing_heavy() -> None:
    program = (
        "import sys, json, training.sft_specialist, training.serving, training.ledger, training.recipe\n"
        "print(json.dumps(sorted({'torch', 'transformers', 'trl', 'matplotlib', 'datasets'} & set(sys.modules))))"
    )
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=ROOT)
    assert json.loads(ended.stdout) == []


def _example(*contents: str) -> Example:
    roles = ("user", "assistant")
    turns = tuple(Message.model_validate({"role": roles[n % 2], "content": text}) for n, text in enumerate(contents))
    return Example(id="e", messages=turns)

"""Training a tiny random model for real: what moves, what is reproduced, what is resumed, what is left behind."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from training import TrainingFailure
from training.dataset import dataset_digest
from training.metrics import Metrics, read_metrics

Train = Callable[..., Metrics]


def losses(metrics: Metrics) -> list[float]:
    return [point.loss for point in metrics.curve]


def weights(folder: Path) -> dict[str, Any]:
    from safetensors.torch import load_file

    return load_file(folder / "adapter_model.safetensors")


def test_the_adapter_moves_and_the_base_does_not(settings: Callable[..., Any], tiny: Path, tmp_path: Path) -> None:
    import torch
    from transformers import AutoModelForCausalLM

    from training.base_model import find_base, load_chat
    from training.output_folder import OutputFolder
    from training.tokens import tokenise
    from training.trainer import make_trainer

    made = settings("--epochs", "2", "--batch", "8")
    base = find_base(made.base)
    chat = load_chat(base)
    rows, _ = tokenise(made.dataset, chat, 256, "drop", "all")
    trainer = make_trainer(made, base, chat, rows, OutputFolder(tmp_path / "out"), lambda line: None)
    model: Any = trainer.model
    before = {name: weight.detach().clone() for name, weight in model.named_parameters()}
    trainer.train()
    original = AutoModelForCausalLM.from_pretrained(tiny, dtype=trainer.model.dtype).state_dict()
    moved = frozen = 0
    for name, weight in model.named_parameters():
        if "lora_" in name:
            moved += 1
            assert weight.dtype is torch.float32
            assert not torch.equal(weight, before[name]), name
        else:
            frozen += 1
            plain = name.removeprefix("base_model.model.").replace(".base_layer", "")
            assert torch.equal(weight, before[name]), name
            assert torch.equal(weight, original[plain]), name
    assert (moved, frozen) == (2 * 2 * 7, 2 * 9 + 2)  # A and B of seven layers in two blocks; their weights and norms


def test_a_training_leaves_adapter_metrics_curve_and_card(train: Train, dataset: Path, tmp_path: Path) -> None:
    lines: list[str] = []
    metrics = train("--epochs", "3", "--accumulation", "2", lines=lines)
    out = tmp_path / "adapter"
    assert read_metrics(out) == metrics
    assert metrics.steps == 24
    assert len(metrics.curve) == 24
    assert metrics.dataset.digest == dataset_digest(dataset)
    assert metrics.dataset.rows.kept == metrics.dataset.rows.read == 16
    assert metrics.last_loss < metrics.first_loss - 1
    assert metrics.tokens_seen == 3 * metrics.dataset.rows.tokens
    assert {"torch", "trl", "peft", "transformers", "python"} <= metrics.versions.keys()
    assert (out / "loss.png").read_bytes().startswith(b"\x89PNG")
    card = (out / "README.md").read_text()
    assert metrics.base.digest in card
    assert "rank 4, alpha 8" in card
    assert (out / "tokenizer.json").is_file()
    assert json.loads((out / "adapter_config.json").read_text())["base_model_name_or_path"] == metrics.base.name
    assert any(line.startswith("step 24/24  loss") for line in lines)


def test_one_seed_gives_one_loss_curve_and_another_seed_another(train: Train, tmp_path: Path) -> None:
    first, again, other = (
        train("--max-steps", "4", "--dropout", "0.1", "--seed", seed, output=tmp_path / name)
        for name, seed in (("first", "1"), ("again", "1"), ("other", "2"))
    )
    assert losses(first) == losses(again)
    assert losses(first) != losses(other)


def test_equal_trainings_in_two_processes_leave_equal_bytes_but_for_times(
    settings: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from training.sft_specialist import main

    options = ("--max-steps", "2", "--save-every", "1", "--batching", "shuffled")
    words = command(settings(*options, output=Path("out")))
    for name in ("here", "there"):
        (tmp_path / name).mkdir()
    root = Path(__file__).resolve().parents[2]
    script = [sys.executable, str(root / "training" / "sft_specialist.py"), *words]
    fresh = {**os.environ, "PYTHONHASHSEED": "7"}  # the order of a set of names is another in each process
    subprocess.run(script, cwd=tmp_path / "there", env=fresh, check=True, capture_output=True)
    monkeypatch.chdir(tmp_path / "here")
    assert main(words) == 0
    here, there = (untimed(tmp_path / name / "out") for name in ("here", "there"))
    assert here.keys() == there.keys()
    assert [name for name in here if here[name] != there[name]] == []
    assert {"adapter_model.safetensors", "adapter_config.json", "checkpoints/checkpoint-2/optimizer.pt"} <= here.keys()


def command(settings: Any) -> list[str]:
    """The command line of a training."""
    plain = settings.model_dump(mode="json", exclude={"lora", "resume"}, exclude_none=True)
    plain |= settings.lora.model_dump(mode="json")
    return [word for name, value in plain.items() for word in (f"--{name.replace('_', '-')}", str(value))]


def untimed(folder: Path) -> dict[str, bytes]:
    """The files of a training by name, without times and memory."""
    measured = rb'"(?:[a-z_]*seconds|[a-z_]*runtime|[a-z_]*per_second|peak_memory_bytes)": *[\d.e+-]+|, \d+ s on '
    return {
        str(path.relative_to(folder)): re.sub(measured, b"", path.read_bytes())
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_the_script_chooses_openmps_waiting_before_torch_is_imported() -> None:
    program = "import sys, training.sft_specialist; print(sorted({'torch', 'trl', 'peft'} & sys.modules.keys()))"
    root = Path(__file__).resolve().parents[2]
    ended = subprocess.run([sys.executable, "-c", program], cwd=root, check=True, capture_output=True, text=True)
    assert ended.stdout == "[]\n"


@pytest.mark.parametrize("batching", ["shuffled", "grouped"])
def test_one_batch_of_eight_and_eight_of_one_give_one_loss_curve(train: Train, tmp_path: Path, batching: str) -> None:
    common = ("--epochs", "3", "--batching", batching)
    together = train(*common, "--batch", "8", "--accumulation", "1", output=tmp_path / "8x1")
    one_by_one = train(*common, "--batch", "1", "--accumulation", "8", output=tmp_path / "1x8")
    assert together.steps == 6
    assert losses(one_by_one) == pytest.approx(losses(together), abs=2e-3)
    assert losses(together)[0] - losses(together)[-1] > 0.1  # far more than they may differ by


def test_packed_examples_do_not_see_one_another(train: Train, tmp_path: Path) -> None:
    apart = train("--epochs", "1", "--batch", "16", output=tmp_path / "apart")
    packed = train("--epochs", "2", "--batching", "packed", "--cutoff", "1000", output=tmp_path / "packed")
    assert packed.steps == 4  # 1,864 tokens in two sequences
    whole = train("--epochs", "1", "--batching", "packed", "--cutoff", "2000", output=tmp_path / "whole")
    assert whole.steps == 1
    assert whole.first_loss == pytest.approx(apart.first_loss, abs=1e-3)


def test_a_killed_training_goes_on_where_it_stood(
    train: Train, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from training.trainer import Progress

    common = ("--epochs", "1", "--save-every", "4")
    whole = train(*common, output=tmp_path / "whole")

    class Killed(Exception):
        pass

    log = Progress.on_log

    def until_six(self: Progress, args: Any, state: Any, control: Any, **more: Any) -> None:
        log(self, args, state, control, **more)
        if state.global_step == 6:
            raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(Progress, "on_log", until_six)
        with pytest.raises(Killed):
            train(*common)
    out = tmp_path / "adapter"
    assert read_metrics(out) is None
    torn = out / "checkpoints" / "checkpoint-6"  # killed while it was written
    shutil.copytree(out / "checkpoints" / "checkpoint-4", torn)
    (torn / "trainer_state.json").unlink()
    lines: list[str] = []
    resumed = train(*common, "--resume", lines=lines)
    assert any("continuing from" in line and line.endswith("checkpoint-4") for line in lines)
    assert losses(resumed) == losses(whole)
    seconds = [point.seconds for point in resumed.curve]
    assert seconds == sorted(seconds)
    ours, theirs = weights(out), weights(tmp_path / "whole")
    assert all((ours[name] == theirs[name]).all() for name in theirs)


def test_a_finished_training_that_is_resumed_does_nothing(train: Train, tmp_path: Path) -> None:
    metrics = train("--max-steps", "2")
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "adapter").rglob("*")}
    lines: list[str] = []
    assert train("--max-steps", "2", "--resume", lines=lines) == metrics
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "adapter").rglob("*")} == before
    assert lines[-1].endswith("nothing to do")


def test_an_adapter_can_start_from_another(train: Train, tmp_path: Path) -> None:
    first = train("--epochs", "2", output=tmp_path / "first")
    second = train("--epochs", "1", "--init-adapter", str(tmp_path / "first"))
    assert second.first_loss < first.first_loss - 1
    assert second.init_adapter == str(tmp_path / "first")


@pytest.mark.parametrize("loss", [float("nan"), float("inf")])
def test_a_loss_that_is_no_number_ends_the_training(train: Train, monkeypatch: pytest.MonkeyPatch, loss: float) -> None:
    from trl.trainer.sft_trainer import SFTTrainer

    compute = SFTTrainer.compute_loss
    monkeypatch.setattr(SFTTrainer, "compute_loss", lambda *given, **more: compute(*given, **more) * loss)
    with pytest.raises(TrainingFailure, match="at step 1: train with a lower --learning-rate"):
        train()


def test_the_embedded_model_speaks_with_a_trained_adapter(
    train: Train, tiny: Path, dataset: Path, tmp_path: Path
) -> None:
    from chat_models.embedded_engine import Engine, Request
    from chat_models.embedded_spec import read_spec
    from training.dataset import read_dataset

    train("--epochs", "12", "--batch", "4", "--rank", "16", "--alpha", "32", "--learning-rate", "5e-3")
    example = next(read_dataset(dataset))
    spec = read_spec(f"embedded+weights={tiny}+adapter={tmp_path / 'adapter'}")
    assert spec.adapter is not None
    engine = Engine(tiny, "float32")
    try:
        prompt = [message.model_dump() for message in example.messages[:-1]]
        request = Request(prompt, limit=40, temperature=0.0)
        specialist = Request(prompt, limit=40, temperature=0.0, adapter=(spec.adapter.digest, spec.adapter.folder))
        base, learned = (engine.submit(one).result(timeout=60) for one in (request, specialist))
    finally:
        engine.stop()
    assert learned.text.startswith("<|SEARCH|>map_notes.md|")
    assert learned.text.endswith("<|END|> <|DONE|>")
    assert learned.finish_reason == "stop"  # the end-of-turn token was learned
    assert "<|SEARCH|>" not in base.text

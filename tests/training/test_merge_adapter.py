"""An adapter merged into its base's weights: the same model, and what is refused."""

from __future__ import annotations

import errno
import json
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import PeftModel
from safetensors.torch import load_file, save_file
from tiny_model import make_adapter
from transformers import AutoModelForCausalLM, AutoTokenizer

from training import out_of_memory
from training.merge_adapter import main


@pytest.fixture(scope="module")
def adapter(tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_adapter(tmp_path_factory.mktemp("adapter"), tiny)


def loaded(folder: Path) -> Any:
    return AutoModelForCausalLM.from_pretrained(folder, dtype="auto")


def test_the_merged_model_computes_what_base_and_adapter_compute(
    tmp_path: Path, tiny: Path, adapter: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    merged = tmp_path / "merged"
    assert main([str(adapter), str(merged), "--base", str(tiny)]) == 0
    assert capsys.readouterr().out == f"{merged}: {tiny} with {adapter}\n"
    assert not list(merged.glob("adapter*"))
    tokens = AutoTokenizer.from_pretrained(merged)("You see a tree", return_tensors="pt")
    with torch.no_grad():
        base = loaded(tiny)(**tokens).logits
        both = PeftModel.from_pretrained(loaded(tiny), str(adapter))(**tokens).logits
        ours = loaded(merged)(**tokens).logits
    assert (both - base).abs().max() > 0.1, "an adapter that changes nothing shows nothing"
    torch.testing.assert_close(ours, both)
    for name in ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja"):
        assert (merged / name).read_bytes() == (tiny / name).read_bytes()


def refusal(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    assert main(list(words)) == 2
    line = capsys.readouterr().err.splitlines()[-1]
    assert line.startswith("merge_adapter: ")
    return line


def test_what_cannot_be_merged_is_one_sentence_and_nothing_is_written(
    tmp_path: Path, tiny: Path, adapter: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, base = str(tmp_path / "merged"), ("--base", str(tiny))
    assert "There is no adapter in" in refusal(capsys, str(tmp_path), out, *base)
    assert "There is no base 'none'" in refusal(capsys, str(adapter), out, "--base", "none")

    other = shutil.copytree(adapter, tmp_path / "other")
    (other / "metrics.json").write_text(json.dumps({"base": {"digest": "0" * 64}}))
    assert "was trained on other weights than those of" in refusal(capsys, str(other), out, *base)
    (other / "metrics.json").write_text("{")
    assert "metrics.json cannot be read" in refusal(capsys, str(other), out, *base)

    (other / "metrics.json").unlink()
    tensors = load_file(other / "adapter_model.safetensors")
    gone = next(iter(tensors))
    save_file({name: one for name, one in tensors.items() if name != gone}, other / "adapter_model.safetensors")
    assert f"{gone} is only in the base" in refusal(capsys, str(other), out, *base)
    save_file({**tensors, "further": torch.zeros(1)}, other / "adapter_model.safetensors")
    assert "further is only in the adapter" in refusal(capsys, str(other), out, *base)
    (other / "adapter_model.safetensors").write_bytes(b"no tensors")
    assert "cannot be merged into" in refusal(capsys, str(other), out, *base)
    (other / "adapter_model.safetensors").unlink()
    assert "adapter_model.safetensors is missing" in refusal(capsys, str(other), out, *base)
    assert not list(tmp_path.glob("merged*"))

    odd = shutil.copytree(adapter, tmp_path / "odd")
    (odd / "adapter_config.json").write_text("[]")
    assert "There is no adapter in" in refusal(capsys, str(odd), out)
    assert "There is no adapter in" in refusal(capsys, str(odd), out, *base)
    half = shutil.copytree(tiny, tmp_path / "half")
    index = {"weight_map": {"model.norm.weight": "model-2.safetensors"}, "metadata": {}}
    (half / "model.safetensors").rename(half / "model-1.safetensors")
    (half / "model.safetensors.index.json").write_text(json.dumps(index))
    assert "cannot be merged into" in refusal(capsys, str(adapter), out, "--base", str(half))
    assert not list(tmp_path.glob("merged*"))

    full = tmp_path / "full"
    full.mkdir()
    (full / "kept.txt").write_text("mine")
    assert "holds something already" in refusal(capsys, str(adapter), str(full), *base)
    assert (full / "kept.txt").read_text() == "mine"


def test_a_disk_error_is_the_machines_failure_and_leaves_nothing(
    tmp_path: Path, tiny: Path, adapter: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "merged.partial").mkdir()
    (tmp_path / "merged.partial" / "kept.txt").write_text("mine")
    assert main([str(adapter), str(tmp_path / "file" / "merged"), "--base", str(tiny)]) == 1
    assert "cannot be written" in capsys.readouterr().err

    script = Path(__file__).parents[2] / "training" / "merge_adapter.py"
    full = f"ulimit -f 100; exec {shlex.join([sys.executable, str(script), str(adapter), 'merged'])} --base {tiny}"
    ended = subprocess.run(["sh", "-c", full], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert ended.returncode == 1
    assert "cannot be written" in ended.stderr.splitlines()[-1]
    assert sorted(one.name for one in tmp_path.iterdir()) == ["file", "merged.partial"]
    assert (tmp_path / "merged.partial" / "kept.txt").read_text() == "mine"


@pytest.mark.parametrize(
    "scarce",
    [
        MemoryError(),
        OSError(errno.ENOMEM, "Cannot allocate memory"),
        RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes"),
        torch.OutOfMemoryError("CUDA"),
    ],
)
def test_too_little_memory_is_the_machines_failure(
    tmp_path: Path, tiny: Path, adapter: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any, scarce: Exception
) -> None:
    def fails(*_: object, **__: object) -> None:
        raise scarce

    monkeypatch.setattr(AutoModelForCausalLM, "from_pretrained", fails)
    assert main([str(adapter), str(tmp_path / "merged"), "--base", str(tiny)]) == 1
    assert "There is too little memory to merge" in capsys.readouterr().err
    assert not out_of_memory(RuntimeError("sizes differ"))

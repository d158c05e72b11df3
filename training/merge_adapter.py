"""Write a base with a LoRA adapter merged into its weights, as any server loads a model:

    python training/merge_adapter.py adapters/small merged
    vllm serve merged --served-model-name specialist

A merged model costs a server nothing but its own memory. Beside its base it takes that memory a second time.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, cast

from safetensors import SafetensorError, safe_open

if not __package__:  # run as a script: import from the repository, not from this folder
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from chat_models.embedded_weights import REPOSITORY
from training import TrainingError, TrainingFailure, out_of_memory
from training.base_model import (
    SMALL_FILES,
    Base,
    check_trained_on,
    fetch_weights,
    find_base,
    ignore_deprecation,
    weights_digest,
)


def merge(adapter: Path, output: Path, base: str | None = None) -> Base:
    """Write the folder `output`, in the type of the base's weights, and return the base.

    `base`: as for the training, such as `embedded` or a folder; None: as the adapter names it. TrainingError for what
    cannot be merged and for an `output` that holds something; TrainingFailure for a disk error. Nothing is left then.
    """
    try:
        settings: Any = json.loads((adapter / "adapter_config.json").read_text())
        own = str(settings["base_model_name_or_path"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise TrainingError(f"There is no adapter in {adapter}: {error}.") from error
    if not (adapter / "adapter_model.safetensors").is_file():
        raise TrainingError(f"There is no adapter in {adapter}: adapter_model.safetensors is missing.")
    named, output = base or own, output.resolve()
    if output.exists() and (not output.is_dir() or any(output.iterdir())):
        raise TrainingError(f"{output} holds something already: choose another folder.")
    found = find_base("embedded" if named == REPOSITORY else named)  # its weights are on this machine
    fetch_weights(found)
    check_trained_on(adapter, found, weights_digest(found))
    merged = _merged(adapter, found)
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(prefix=f"{output.name}.", dir=output.parent, ignore_cleanup_errors=True) as begun:
            _write(merged, found, Path(begun))
            Path(begun).chmod(0o755)
            Path(begun).replace(output)
    except (OSError, SafetensorError) as error:
        why = getattr(error, "strerror", None) or " ".join(str(error).split())[:200]
        raise TrainingFailure(f"{output} cannot be written: {why}.") from error
    return found


def _merged(adapter: Path, base: Base) -> Any:
    """The base with the adapter in its weights. TrainingError where one does not fit the other."""
    from peft import PeftModel, get_peft_model_state_dict
    from transformers import AutoModelForCausalLM

    ignore_deprecation()
    try:
        with safe_open(adapter / "adapter_model.safetensors", framework="pt") as file:
            given = set(file.keys())
        model: Any = cast("Any", AutoModelForCausalLM).from_pretrained(base.folder, dtype="auto")
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", ".*missing adapter keys", UserWarning)  # told below, as an error
            adapted: Any = PeftModel.from_pretrained(model, str(adapter))
        wanted = set(get_peft_model_state_dict(adapted, save_embedding_layers=False))
        if odd := sorted(given ^ wanted):
            raise ValueError(f"{odd[0]} is only in {'the adapter' if odd[0] in given else 'the base'}")
        return adapted.merge_and_unload(safe_merge=True)
    except (OSError, ValueError, TypeError, RuntimeError, KeyError, SafetensorError, MemoryError) as error:
        if out_of_memory(error):
            raise TrainingFailure(f"There is too little memory to merge {adapter} into {base.name}.") from error
        why = " ".join(str(error).split())[:200].rstrip(".")
        raise TrainingError(f"The adapter in {adapter} cannot be merged into {base.name}: {why}.") from error


def _write(merged: Any, base: Base, folder: Path) -> None:
    """The merged weights, and the base's tokenizer and chat template as they are."""
    merged.save_pretrained(folder)
    for pattern in SMALL_FILES:
        for file in base.folder.glob(pattern):
            if not file.name.endswith(".index.json") and not (folder / file.name).exists():
                shutil.copyfile(file, folder / file.name)


def main(arguments: Sequence[str] | None = None) -> int:
    """The command."""
    parser = argparse.ArgumentParser(prog="merge_adapter", description=(__doc__ or "").partition(":")[0] + ".")
    parser.add_argument("adapter", type=Path, help="Folder of the adapter, as sft_specialist.py writes it.")
    parser.add_argument("output", type=Path, help="Folder to write.")
    parser.add_argument("--base", help="Its base: embedded, a folder or OWNER/NAME. (default: as the adapter names it)")
    given = parser.parse_args(arguments)
    try:
        base = merge(given.adapter, given.output, given.base)
    except (TrainingError, TrainingFailure) as error:
        sys.stderr.write(f"merge_adapter: {error}\n")
        return 2 if isinstance(error, TrainingError) else 1
    sys.stdout.write(f"{given.output}: {base.name} with {given.adapter}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""The base model of an adapter: found, named and checked before its weights are loaded."""

from __future__ import annotations

import hashlib
import json
import re
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from chat_models import ConfigurationError
from training import TrainingError
from training.tokens import ChatTokens

if TYPE_CHECKING:
    from training.recipe import LoraConfiguration

SMALL_FILES = ("*.json", "*.jinja", "*.txt", "*.model")
WEIGHT_FILES = ("*.safetensors",)


@dataclass(frozen=True, slots=True)
class Base:
    """A model on this machine or on the Hugging Face hub."""

    name: str
    """As an adapter names its base: OWNER/NAME, or an absolute path."""
    folder: Path
    hub: bool = False
    """Whether its weights may still have to be downloaded."""


def find_base(spec: str) -> Base:
    """Find the base named `embedded`, a folder or OWNER/NAME; TrainingError when there is none.

    For a model of the hub, only the small files are downloaded.
    """
    if spec == "embedded":
        from chat_models.embedded_weights import REPOSITORY, get_weights

        try:
            return Base(REPOSITORY, get_weights())
        except ConfigurationError as error:
            raise TrainingError(str(error)) from error
    folder = folder_of(spec)
    return Base(str(folder), folder) if folder else Base(spec, _fetch(spec, SMALL_FILES), hub=True)


def folder_of(spec: str) -> Path | None:
    """The folder of a base; None for OWNER/NAME of the hub. TrainingError where there is no such base."""
    folder = Path(spec).expanduser()
    if folder.is_dir():
        if not (folder / "config.json").is_file() or not any(folder.glob("*.safetensors")):
            raise TrainingError(f"The folder {spec} holds no model: config.json or its .safetensors files are missing.")
        return folder.resolve()
    if not re.fullmatch(r"[\w.-]+/[\w.-]+", spec):
        raise TrainingError(f"There is no base {spec!r}: write embedded, a folder, or OWNER/NAME of the hub.")
    return None


def fetch_weights(base: Base) -> None:
    """Download the weights if they are missing. TrainingError when the hub does not send them."""
    if base.hub:
        _fetch(base.name, WEIGHT_FILES)


def _fetch(name: str, patterns: tuple[str, ...]) -> Path:
    from huggingface_hub import snapshot_download

    try:
        return Path(snapshot_download(name, allow_patterns=list(patterns)))
    except Exception as error:
        why = " ".join(str(error).split())[:200]
        raise TrainingError(f"The base {name} is no folder here, and the hub does not send it: {why}.") from error


def weights_digest(base: Base) -> str:
    """SHA-256 over names and contents of the weights' files, in hexadecimal.

    A file in the hub's cache is a link to a file named by its own SHA-256; that name is trusted.
    """
    whole = hashlib.sha256()
    for file in sorted(base.folder.glob("*.safetensors")):
        blob = file.resolve().name
        if not re.fullmatch(r"[0-9a-f]{64}", blob):
            with file.open("rb") as opened:
                blob = hashlib.file_digest(opened, "sha256").hexdigest()
        whole.update(f"{file.name} {blob}\n".encode())
    return whole.hexdigest()


def load_chat(base: Base) -> ChatTokens:
    """Its tokenizer and chat template. TrainingError when they cannot be read or used."""
    from transformers import AutoTokenizer, GenerationConfig

    try:
        tokenizer = AutoTokenizer.from_pretrained(base.folder)
        config = base.folder / "generation_config.json"
        stops = GenerationConfig.from_pretrained(base.folder).eos_token_id if config.is_file() else None
    except (OSError, ValueError) as error:
        raise TrainingError(f"The tokenizer of {base.name} cannot be read: {' '.join(str(error).split())}.") from error
    ends = {stops} if isinstance(stops, int) else set(stops or ())
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token  # padding has no loss and is masked
    return ChatTokens(tokenizer, base.name, frozenset({tokenizer.eos_token_id, *ends} - {None}))


@dataclass(frozen=True, slots=True)
class Outline:
    """The form of a configured adapter, found on a model without weights."""

    trainable: int
    """Parameters of the adapter."""
    parameters: int
    """Of the base; those that two layers share count once."""
    shapes: dict[str, tuple[int, ...]]
    """Shape of each of its tensors, by the name it is saved under."""
    context: int
    """Context length of the base, in tokens."""
    unshareable: str | None
    """Why its attention cannot be computed over shared prefixes; None where it can, as far as its form says."""


def outline(base: Base, lora: LoraConfiguration) -> Outline:
    """Build base and adapter on the meta device, which takes a second and no memory.

    TrainingError for a base of an unknown kind and for a target module that is no linear layer of it. PEFT alone
    ignores an unknown name when another one matches.
    """
    import torch
    from peft import get_peft_model, get_peft_model_state_dict
    from transformers import AutoConfig, AutoModelForCausalLM

    try:
        config = AutoConfig.from_pretrained(base.folder)
        with torch.device("meta"):
            model: Any = cast("Any", AutoModelForCausalLM).from_config(config)
    except (OSError, ValueError, KeyError) as error:
        why = " ".join(str(error).split())[:300]
        raise TrainingError(f"The base {base.name} is no language model that can be trained: {why}.") from error
    _check_targets(base, model, lora.target_modules)
    ignore_deprecation()
    parameters = sum(weight.numel() for weight in model.parameters())
    adapted = get_peft_model(model, lora_config(lora))
    state = get_peft_model_state_dict(adapted, save_embedding_layers=False)
    return Outline(
        trainable=adapted.get_nb_trainable_parameters()[0],
        parameters=parameters,
        shapes={name: tuple(tensor.shape) for name, tensor in state.items()},
        context=getattr(config, "max_position_embeddings", 0) or 1 << 62,
        unshareable=_unshareable(config.get_text_config(), model),
    )


def _unshareable(config: Any, model: Any) -> str | None:
    kinds = set(getattr(config, "layer_types", None) or ["full_attention"])
    windowed = getattr(config, "sliding_window", None) and getattr(config, "use_sliding_window", True)
    if windowed or kinds != {"full_attention"}:
        return "some of its layers do not see the whole context"
    if not getattr(model, "_supports_attention_backend", False):
        return "transformers cannot exchange its attention for another"
    if getattr(config, "attention_dropout", 0):
        return "its attention has dropout"
    if getattr(config, "router_aux_loss_coef", 0):
        return "its experts add a loss that depends on all tokens of an example"
    return None


def lora_config(lora: LoraConfiguration) -> Any:
    """The configuration in PEFT's form."""
    from peft import LoraConfig

    targets = lora.target_modules
    return LoraConfig(
        r=lora.rank,
        lora_alpha=lora.alpha,
        lora_dropout=lora.dropout,
        target_modules=targets if isinstance(targets, str) else sorted(targets),
        task_type="CAUSAL_LM",
    )


def ignore_deprecation() -> None:
    """Silence a warning that a user cannot act on: PEFT reads a deprecated attribute of transformers."""
    warnings.filterwarnings("ignore", "`is_gradient_checkpointing` is deprecated", FutureWarning)


def _check_targets(base: Base, model: Any, targets: str | tuple[str, ...]) -> None:
    import torch

    head = model.get_output_embeddings()
    layers = [name for name, part in model.named_modules() if isinstance(part, torch.nn.Linear) and part is not head]
    if isinstance(targets, str):
        return
    for target in targets:
        if not any(name == target or name.endswith(f".{target}") for name in layers):
            known = ", ".join(sorted({name.rpartition(".")[2] for name in layers}))
            raise TrainingError(
                f"The target module {target!r} is no linear layer of {base.name}: choose among {known}."
            )


def check_adapter(folder: Path, base: Base, digest: str, lora: LoraConfiguration, form: Outline) -> None:
    """TrainingError unless the adapter in the folder is of this base and of the configured form."""
    from safetensors import SafetensorError, safe_open

    try:
        settings = json.loads((folder / "adapter_config.json").read_text())
        with safe_open(folder / "adapter_model.safetensors", framework="pt") as file:
            found = {name: tuple(file.get_slice(name).get_shape()) for name in file.keys()}  # noqa: SIM118
    except (OSError, ValueError, KeyError, TypeError, SafetensorError) as error:
        raise TrainingError(f"There is no adapter in {folder}: {error}.") from error
    check_trained_on(folder, base, digest)
    for name, ours in (("r", lora.rank), ("lora_alpha", lora.alpha)):
        if settings.get(name) != ours:
            raise TrainingError(f"The adapter in {folder} has {name} {settings.get(name)}, not {ours}.")
    if found != form.shapes:
        odd = sorted(found.items() ^ form.shapes.items())[0][0]
        raise TrainingError(
            f"The adapter in {folder} is of another base or form than {base.name} with these settings: {odd} differs."
        )


def check_trained_on(adapter: Path, base: Base, digest: str) -> None:
    """TrainingError if an adapter of ours was trained on other weights than the base's; others do not say."""
    metrics = adapter / "metrics.json"
    try:
        made_on = json.loads(metrics.read_text())["base"]["digest"] if metrics.is_file() else digest
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise TrainingError(f"There is no adapter in {adapter}: {metrics.name} cannot be read ({error}).") from error
    if made_on != digest:
        raise TrainingError(
            f"The adapter in {adapter} was trained on other weights than those of {base.name} "
            f"(SHA-256 {made_on[:16]}…, not {digest[:16]}…)."
        )

"""The specification `embedded+…` read and checked, before anything heavy is imported or loaded."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chat_models.embedded_weights import REPOSITORY, get_from_hub, get_weights, shards
from chat_models.failures import ConfigurationError

REPLY_TOKENS = 256
"""New tokens a reply may have unless `+tokens=N` says otherwise. The model talks on to any limit about one time in
three, at 20 to 50 tokens a second; a page of operations takes 150."""
PARTS = ("adapter", "weights", "dtype", "tokens")
DTYPES = ("float32", "bfloat16")
EXTRA = "pip install -c constraints.txt -e '.[embedded]'"
_NAMED = re.compile(r"embedded(?::([\w-][\w.-]*/[\w-][\w.-]*))?", re.ASCII)
_CAUSAL = re.compile(r"(?:CausalLM|LMHeadModel)$")
"""How transformers names the classes of causal language models."""
_PART = re.compile(rf"\+(?=(?:{'|'.join(PARTS)})=)")


@dataclass(frozen=True, slots=True)
class Adapter:
    """A LoRA adapter on disk."""

    folder: Path
    digest: str
    """Of its weights: an adapter trained again under the same path is another one."""


@dataclass(frozen=True, slots=True)
class EmbeddedSpec:
    """What a specification names; everything in it exists."""

    weights: Path
    adapter: Adapter | None = None
    dtype: str | None = None
    """None: what suits the machine."""
    tokens: int = REPLY_TOKENS


def read_spec(spec: str) -> EmbeddedSpec:
    """The specification's parts. ConfigurationError for what cannot be read, is not there or does not fit together.

    The weights are fetched if they are not on this machine, which can take a minute.
    """
    if missing := _missing_package():
        raise ConfigurationError(f"The model {spec!r} needs the package {missing}: {EXTRA}")
    head, *parts = _PART.split(spec)
    given = dict(part.split("=", 1) for part in parts)
    named = _NAMED.fullmatch(head)
    if not named or len(given) < len(parts) or not all(given.values()) or (named[1] and "weights" in given):
        names = "".join(f"[+{name}=…]" for name in PARTS)
        raise ConfigurationError(
            f"The model {spec!r} cannot be read: write embedded{names}, or embedded:OWNER/NAME for one of the hub."
        )
    dtype = given.get("dtype")
    if dtype not in (None, *DTYPES):
        raise ConfigurationError(f"The model {spec!r} has an unknown dtype: write {' or '.join(DTYPES)}.")
    tokens = given.get("tokens", str(REPLY_TOKENS))
    if not tokens.isascii() or not tokens.isdigit() or not 0 < int(tokens) <= 1_000_000:
        raise ConfigurationError(
            f"The model {spec!r} asks for {tokens} new tokens: write a whole number of at least 1."
        )
    own = given.get("weights") or named[1]
    weights = _weights_in(get_from_hub(own) if named[1] else Path(own).expanduser()) if own else get_weights()
    base = None if "weights" in given else named[1] or REPOSITORY
    adapter = _adapter_in(Path(given["adapter"]).expanduser(), weights, base) if "adapter" in given else None
    return EmbeddedSpec(weights, adapter, dtype, int(tokens))


def repository_of(spec: str) -> str | None:
    """OWNER/NAME in `embedded:OWNER/NAME…`; None where there is none."""
    named = _NAMED.fullmatch(_PART.split(spec)[0])
    return named[1] if named else None


def files_named(spec: str) -> list[str]:
    """The folders that a specification names, adapters and weights, as they are written."""
    parts = (part.partition("=") for part in _PART.split(spec)[1:])
    return [value for name, _, value in parts if name in ("adapter", "weights")]


def _missing_package() -> str | None:
    from importlib.util import find_spec

    needed = ("torch", "transformers", "peft", "safetensors", "llguidance")
    return next((name for name in needed if find_spec(name) is None), None)


def _weights_in(folder: Path) -> Path:
    """The folder, if it holds a causal language model as transformers saves one."""
    advice = "name a folder as transformers saves it"
    if folder.suffix == ".gguf" or not folder.is_dir():
        what = "is a GGUF file" if folder.suffix == ".gguf" else "is no folder"
        serve = ", or serve the file with llama.cpp (llamacpp:NAME)" if folder.suffix == ".gguf" else ""
        raise ConfigurationError(f"{folder} {what}, and 'embedded' needs a folder: {advice}{serve}.")
    needed = {"config.json": "configuration", "tokenizer.json": "tokenizer"}
    needed |= dict.fromkeys(shards(folder), "weights")
    if missing := [(name, what) for name, what in needed.items() if not (folder / name).is_file()]:
        name, what = missing[0]
        files = " (its GGUF files are for llama.cpp)" if any(folder.glob("*.gguf")) else ""
        raise ConfigurationError(
            f"The folder {folder} holds no model: its {what} ({name}) is missing{files}; {advice}."
        )
    try:
        config: dict[str, Any] = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        classes = [str(name) for name in config.get("architectures") or ()]
    except (OSError, ValueError, AttributeError, TypeError) as error:
        raise ConfigurationError(f"The configuration {folder / 'config.json'} cannot be read: {error}.") from None
    if classes and not any(map(_CAUSAL.search, classes)):
        raise ConfigurationError(
            f"The model in {folder} ({', '.join(classes)}) is no causal language model: name one that writes text."
        )
    return folder.resolve()


def _adapter_in(folder: Path, weights: Path, wanted: str | None) -> Adapter:
    """The adapter, if it was trained for a model of this form; `wanted`: the model's name on the hub, if it has one."""
    settings, tensors = folder / "adapter_config.json", folder / "adapter_model.safetensors"
    if not settings.is_file() or not tensors.is_file():
        raise ConfigurationError(
            f"There is no adapter in {folder}: it needs adapter_config.json and adapter_model.safetensors, as PEFT "
            "saves them."
        )
    try:
        config: dict[str, Any] = json.loads(settings.read_text())
        found = _misfit(tensors, weights)
    except (ValueError, OSError) as error:
        raise ConfigurationError(f"The adapter in {folder} cannot be read: {error}.") from None
    if config.get("peft_type") != "LORA":
        raise ConfigurationError(f"The adapter in {folder} is of type {config.get('peft_type')}: only LORA is known.")
    base = str(config.get("base_model_name_or_path") or "")
    if found is None and wanted and _is_repository(base) and base != wanted:
        found = "the model it names has this form, but is another"
    if found:
        raise ConfigurationError(
            f"The adapter in {folder} was trained for another base ({base or 'unnamed'}) than {weights.name}: {found}."
        )
    with tensors.open("rb") as file:
        return Adapter(folder.resolve(), hashlib.file_digest(file, "sha256").hexdigest()[:16])


def _is_repository(base: str) -> bool:
    """Whether a base is named as on the hub (OWNER/NAME), not by a folder."""
    return bool(re.fullmatch(r"[\w.-]+/[\w.-]+", base)) and not Path(base).exists()


_LORA = re.compile(r"^base_model\.model\.(?P<module>.+)\.lora_(?P<side>[AB])\.weight$")


def _misfit(adapter: Path, weights: Path) -> str | None:
    """What about the adapter's tensors does not fit the base, read from the files' headers alone; None if all fits."""
    base = _shapes(weights)
    for name, shape in _header(adapter).items():
        match = _LORA.match(name)
        if match is None:
            return f"it holds {name}, which is no part of a LoRA on linear layers"
        target = base.get(f"{match['module']}.weight")
        if target is None:
            return f"the base has no layer {match['module']}"
        # A is [rank, inputs], B is [outputs, rank], the base's weight [outputs, inputs].
        mine, its = (shape[1], target[1]) if match["side"] == "A" else (shape[0], target[0])
        if mine != its:
            return f"{match['module']} is {its} wide in the base and {mine} in the adapter"
    return None


def _shapes(weights: Path) -> dict[str, tuple[int, ...]]:
    """The shapes of a model's tensors by name."""
    return {name: shape for file in shards(weights) for name, shape in _header(weights / file).items()}


def _header(file: Path) -> dict[str, tuple[int, ...]]:
    """The shapes in a safetensors file, without its library: eight bytes of length, then JSON. ValueError if broken."""
    with file.open("rb") as opened:
        length = int.from_bytes(opened.read(8), "little")
        if not 0 < length < 1 << 27:
            raise ValueError(f"{file.name} is no safetensors file")
        entries = json.loads(opened.read(length))
    return {name: tuple(entry["shape"]) for name, entry in entries.items() if name != "__metadata__"}

"""What a training will take, before its weights are loaded: steps, memory of a device, and time.

Memory is counted from the form of base and adapter, and from the tensors that one and two layers of the base, with
random weights, save for their backward pass. Time is that of one such layer on this device, or an estimate from the
arithmetic for a device that is named.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from training.base_model import Base, Outline, ignore_deprecation, lora_config
from training.prefix_tree import Pass, grow, passes
from training.sft_config import DEVICES, Recompute, SftSettings, processes
from training.tokens import NO_LOSS, RowCounts, Tokens

if TYPE_CHECKING:
    import torch

UTILISATION = 0.35
"""Share of a named device's arithmetic that a training is assumed to reach."""
PROBE_S = 10.0
"""What the probe on this device may take."""
PROBED = 256
"""Tokens for which saved tensors are counted: what a layer saves grows in proportion to them."""
KEPT = 0.2
"""Of what all layers save for a pass, what a CPU's training holds besides in blocks that were freed and do not fit the
next tensor: 0.5 GB of SmolLM2-135M, 0.9 GB of Qwen2.5-0.5B, whether activations are computed again or not."""
FORWARD_AND_BACK = {"off": 2, "mlp": 2.7, "on": 3}
"""Passes through the layers, by what is computed again; feed-forward parts hold some two thirds of a layer."""
HEAD_TILE = 32_768
"""Columns of logits that TRL holds at a time."""


@dataclass(frozen=True, slots=True)
class Work:
    """What an epoch computes."""

    computed: int
    """Tokens."""
    peak_tokens: int
    """The most that are held for a backward pass at one time."""
    peak_above: int
    """Of these, those whose keys and values later passes see."""
    peak_targets: int
    """The most targets of a pass."""
    steps: int


@dataclass(frozen=True, slots=True)
class Memory:
    """Bytes of one device."""

    weights: float
    adapter: float
    """With its gradients."""
    optimizer: float
    activations: float
    program: float
    """Python, its libraries and their buffers; on a GPU, CUDA's."""

    @property
    def total(self) -> float:
        """All of it."""
        return self.weights + self.adapter + self.optimizer + self.activations + self.program


def measure_work(settings: SftSettings, rows: Sequence[Tokens]) -> Work:
    """The passes of an epoch, its examples in the order of the dataset."""
    lora = settings.lora
    together = lora.effective_batch
    shared = settings.batching == "shared"
    computed = peak = above = targets = 0
    size = together // processes() if shared else lora.batch
    for first in range(0, len(rows), size):
        step = rows[first : first + size]
        learned = sum(label != NO_LOSS for row in step for label in row.labels)
        if shared:
            cut = passes(grow([row.input_ids for row in step]), lora.batch)
            computed += sum(_lengths(cut))
            held, over = _deepest(cut)
            targets = max(targets, learned * min(lora.batch, len(step)) // len(step))
        else:
            held, over = len(step) * max(len(row.input_ids) for row in step), 0
            if settings.batching == "packed":
                held = lora.batch * lora.cutoff
            computed += sum(len(row.input_ids) for row in step) if settings.batching == "packed" else held
            targets = max(targets, learned)
        if held > peak:
            peak, above = held, over
    steps = -(-len(rows) // together) * lora.epochs
    if settings.batching == "packed":
        steps = -(-computed // (together * lora.cutoff)) * lora.epochs
    return Work(computed, peak, above, targets, min(steps, settings.max_steps or steps))


def _lengths(cut: Sequence[Pass]) -> list[int]:
    return [length for one in cut for length in (one.length, *_lengths(one.children))]


def _deepest(cut: Sequence[Pass]) -> tuple[int, int]:
    """The most tokens of passes below one another, and those of them that are not the last."""
    found = []
    for one in cut:
        held, over = _deepest(one.children) if one.children else (0, 0)
        found.append((one.length + held, (one.length + over) if one.children else 0))
    return max(found)


@dataclass(frozen=True, slots=True)
class Layer:
    """What one decoder layer of the base, with its adapter, saves and takes."""

    saved: float
    """Bytes for a token, to go backward through the layer."""
    around: float
    """Bytes for a token outside the layers."""
    boundary: float
    """Bytes for a token between two layers: what is saved of a layer whose activations are computed again."""
    transient: float
    """Bytes for a token that one layer's backward pass takes besides."""
    seconds: float
    """Forward and backward for a token; 0 where it was not measured."""


def measure_layer(
    base: Base, settings: SftSettings, device: str, dtype: torch.dtype, longest: int, again: Recompute
) -> Layer:
    """Run one and two layers of the base with random weights. `longest` > 0: measure time up to that many tokens."""
    import torch

    from training.trainer import recompute_mlps

    one, two = (_layers(base, settings, device, dtype, layers) for layers in (1, 2))
    if again == "mlp":
        for model in (one, two):
            recompute_mlps(model, base.name)
    saved = [_saved_bytes(model, torch.zeros(1, PROBED, dtype=torch.long, device=device)) for model in (one, two)]
    config = one.config.get_text_config()
    width = torch.finfo(dtype).bits // 8
    wide = max(config.hidden_size, getattr(config, "intermediate_size", 0))
    seconds = 0.0
    if longest:
        if again == "on":
            one.enable_input_require_grads()
            one.activation_checkpointing_enable()
        seconds = _seconds_per_token(one, device, longest)
    parts_input, part = (config.hidden_size * width, 4 * wide * width) if again == "mlp" else (0, 0)
    return Layer(
        saved=(saved[1] - saved[0]) / PROBED + parts_input,
        around=max(0.0, 2 * saved[0] - saved[1]) / PROBED,
        boundary=config.hidden_size * width,
        transient=(2 * wide + 4 * config.hidden_size) * width + part,
        seconds=seconds,
    )


def _layers(base: Base, settings: SftSettings, device: str, dtype: torch.dtype, layers: int) -> Any:
    """The base with so many layers and a small vocabulary, and its adapter."""
    import torch
    from peft import get_peft_model
    from transformers import AutoConfig, AutoModelForCausalLM

    config = AutoConfig.from_pretrained(base.folder)
    text = config.get_text_config()
    text.num_hidden_layers, text.vocab_size, text.pad_token_id = layers, 128, 0
    if getattr(text, "layer_types", None):
        text.layer_types = text.layer_types[:layers]
    with torch.device(device):
        model: Any = cast("Any", AutoModelForCausalLM).from_config(config, dtype=dtype)
    ignore_deprecation()
    return get_peft_model(model, lora_config(settings.lora)).train()


def _saved_bytes(model: Any, tokens: torch.Tensor) -> int:
    """Bytes of the tensors that a forward pass saves, each storage once, without the weights."""
    import torch

    weights = {weight.untyped_storage().data_ptr() for weight in (*model.parameters(), *model.buffers())}
    storages: dict[int, int] = {}
    kept = []

    def pack(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in weights:
            storages[storage.data_ptr()] = storage.nbytes()
            kept.append(tensor)  # or its memory would be used again, and counted once for two tensors
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        hidden = model.get_base_model().base_model(tokens, use_cache=False).last_hidden_state
        del hidden
    return sum(storages.values())


def _seconds_per_token(model: Any, device: str, longest: int) -> float:
    """Time of longer and longer passes, up to `longest` tokens or PROBE_S; the longest one counts."""
    import torch

    begun = time.perf_counter()
    length, seconds = min(128, longest), 0.0
    backbone = model.get_base_model().base_model
    while True:
        started = time.perf_counter()
        tokens = torch.randint(128, (1, length), device=device)
        backbone(tokens, use_cache=False).last_hidden_state.float().sum().backward()
        if device == "cuda":
            torch.cuda.synchronize()
        seconds = (time.perf_counter() - started) / length
        now = time.perf_counter()
        if length >= longest or now - begun + 2.5 * (now - started) > PROBE_S:
            return seconds
        length = min(2 * length, longest)


def measure_memory(
    settings: SftSettings,
    base: Base,
    form: Outline,
    work: Work,
    layer: Layer,
    *,
    program: float,
    width: int,
    again: bool,
    kept: float,
) -> Memory:
    """What a device holds at its peak. `width`: bytes of a base's weight; `again`: activations are computed again;
    `kept`: the share KEPT, or 0."""
    config = _config(base)
    layers = config.num_hidden_layers
    heads = getattr(config, "num_key_value_heads", None) or config.num_attention_heads
    size = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    leaves = 2 * work.peak_above * layers * 2 * heads * size * width  # keys and values, and their gradients
    held = layer.boundary * layers + layer.saved if again else layer.saved * layers
    held += kept * layer.saved * layers
    head = 8 * 4 * work.peak_targets * min(HEAD_TILE, config.vocab_size)
    sharded = processes() if os.environ.get("ACCELERATE_USE_FSDP") == "true" else 1
    return Memory(
        weights=form.parameters * width / sharded,
        adapter=8 * form.trainable / sharded,
        optimizer=8 * form.trainable / sharded,
        activations=work.peak_tokens * (held + layer.around + layer.transient) + leaves + head,
        program=program,
    )


def operations(base: Base, form: Outline, work: Work, counts: RowCounts, again: Recompute) -> float:
    """Floating-point operations of an epoch: forward, gradients of the activations, and forward again."""
    config = _config(base)
    embedding = config.vocab_size * config.hidden_size
    tables = embedding * (1 if getattr(config, "tie_word_embeddings", False) else 2)
    attention = config.num_hidden_layers * 4 * (counts.tokens / counts.kept / 2) * config.hidden_size
    body: float = work.computed * FORWARD_AND_BACK[again] * (2 * (form.parameters - tables) + attention)
    head: float = 6 * counts.tokens_with_loss * embedding
    return body + head


def _config(base: Base) -> Any:
    from transformers import AutoConfig

    return AutoConfig.from_pretrained(base.folder).get_text_config()


def plan(
    settings: SftSettings, base: Base, form: Outline, rows: Sequence[Tokens], counts: RowCounts, like: str | None = None
) -> list[str]:
    """What the training takes, in lines; `like`: a device of DEVICES to estimate for, in place of this one."""
    import torch

    from training.trainer import choose_device

    device, dtype = ("cuda", torch.bfloat16) if like else choose_device(settings)
    program = 1e9 if device == "cuda" else _resident_bytes()
    capacity = DEVICES[like][1] if like else _capacity(device)
    again = settings.recomputes(device)
    whole = again == "on"
    here = device if torch.cuda.is_available() else "cpu"
    longest = 0 if like else counts.longest
    layer = measure_layer(base, settings, here, dtype, longest, again)
    work = measure_work(settings, rows)
    layers = _config(base).num_hidden_layers
    width = torch.finfo(dtype).bits // 8

    def memory(changed: SftSettings, again: bool) -> Memory:
        work = measure_work(changed, rows)
        kept = KEPT if device == "cpu" else 0.0
        return measure_memory(changed, base, form, work, layer, program=program, width=width, again=again, kept=kept)

    needed = memory(settings, whole)
    epochs = work.steps * settings.lora.effective_batch / len(rows)
    arithmetic = operations(base, form, work, counts, again) * epochs / processes()
    if like:
        seconds = arithmetic / (DEVICES[like][0] * UTILISATION)
        how = f"estimated for {like}: {100 * UTILISATION:.0f} % of its {DEVICES[like][0] / 1e12:.0f} teraflops"
    else:
        seconds = layer.seconds * layers * work.computed * epochs / processes()
        config = _config(base)
        head = 6 * counts.tokens_with_loss * config.vocab_size * config.hidden_size
        seconds *= 1 + head / operations(base, form, work, counts, again)
        how = f"from a layer timed on this {'GPU' if device == 'cuda' else 'CPU'}"
    lines = [
        f"steps        {work.steps} optimizer steps of {settings.lora.effective_batch} examples",
        f"computed     {work.computed} tokens an epoch, {settings.batching}",
        f"memory       {_gigabytes(needed.total)} of {_gigabytes(capacity)} on each device: weights "
        f"{_gigabytes(needed.weights)}, adapter {_gigabytes(needed.adapter)}, optimizer "
        f"{_gigabytes(needed.optimizer)}, activations {_gigabytes(needed.activations)}, "
        f"program {_gigabytes(needed.program)}",
        f"time         {_duration(seconds)}, {how}",
    ]
    if needed.total > capacity:
        lines.append(_remedy(settings, memory, capacity, whole))
    return lines


def _remedy(settings: SftSettings, memory: Callable[[SftSettings, bool], Memory], capacity: float, again: bool) -> str:
    """Which settings do not fit, and the first that would."""
    lora = settings.lora
    small = lora.model_copy(update={"batch": 1, "accumulation": lora.batch * lora.accumulation})
    one = settings.model_copy(update={"lora": small})
    tries = [("--recompute on", settings, True)] if not again else []
    if lora.batch > 1:
        words = f"--batch 1 --accumulation {small.accumulation}"
        tries += [(words, one, again), *([(f"{words} --recompute on", one, True)] if not again else [])]
    least = memory(one, True)
    for words, changed, recompute in tries:
        if (needed := memory(changed, recompute).total) <= capacity:
            return f"does not fit  batch {lora.batch}; {words} takes {_gigabytes(needed)}"
    if least.weights + least.program > capacity:
        return "does not fit  the base's weights: spread them over several devices (accelerate/fsdp.yaml)"
    single = f"does not fit  a single example, {_gigabytes(least.total)}"
    return f"{single}: lower --cutoff, or spread the base (accelerate/fsdp.yaml)"


def _resident_bytes() -> float:
    """Of this process now: its libraries are those of a training."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def _capacity(device: str) -> float:
    """Bytes of memory of this GPU, or of this machine or the container it shows."""
    import torch

    if device == "cuda":
        return float(torch.cuda.mem_get_info()[1])
    whole = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    limit = Path("/sys/fs/cgroup/memory.max")
    text = limit.read_text().strip() if limit.is_file() else "max"
    return float(whole if text == "max" else min(whole, int(text)))


def _gigabytes(size: float) -> str:
    return f"{size / 1e9:.2f} GB"


def _duration(seconds: float) -> str:
    if seconds < 10:
        return "less than 10 s"
    if seconds <= 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.1f} min" if seconds <= 5400 else f"{seconds / 3600:.1f} h"

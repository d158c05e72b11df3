"""TRL's trainer as this project uses it, and its progress.

Rows bring their tokens and labels: TRL's defaults would drop and cut rows silently and learn every message.
Import this module when training starts; its imports are heavy.
"""

from __future__ import annotations

import contextlib
import ctypes
import math
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import torch
from datasets import Dataset  # type: ignore[import-untyped]
from torch.utils.checkpoint import checkpoint
from transformers import (
    AutoModelForCausalLM,
    PrinterCallback,
    TrainerCallback,
    TrainerControl,
    TrainerState,
    TrainingArguments,
)
from trl.trainer.sft_config import SFTConfig
from trl.trainer.sft_trainer import SFTTrainer

from training import TrainingError, TrainingFailure
from training.base_model import Base, ignore_deprecation, lora_config
from training.output_folder import OutputFolder
from training.sft_config import SftSettings, is_main, processes
from training.shared_prefix import (
    LossPositions,
    SharedPrefixCollator,
    SharedPrefixTrainer,
    gather_before_head,
    set_attention,
)
from training.tokens import ChatTokens, Tokens
from training.tree_attention import NAME

CHECKPOINTS = 2


def choose_device(settings: SftSettings) -> tuple[str, torch.dtype]:
    """cpu or cuda, and the type of the base's weights. TrainingError for a missing GPU."""
    if settings.device == "cuda" and not torch.cuda.is_available():
        raise TrainingError("There is no CUDA device here: omit --device, or use --device cpu.")
    device = "cuda" if settings.device != "cpu" and torch.cuda.is_available() else "cpu"
    if settings.dtype != "auto":
        return device, getattr(torch, settings.dtype)
    return device, torch.bfloat16 if _computes_bf16(device) else torch.float32


def _computes_bf16(device: str) -> bool:
    """Whether the device computes bfloat16 natively, about twice as fast as float32; emulation is slow."""
    if device == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    able = torch.cpu.get_capabilities()
    return bool(able.get("avx512_bf16") or able.get("amx_bf16") or able.get("arm_bf16"))


def make_trainer(
    settings: SftSettings,
    base: Base,
    chat: ChatTokens,
    rows: Sequence[Tokens],
    output: OutputFolder,
    report: Callable[[str], None],
) -> SFTTrainer:
    """The trainer, with the base loaded and the adapter added. TrainingError where TRL would drop rows."""
    if settings.threads:
        torch.set_num_threads(settings.threads)
    device, dtype = choose_device(settings)
    if device == "cpu":
        keep_freed_memory()
    arguments = _arguments(settings, device, dtype, output)
    ignore_deprecation()
    model: Any = AutoModelForCausalLM.from_pretrained(base.folder, dtype=dtype)
    shared = settings.batching == "shared"
    if shared and is_main():  # other processes of FSDP have no weights yet
        set_attention(model, base.name)
    elif shared:
        model.set_attn_implementation(NAME)
    adapter = None if settings.init_adapter else lora_config(settings.lora)
    if settings.init_adapter:
        from peft import PeftModel

        model = PeftModel.from_pretrained(model, str(settings.init_adapter), is_trainable=True)
    trainer = (SharedPrefixTrainer if shared else SFTTrainer)(
        model=model,
        args=arguments,
        train_dataset=Dataset.from_list([{"input_ids": row.input_ids, "labels": row.labels} for row in rows]),
        processing_class=chat.tokenizer,
        peft_config=adapter,
        data_collator=SharedPrefixCollator(settings.lora.batch) if shared else None,
        callbacks=[Progress(report)],
    )
    trainer.remove_callback(PrinterCallback)
    if not shared:
        trainer.data_collator = LossPositions(trainer.data_collator)
    adapted: Any = trainer.model
    if settings.recomputes(device) == "mlp":
        recompute_mlps(adapted, base.name)
    gather_before_head(adapted.get_base_model())
    for config in adapted.peft_config.values():  # PEFT keeps a set, which each process saves in another order
        if isinstance(config.target_modules, set):
            config.target_modules = sorted(config.target_modules)
    trained_on: Any = trainer.train_dataset
    if settings.batching != "packed" and len(trained_on) != len(rows):
        raise TrainingError(f"TRL would train on {len(trained_on)} of {len(rows)} rows: install the pinned version.")
    return trainer


def recompute_mlps(model: Any, name: str) -> None:
    """Have the feed-forward part of every layer computed again in the backward pass. TrainingError if there is none."""
    parts = [part for path, part in model.named_modules() if path.rpartition(".")[2] == "mlp"]
    if not parts:
        raise TrainingError(f"No layer of {name} has a part called mlp: use --recompute on, or off.")
    for part in parts:
        part.forward = partial(checkpoint, part.forward, use_reentrant=False)


def keep_freed_memory() -> None:
    """Have the C library keep what is freed for the next tensor, where it is glibc.

    By itself it gives large tensors back to the system, which hands out the same pages anew, each cleared.
    """
    with contextlib.suppress(OSError, AttributeError):
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(-4, 0)  # M_MMAP_MAX: no memory apart from the heap
        mallopt(-1, -1)  # M_TRIM_THRESHOLD: the heap never shrinks
        mallopt(-2, 1 << 26)  # M_TOP_PAD: it grows by 64 MB


def _arguments(settings: SftSettings, device: str, dtype: torch.dtype, output: OutputFolder) -> SFTConfig:
    lora = settings.lora
    packed = settings.batching == "packed"
    accumulation = lora.accumulation_on(processes())
    together = accumulation if settings.batching == "shared" else 1  # its collator gets all examples of a step
    return SFTConfig(
        output_dir=str(output.checkpoints),
        per_device_train_batch_size=lora.batch * together,
        gradient_accumulation_steps=accumulation // together,
        num_train_epochs=lora.epochs,
        max_steps=settings.max_steps or -1,
        learning_rate=lora.learning_rate,
        lr_scheduler_type=lora.schedule.value,
        warmup_steps=lora.warmup,
        weight_decay=0.0,
        max_grad_norm=lora.max_grad_norm,
        seed=lora.seed,
        data_seed=lora.seed,
        use_cpu=device == "cpu",
        # On a CPU, weights in bfloat16 without autocast are the fastest; on a GPU, autocast keeps sums in float32.
        bf16=device == "cuda" and dtype is torch.bfloat16,
        activation_checkpointing=settings.recomputes(device) == "on",
        max_length=lora.cutoff if packed else None,  # rows are within the cutoff already
        packing=packed,
        train_sampling_strategy="group_by_length" if settings.batching == "grouped" else "random",
        save_strategy="steps",
        save_steps=settings.save_every,
        save_total_limit=CHECKPOINTS,
        logging_steps=settings.log_every,
        logging_first_step=True,  # so that the shortest training has a point in its curve
        logging_nan_inf_filter=False,  # Progress ends a training whose loss is not a number
        report_to="none",
        disable_tqdm=True,
        dataloader_pin_memory=device == "cuda",
        ddp_find_unused_parameters=False,  # every pass uses the whole adapter
    )


EVERY_S = 5.0
"""Seconds between two lines of progress."""


class Progress(TrainerCallback):
    """Adds `seconds` to each entry of the log, over all sessions, and reports a line every EVERY_S seconds."""

    def __init__(self, report: Callable[[str], None]) -> None:
        self._report = report
        self._begun = self._reported = time.monotonic()
        self._first_step = 0

    def on_train_begin(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        """Continue the clock of the previous session."""
        before = max((entry.get("seconds", 0.0) for entry in state.log_history), default=0.0)
        self._begun = time.monotonic() - before
        self._first_step = state.global_step

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: dict[str, float] | None = None,
        **_: Any,
    ) -> None:
        """Note the time and report. TrainingFailure when the loss is not a number."""
        if not logs or "loss" not in logs:
            return
        now = time.monotonic()
        state.log_history[-1]["seconds"] = round(now - self._begun, 2)
        if not math.isfinite(logs["loss"]):
            raise TrainingFailure(
                f"The loss is {logs['loss']} at step {state.global_step}: train with a lower --learning-rate."
            )
        if now - self._reported < EVERY_S and state.global_step not in (self._first_step + 1, state.max_steps):
            return
        self._reported = now
        left = (now - self._begun) / state.global_step * (state.max_steps - state.global_step)
        self._report(
            f"step {state.global_step}/{state.max_steps}  loss {logs['loss']:.4f}  "
            f"rate {logs['learning_rate']:.2e}  {now - self._begun:.0f} s, {left:.0f} s to go"
        )

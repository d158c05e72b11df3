"""TRL's trainer as this project uses it: our tokens and labels, nothing cut or dropped behind our back.

Heavy imports: import this module when training starts. TRL's own preparation is passed over, since rows come with
their labels; its defaults would drop and cut rows silently and learn every message.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from datasets import Dataset  # type: ignore[import-untyped]
from transformers import AutoModelForCausalLM, PrinterCallback
from trl.trainer.sft_config import SFTConfig
from trl.trainer.sft_trainer import SFTTrainer

from training.base_model import Base, ignore_old_name, lora_config
from training.errors import TrainingError
from training.output_folder import OutputFolder
from training.progress import Progress
from training.sft_config import SftSettings, processes
from training.tokens import ChatTokens, Tokens

CHECKPOINTS = 2


def choose_device(settings: SftSettings) -> tuple[str, torch.dtype]:
    """cpu or cuda, and the type of the base's weights. TrainingError for a GPU that is not there."""
    if settings.device == "cuda" and not torch.cuda.is_available():
        raise TrainingError("There is no CUDA device here: leave --device out, or give --device cpu.")
    device = "cuda" if settings.device != "cpu" and torch.cuda.is_available() else "cpu"
    if settings.dtype != "auto":
        return device, getattr(torch, settings.dtype)
    return device, torch.bfloat16 if _computes_bf16(device) else torch.float32


def _computes_bf16(device: str) -> bool:
    """Whether the device computes bfloat16 itself, at about twice the speed of float32; others emulate it, slowly."""
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
    say: Callable[[str], None],
) -> SFTTrainer:
    """The trainer with its model loaded and the adapter put on."""
    if settings.threads:
        torch.set_num_threads(settings.threads)
    device, dtype = choose_device(settings)
    arguments = _arguments(settings, device, dtype, output)  # before the model, which DeepSpeed wants to shard at once
    ignore_old_name()
    model: Any = AutoModelForCausalLM.from_pretrained(base.folder, dtype=dtype)
    adapter = None if settings.init_adapter else lora_config(settings.lora)
    if settings.init_adapter:
        from peft import PeftModel

        model = PeftModel.from_pretrained(model, str(settings.init_adapter), is_trainable=True)
    trainer = SFTTrainer(
        model=model,
        args=arguments,
        train_dataset=Dataset.from_list([{"input_ids": row.input_ids, "labels": row.labels} for row in rows]),
        processing_class=chat.tokenizer,
        peft_config=adapter,
        callbacks=[Progress(say)],
    )
    trainer.remove_callback(PrinterCallback)
    trained_on: Any = trainer.train_dataset
    if settings.batching != "packed" and len(trained_on) != len(rows):
        raise TrainingError(f"TRL would train on {len(trained_on)} of {len(rows)} rows: install the pinned version.")
    return trainer


def _arguments(settings: SftSettings, device: str, dtype: torch.dtype, output: OutputFolder) -> SFTConfig:
    lora = settings.lora
    packed = settings.batching == "packed"
    return SFTConfig(
        output_dir=str(output.checkpoints),
        per_device_train_batch_size=lora.batch,
        gradient_accumulation_steps=lora.accumulation_on(processes()),
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
        activation_checkpointing=device == "cuda",
        max_length=lora.cutoff if packed else None,  # rows are within the cutoff already: nothing is cut by TRL
        packing=packed,
        train_sampling_strategy="group_by_length" if settings.batching == "grouped" else "random",
        save_strategy="steps",
        save_steps=settings.save_every,
        save_total_limit=CHECKPOINTS,
        logging_steps=settings.log_every,
        logging_first_step=True,  # a curve has a point, however short the training
        logging_nan_inf_filter=False,  # a loss that is no number shall be seen
        report_to="none",
        disable_tqdm=True,
        dataloader_pin_memory=device == "cuda",
        ddp_find_unused_parameters=False,  # every part of the adapter is used in every pass
    )

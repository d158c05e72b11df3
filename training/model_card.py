"""The model card: README.md of an adapter, in the form of the Hugging Face hub."""

from __future__ import annotations

import json

from training.metrics import Metrics

_CARD = """\
---
base_model: {base}
library_name: peft
pipeline_tag: text-generation
tags: [lora, memory-specialist]
---
# A memory specialist for {base}

A LoRA adapter trained on conversations in which an agent keeps its notebook: what to record after a step, and what to
recall before an action. It is meant for these two routines; actions stay with the base.

![Loss curve](loss.png)

| | |
|---|---|
| base weights | SHA-256 `{digest}` |
| dataset | `{dataset}`, SHA-256 `{data_digest}` |
| examples | {rows} |
| loss on | {loss_on} assistant turns, end-of-turn token included |
| adapter | rank {rank}, alpha {alpha}, dropout {dropout:g}, on {targets}: {parameters:,} parameters |
| optimisation | AdamW, learning rate {rate:g}, {schedule}, warm-up {warmup:g}, gradient norm {norm:g}, seed {seed} |
| batch | {batch} × {accumulation} × {processes} processes, {batching}, cutoff {cutoff} tokens |
| trained | {steps} steps, {epochs:.2f} epochs, {seconds:.0f} s on {device} ({dtype}) |
| loss | {first:.4f} → {last:.4f} |
| versions | {versions} |

## Use
```bash
automem serve --base {base} --adapter specialist=FOLDER    # base and specialist by model name, from one server
{embedded}```
What it was trained on was written by a model: its mistakes, and the worlds it played, are the limits of this adapter.
"""
_EMBEDDED = "automem eval --world WORLD --model embedded+adapter=FOLDER --out RUN    # in this process\n"


def model_card(metrics: Metrics, *, embedded: bool) -> str:
    """The card's text. `embedded`: whether the base is the one that runs in the agent's own process."""
    lora = metrics.configuration
    targets = lora.target_modules if isinstance(lora.target_modules, str) else ", ".join(lora.target_modules)
    return _CARD.format(
        base=metrics.base.name,
        digest=metrics.base.digest,
        dataset=metrics.dataset.path,
        data_digest=metrics.dataset.digest,
        rows=metrics.dataset.rows.sentence(),
        loss_on=metrics.loss_on,
        rank=lora.rank,
        alpha=lora.alpha,
        dropout=lora.dropout,
        targets=targets,
        parameters=metrics.trainable_parameters,
        rate=lora.learning_rate,
        schedule=lora.schedule.value,
        warmup=lora.warmup,
        norm=lora.max_grad_norm,
        seed=lora.seed,
        batch=lora.batch,
        accumulation=lora.accumulation_on(metrics.processes),
        processes=metrics.processes,
        batching=metrics.batching,
        cutoff=lora.cutoff,
        steps=metrics.steps,
        epochs=metrics.epochs,
        seconds=metrics.seconds,
        device=metrics.device,
        dtype=metrics.dtype,
        first=metrics.first_loss,
        last=metrics.last_loss,
        versions=json.dumps(metrics.versions)[1:-1].replace('"', ""),
        embedded=_EMBEDDED if embedded else "",
    )

"""What a training reports with its adapter: metrics.json, the loss curve and the model card.

metrics.json is written last: its presence means that the training finished.
"""

from __future__ import annotations

import platform
import re
import resource
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic import AliasChoices, BaseModel, ConfigDict, Field, ValidationError

from training import TrainingError
from training.recipe import LoraConfiguration
from training.tokens import RowCounts

LIBRARIES = ("torch", "transformers", "trl", "peft", "accelerate", "datasets")


class _Facts(BaseModel):
    model_config = ConfigDict(frozen=True)


class Point(_Facts):
    """One point of the loss curve; loss and token accuracy are means since the point before, over tokens with loss."""

    step: int
    epoch: float
    loss: float
    learning_rate: float
    grad_norm: float | None = None
    """Before clipping; None where the launcher does not report it."""
    token_accuracy: float = Field(validation_alias=AliasChoices("token_accuracy", "mean_token_accuracy"))
    seconds: float
    """Of training until here, over all sessions."""


class BaseFacts(_Facts):
    """The model that the adapter belongs to."""

    name: str
    digest: str
    """SHA-256 over its weights' files (training.base_model.weights_digest)."""


class DataFacts(_Facts):
    """What was trained on."""

    path: str
    digest: str
    """SHA-256 of the file."""
    rows: RowCounts


class Metrics(_Facts):
    """One finished training, its settings and library versions."""

    base: BaseFacts
    dataset: DataFacts
    configuration: LoraConfiguration
    loss_on: str
    cutoff_policy: str
    batching: str
    init_adapter: str | None
    trainable_parameters: int
    processes: int
    device: str
    dtype: str
    threads: int
    steps: int
    epochs: float
    seconds: float
    peak_memory_bytes: int
    """Of this process, and of the GPU where there is one: the larger."""
    first_loss: float
    last_loss: float
    curve: list[Point]
    versions: dict[str, str]

    @property
    def tokens_seen(self) -> int:
        """Tokens that the model was trained on, without padding."""
        return round(self.epochs * self.dataset.rows.tokens)


def peak_memory() -> int:
    """The most bytes of memory that this process has held.

    Not `ru_maxrss`, where there is another: on Linux that begins at what the process that started this one had held.
    """
    status = Path("/proc/self/status")
    if status.exists() and (line := re.search(r"^VmHWM:\s+(\d+) kB$", status.read_text(), re.MULTILINE)):
        return int(line[1]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def read_metrics(folder: Path) -> Metrics | None:
    """The metrics of a finished training; None where none finished. TrainingError when they are damaged."""
    path = folder / "metrics.json"
    try:
        return Metrics.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ValidationError) as error:
        raise TrainingError(f"{path} cannot be read; move it away, or choose another --output.") from error


def points(history: list[dict[str, Any]]) -> list[Point]:
    """The loss curve of a trainer's log."""
    return [Point.model_validate(entry) for entry in history if "loss" in entry]


def versions() -> dict[str, str]:
    """Of Python and the libraries that the result depends on."""
    from importlib.metadata import version

    return {"python": platform.python_version(), **{name: version(name) for name in LIBRARIES}}


def draw_loss_curve(curve: Sequence[Point], title: str, path: Path) -> None:
    """Write a PNG: loss over optimizer steps on the left, token accuracy on the right."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 4), layout="constrained")
    axes = figure.subplots()
    steps = [point.step for point in curve]
    marker = "o" if len(curve) == 1 else ""
    axes.plot(steps, [point.loss for point in curve], marker=marker, color="tab:blue")
    axes.set_xlabel("optimizer step")
    axes.set_ylabel("loss per token (nats)", color="tab:blue")
    axes.set_title(title, fontsize=10)
    other = axes.twinx()
    other.plot(steps, [100 * point.token_accuracy for point in curve], marker=marker, color="tab:gray", linewidth=0.8)
    other.set_ylabel("token accuracy (%)", color="tab:gray")
    other.set_ylim(0, 100)
    figure.savefig(path, dpi=120)


_CARD = """\
---
base_model: {m.base.name}
library_name: peft
pipeline_tag: text-generation
tags: [lora, memory-specialist]
---
# A memory specialist for {m.base.name}

A LoRA adapter trained on conversations in which an agent keeps its notebook: what to record after a step, and what to
recall before an action. It is meant for these two routines; the base commits the action.

![Loss curve](loss.png)

| | |
|---|---|
| base weights | SHA-256 `{m.base.digest}` |
| dataset | `{m.dataset.path}`, SHA-256 `{m.dataset.digest}` |
| examples | {rows} |
| loss on | {m.loss_on} assistant turns, end-of-turn token included |
| adapter | rank {c.rank}, alpha {c.alpha}, dropout {c.dropout:g}, on {targets}: {m.trainable_parameters:,} parameters |
| optimisation | AdamW, learning rate {c.learning_rate:g}, {c.schedule.value}, warm-up {c.warmup:g}, \
gradient norm {c.max_grad_norm:g}, seed {c.seed} |
| batch | {c.batch} × {accumulation} × {m.processes} processes, {m.batching}, cutoff {c.cutoff} tokens |
| trained | {m.steps} steps, {m.epochs:.2f} epochs, {m.seconds:.0f} s on {m.device} ({m.dtype}) |
| loss | {m.first_loss:.4f} → {m.last_loss:.4f} |
| versions | {versions} |

## Use
```bash
automem serve --base {m.base.name} --adapter specialist=FOLDER    # base and specialist by model name, from one server
{embedded}```
A model wrote the text that it was trained on: that model's mistakes, and the worlds it played, limit this adapter.
"""
_EMBEDDED = "automem eval --world WORLD --model embedded+adapter=FOLDER --out RUN    # in this process\n"


def model_card(metrics: Metrics, *, embedded: bool) -> str:
    """README.md of an adapter, as the Hugging Face hub wants it. `embedded`: whether chat_models can run the base."""
    lora = metrics.configuration
    return _CARD.format(
        m=metrics,
        c=lora,
        rows=metrics.dataset.rows.sentence(),
        targets=lora.target_modules if isinstance(lora.target_modules, str) else ", ".join(lora.target_modules),
        accumulation=lora.accumulation_on(metrics.processes),
        versions=", ".join(f"{name}: {version}" for name, version in metrics.versions.items()),
        embedded=_EMBEDDED if embedded else "",
    )

"""What a training was and came to: metrics.json, whose presence in an output folder means that it finished."""

from __future__ import annotations

import platform
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from training.errors import TrainingError
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
    grad_norm: float | None
    """Before clipping; None where the launcher keeps it to itself (DeepSpeed)."""
    token_accuracy: float
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
    """One finished training."""

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
        """Tokens that went through the model, padding aside."""
        return round(self.epochs * self.dataset.rows.tokens)


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
    return [
        Point(
            step=entry["step"],
            epoch=entry["epoch"],
            loss=entry["loss"],
            learning_rate=entry["learning_rate"],
            grad_norm=entry.get("grad_norm"),
            token_accuracy=entry["mean_token_accuracy"],
            seconds=entry["seconds"],
        )
        for entry in history
        if "loss" in entry
    ]


def versions() -> dict[str, str]:
    """Of Python and the libraries that decide what comes out."""
    from importlib.metadata import version

    return {"python": platform.python_version(), **{name: version(name) for name in LIBRARIES}}


def draw_loss_curve(curve: Sequence[Point], title: str, path: Path) -> None:
    """Write a PNG: loss over optimizer steps on the left, share of tokens foreseen on the right."""
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
    other.set_ylabel("tokens foreseen (%)", color="tab:gray")
    other.set_ylim(0, 100)
    figure.savefig(path, dpi=120)

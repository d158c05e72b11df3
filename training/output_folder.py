"""The output folder of one training: started, resumed, and never shared with another.

OUTPUT/training.json             the settings and the digests of dataset and base
OUTPUT/checkpoints/              the last two checkpoints
OUTPUT/adapter_model.safetensors, adapter_config.json, tokenizer
OUTPUT/loss.png, README.md       the loss curve, the model card
OUTPUT/metrics.json              written last: its presence means finished
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

from training import TrainingError
from training.metrics import Metrics, read_metrics
from training.sft_config import SftSettings

STATES = 10
"""Disk space that must be free, in copies of the adapter (4 bytes a parameter): the adapter, and three checkpoints of
adapter and two moments, since the third is written before the first is deleted."""


class OutputFolder:
    """The files of one training."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.settings_file = path / "training.json"
        self.checkpoints = path / "checkpoints"

    def open(self, settings: SftSettings, dataset: str, base: str, trainable: int) -> Metrics | None:
        """Start or resume this training in the folder; return the metrics if it has finished.

        TrainingError when it holds another training, or this one without `resume`, cannot be written, or lacks space.
        """
        parts = {**settings.equal_parts(), "dataset.digest": dataset, "base.digest": base}
        if self.settings_file.is_file():
            self._compare(settings, parts)
            if finished := read_metrics(self.path):
                return finished
        try:
            self.checkpoints.mkdir(parents=True, exist_ok=True)
            free = shutil.disk_usage(self.path).free
            if free < (needed := 4 * STATES * trainable):
                raise TrainingError(
                    f"The output {self.path} has {free >> 20} MB free, adapter and checkpoints take {needed >> 20} MB: "
                    "free some, lower --rank, or choose another --output."
                )
            if not self.settings_file.is_file():
                write_whole(self.settings_file, json.dumps(parts, indent=2) + "\n")
        except OSError as error:
            raise TrainingError(f"The output {self.path} cannot be written: {error.strerror}.") from error
        return None

    def _compare(self, settings: SftSettings, parts: dict[str, Any]) -> None:
        if not settings.resume:
            raise TrainingError(
                f"The output {self.path} already holds a training: continue it with --resume, or choose another."
            )
        try:
            before: dict[str, Any] = json.loads(self.settings_file.read_text())
        except (OSError, ValueError) as error:
            raise TrainingError(f"{self.settings_file} cannot be read: {error}; choose another --output.") from error
        for name, value in parts.items():
            if before.get(name) != value:
                raise TrainingError(
                    f"The training in {self.path} has another {name} ({_short(before.get(name))}, not "
                    f"{_short(value)}): resume it with the same settings, or choose another --output."
                )

    def last_checkpoint(self) -> Path | None:
        """The latest complete checkpoint: one without trainer_state.json, which is written last, is incomplete."""
        found = []
        for folder in self.checkpoints.glob("checkpoint-*"):
            try:
                found.append((json.loads((folder / "trainer_state.json").read_text())["global_step"], folder))
            except (OSError, ValueError, KeyError):
                continue
        return max(found)[1] if found else None


def write_whole(path: Path, text: str) -> None:
    """Write a file atomically."""
    temporary = path.with_name(f"{path.name}.tmp")
    temporary.write_text(text, encoding="utf-8")
    temporary.replace(path)


def _short(value: object) -> str:
    text = str(value)
    return text if len(text) <= 24 else f"{text[:16]}…"

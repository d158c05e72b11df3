"""The folder of one training: claimed, taken up again, and never mixed with another's.

OUTPUT/training.json             what was begun: settings, digests of dataset and base
OUTPUT/checkpoints/              the last two
OUTPUT/adapter_model.safetensors, adapter_config.json, tokenizer
OUTPUT/loss.png, README.md       the loss curve, the model card
OUTPUT/metrics.json              written last: its presence means finished
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

from training.errors import TrainingError
from training.metrics import Metrics, read_metrics
from training.sft_config import SftSettings

STATES = 10
"""Times the adapter's parameters, at 4 bytes, that must be free: the adapter, and three checkpoints of adapter and
two moments each, since the third is written before the first is deleted."""


class OutputFolder:
    """Where one training writes."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.begun = path / "training.json"
        self.checkpoints = path / "checkpoints"

    def claim(self, settings: SftSettings, dataset: str, base: str, trainable: int) -> Metrics | None:
        """Make the folder this training's own; the metrics if it has finished already.

        TrainingError when it holds another training (or this one, and not to resume), cannot be written, or lacks room.
        """
        parts = {**settings.equal_parts(), "dataset.digest": dataset, "base.digest": base}
        if self.begun.is_file():
            self._compare(settings, parts)
            if finished := read_metrics(self.path):
                return finished
        try:
            self.checkpoints.mkdir(parents=True, exist_ok=True)
            free = shutil.disk_usage(self.path).free
            if free < (needed := 4 * STATES * trainable):
                raise TrainingError(
                    f"The output {self.path} has {free >> 20} MB free, adapter and checkpoints take {needed >> 20} MB: "
                    "make room, lower --rank, or choose another --output."
                )
            if not self.begun.is_file():
                write_whole(self.begun, json.dumps(parts, indent=2) + "\n")
        except OSError as error:
            raise TrainingError(f"The output {self.path} cannot be written: {error.strerror}.") from error
        return None

    def _compare(self, settings: SftSettings, parts: dict[str, Any]) -> None:
        if not settings.resume:
            raise TrainingError(
                f"The output {self.path} holds a training already: go on with --resume, or choose another --output."
            )
        try:
            before: dict[str, Any] = json.loads(self.begun.read_text())
        except (OSError, ValueError) as error:
            raise TrainingError(f"{self.begun} cannot be read: {error}; choose another --output.") from error
        for name, value in parts.items():
            if before.get(name) != value:
                raise TrainingError(
                    f"The training in {self.path} was begun with another {name} ({_short(before.get(name))}, not "
                    f"{_short(value)}): resume it as it was, or choose another --output."
                )

    def last_checkpoint(self) -> Path | None:
        """The latest that is complete: its trainer_state.json is written last, so a torn one is passed over."""
        found = []
        for folder in self.checkpoints.glob("checkpoint-*"):
            try:
                found.append((json.loads((folder / "trainer_state.json").read_text())["global_step"], folder))
            except (OSError, ValueError, KeyError):
                continue
        return max(found)[1] if found else None


def write_whole(path: Path, text: str) -> None:
    """Write a file so that it is there whole or not at all."""
    beside = path.with_name(f"{path.name}.tmp")
    beside.write_text(text, encoding="utf-8")
    beside.replace(path)


def _short(value: object) -> str:
    text = str(value)
    return text if len(text) <= 24 else f"{text[:16]}…"

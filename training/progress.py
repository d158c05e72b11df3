"""Watches a training: lines for people, the loss curve, an end when the loss is no number."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import Any

from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from training.errors import TrainingFailure

EVERY_S = 5.0
"""Seconds between two lines."""


class Progress(TrainerCallback):
    """Adds `seconds` to each entry of the log, over all sessions, and says a line every EVERY_S seconds."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say
        self._begun = self._said = time.monotonic()
        self._first_step = 0

    def on_train_begin(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        """Start the clock where the session before stopped it."""
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
        """TrainingFailure when the loss is no number: everything after it would be noise."""
        if not logs or "loss" not in logs:
            return
        now = time.monotonic()
        state.log_history[-1]["seconds"] = round(now - self._begun, 2)
        if not math.isfinite(logs["loss"]):
            raise TrainingFailure(
                f"The loss is {logs['loss']} at step {state.global_step}: train with a lower --learning-rate."
            )
        if now - self._said < EVERY_S and state.global_step not in (self._first_step + 1, state.max_steps):
            return
        self._said = now
        left = (now - self._begun) / state.global_step * (state.max_steps - state.global_step)
        self._say(
            f"step {state.global_step}/{state.max_steps}  loss {logs['loss']:.4f}  "
            f"rate {logs['learning_rate']:.2e}  {now - self._begun:.0f} s, {left:.0f} s to go"
        )

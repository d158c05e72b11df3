"""How training can fail: our own mistakes, known before anything is trained, and the machine's failures."""

from __future__ import annotations


class TrainingError(ValueError):
    """A dataset, recipe, base or setting that cannot be trained with; one sentence: what, where, what to do."""


class TrainingFailure(RuntimeError):
    """The machine failed a training (disk, memory, a loss that is no number); one sentence: what, and what to do."""
